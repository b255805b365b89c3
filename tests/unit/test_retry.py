"""What follows from an error: decided once, for everybody."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import (
    Ambiguous,
    BadPayload,
    BudgetSpent,
    ConfigError,
    LeaseLost,
    NotFound,
    PermanentError,
    PipelineError,
    RateLimited,
    Reach,
    ReadOnly,
    Rejected,
    ScopeMissing,
    TransientError,
    Unauthorized,
    VendorDown,
    VendorError,
)
from pipeline.retry import (
    BACKOFF_FIRST_SECONDS,
    BACKOFF_MAX_SECONDS,
    LONGEST_OUTAGE_WAIT_SECONDS,
    MAX_ATTEMPTS,
    RATE_LIMITED_SECONDS,
    Cause,
    GiveUp,
    PauseConnection,
    Trouble,
    TryAgain,
    decide,
    trouble,
)

ATTEMPTS = st.integers(0, 50)
JITTER = st.floats(0, 1)
TRANSIENT = (TransientError, VendorDown, Ambiguous)
PERMANENT = (PermanentError, NotFound, Rejected, BadPayload)


def make_error(kind: type[VendorError], reach: Reach | None = None) -> VendorError:
    return kind("mailjet", "GET /contact/:contact", 500, "why", reach=reach)


@given(attempt=ATTEMPTS, jitter=JITTER, wait=st.none() | st.floats(0.1, 3600))
@settings(max_examples=100)
def test_too_many_requests_never_counts_and_never_gives_up(
    attempt: int, jitter: float, wait: float | None
) -> None:
    error = RateLimited("ghl", "GET /contacts/", retry_after_seconds=wait)

    decision = decide(error, attempt, jitter=jitter)

    expected = RATE_LIMITED_SECONDS if wait is None else wait
    assert decision == TryAgain(expected, counted=False, suspect=False)


@given(attempt=ATTEMPTS, jitter=JITTER, wait=st.floats(0, 86_400), daily=st.booleans())
@settings(max_examples=100)
def test_a_spent_budget_never_counts_and_never_gives_up(
    attempt: int, jitter: float, wait: float, daily: bool
) -> None:
    decision = decide(BudgetSpent(wait, daily=daily), attempt, jitter=jitter)

    assert decision == TryAgain(wait, counted=False, suspect=False)


@given(
    kind=st.sampled_from([*TRANSIENT, *PERMANENT, Unauthorized]),
    attempt=ATTEMPTS,
    jitter=JITTER,
)
@settings(max_examples=100)
def test_what_reaches_the_connection_pauses_it_whatever_the_error_is(
    kind: type[VendorError], attempt: int, jitter: float
) -> None:
    error = make_error(kind, Reach.CONNECTION)

    decision = decide(error, attempt, jitter=jitter)

    assert decision == PauseConnection()


@given(kind=st.sampled_from(PERMANENT), attempt=ATTEMPTS, jitter=JITTER)
@settings(max_examples=100)
def test_a_contacts_own_problem_is_a_dead_letter_at_once(
    kind: type[VendorError], attempt: int, jitter: float
) -> None:
    error = make_error(kind)

    decision = decide(error, attempt, jitter=jitter)

    assert decision == GiveUp(str(error))


def test_a_dead_credential_pauses_by_itself() -> None:
    assert isinstance(decide(make_error(Unauthorized), 0, jitter=1.0), PauseConnection)


@given(
    kind=st.sampled_from(TRANSIENT),
    attempt=st.integers(0, MAX_ATTEMPTS - 2),
    jitter=JITTER,
)
@settings(max_examples=100)
def test_a_failing_call_waits_at_most_the_backoff_and_counts(
    kind: type[VendorError], attempt: int, jitter: float
) -> None:
    decision = decide(make_error(kind), attempt, jitter=jitter)

    assert isinstance(decision, TryAgain)
    most = min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2**attempt)
    assert decision.wait_seconds == pytest.approx(most * jitter)
    assert 0 <= decision.wait_seconds <= BACKOFF_MAX_SECONDS
    assert decision.counted
    assert decision.suspect


@given(
    kind=st.sampled_from([*PERMANENT, VendorError]),
    attempt=st.integers(0, MAX_ATTEMPTS - 2),
)
@settings(max_examples=20)
def test_an_error_that_is_not_transient_counts_and_blames_no_vendor(
    kind: type[VendorError], attempt: int
) -> None:
    decision = decide(make_error(kind, Reach.CALL), attempt, jitter=1.0)

    assert isinstance(decision, TryAgain)
    assert decision.counted
    assert not decision.suspect


@given(
    error=st.builds(make_error, st.sampled_from(TRANSIENT))
    | st.builds(
        make_error, st.sampled_from([*PERMANENT, VendorError]), st.just(Reach.CALL)
    ),
    attempt=st.integers(MAX_ATTEMPTS - 1, 10_000),
)
@settings(max_examples=50)
def test_the_last_attempt_is_a_dead_letter(error: VendorError, attempt: int) -> None:
    decision = decide(error, attempt, jitter=1.0)

    assert decision == GiveUp(f"{error} ({MAX_ATTEMPTS} attempts)")


@given(
    error=st.sampled_from([LeaseLost("id1"), ReadOnly()]),
    attempt=ATTEMPTS,
    jitter=JITTER,
)
@settings(max_examples=20)
def test_what_no_vendor_said_comes_back_soon_and_counts_nowhere(
    error: PipelineError, attempt: int, jitter: float
) -> None:
    decision = decide(error, attempt, jitter=jitter)

    assert decision == TryAgain(BACKOFF_FIRST_SECONDS * jitter)


def test_each_wait_may_be_longer_than_the_one_before() -> None:
    waits = [
        decision.wait_seconds
        for attempt in range(MAX_ATTEMPTS - 1)
        if isinstance(
            decision := decide(make_error(VendorDown), attempt, jitter=1.0), TryAgain
        )
    ]

    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0]


@pytest.mark.parametrize("asked", [100.0, 86_400.0])
def test_a_vendor_that_is_down_is_left_alone_for_as_long_as_it_asks(
    asked: float,
) -> None:
    error = VendorDown("ghl", "GET /contacts/", 503)
    error.retry_after_seconds = asked

    decision = decide(error, 0, jitter=0.0)

    wait = min(asked, LONGEST_OUTAGE_WAIT_SECONDS)
    assert decision == TryAgain(wait, counted=True, suspect=True)
    assert trouble(error).wait_seconds == wait


def _error(kind: type[VendorError], vendor: str, detail: str = "") -> VendorError:
    return kind(vendor, "GET /x", 400, detail, reach=Reach.CONNECTION)


TROUBLES = [
    (_error(Unauthorized, "ghl"), "ghl", Cause.CREDENTIAL),
    (_error(ScopeMissing, "ghl"), "ghl", Cause.SCOPE),
    (_error(NotFound, "ghl"), "ghl", Cause.LOCATION),
    (_error(BadPayload, "ghl"), "ghl", Cause.BASE_URL),
    (_error(Unauthorized, "mailjet"), "mailjet", Cause.CREDENTIAL),
    (_error(NotFound, "mailjet"), "mailjet", Cause.LIST),
    (_error(Rejected, "mailjet", "listID missing"), "mailjet", Cause.LIST),
    (_error(Rejected, "mailjet", "not defined"), "mailjet", Cause.PROPERTY),
    (make_error(BadPayload, Reach.CALL), "mailjet", Cause.OUTAGE),
    (make_error(VendorDown), "mailjet", Cause.OUTAGE),
    (make_error(Ambiguous), "mailjet", Cause.OUTAGE),
    (ConfigError(["Mailjet lacks city"]), "mailjet", Cause.PROPERTY),
]


@pytest.mark.parametrize(("error", "vendor", "cause"), TROUBLES)
def test_each_error_names_who_is_in_trouble_and_what_kind_it_is(
    error: PipelineError, vendor: str, cause: Cause
) -> None:
    assert trouble(error) == Trouble(vendor, cause, str(error))
