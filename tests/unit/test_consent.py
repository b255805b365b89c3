"""May we send? The stricter answer always wins; see also `test_consent_laws`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sync.consent import (
    NOTHING,
    STRICTNESS,
    Record,
    Source,
    Statement,
    Verdict,
    decide,
    is_reopened,
    mailjet_opt_out,
    opted_in,
)
from pipeline.sync.contact import Subscriber
from pipeline.sync.ghl_dnd import OPEN_STATUSES, ghl_opt_out
from tests.builders import make_contact

CASES = st.sampled_from(["email", "Email", "EMAIL", "eMail"])
NOES = [source for source in Source if source is not Source.OPT_IN]


def said(*sources: Source, at_ms: int = 5) -> Record:
    return {source: Statement(source, at_ms) for source in sources}


def test_without_any_no_the_person_is_subscribed() -> None:
    verdict = decide(NOTHING)

    assert verdict is Verdict.SUBSCRIBED
    assert verdict.is_open


@pytest.mark.parametrize("one", NOES)
def test_one_no_is_enough(one: Source) -> None:
    verdict = decide(said(one))

    assert not verdict.is_open


@pytest.mark.parametrize("one", NOES)
@pytest.mark.parametrize(("yes_ms", "opens"), [(4, False), (5, False), (6, True)])
def test_only_an_opt_in_that_is_newer_opens_again(
    one: Source, yes_ms: int, opens: bool
) -> None:
    record = opted_in(said(one), yes_ms, "form 12")

    assert decide(record).is_open is opens
    assert is_reopened(record) is opens


def test_an_opt_in_of_somebody_who_said_no_nowhere_reopens_nothing() -> None:
    record = opted_in(NOTHING, 5, "form 12")

    assert decide(record).is_open
    assert not is_reopened(record)


@given(others=st.sets(st.sampled_from(NOES)))
def test_a_complaint_is_told_as_one_beside_any_other_no(others: set[Source]) -> None:
    verdict = decide(said(Source.MAILJET_SPAM, *others))

    assert verdict is Verdict.COMPLAINED


@given(noes=st.sets(st.sampled_from(NOES)), added=st.sampled_from(NOES))
def test_adding_a_no_never_opens_and_never_hides_a_complaint(
    noes: set[Source], added: Source
) -> None:
    was, now = decide(said(*noes)), decide(said(*noes, added))

    assert STRICTNESS.index(now) >= STRICTNESS.index(was)


@given(key=CASES, spaces=st.sampled_from(["", " "]), upper=st.booleans())
def test_an_inactive_channel_is_open_however_it_is_written(
    key: str, spaces: str, upper: bool
) -> None:
    word = "INACTIVE" if upper else "inactive"
    settings_ = {key: {"status": f"{spaces}{word}{spaces}"}}

    said_no = ghl_opt_out(make_contact(dnd=False, dnd_settings=settings_))

    assert said_no is False


@given(key=CASES, word=st.text(min_size=1).filter(lambda text: text.strip()))
@settings(max_examples=200)
def test_a_word_that_we_do_not_know_is_a_no(key: str, word: str) -> None:
    known = word.strip().lower() in OPEN_STATUSES
    contact = make_contact(dnd=False, dnd_settings={key: {"status": word}})

    said_no = ghl_opt_out(contact)

    assert said_no is not known


@pytest.mark.parametrize("word", ["active", "permanent", "Permanent", "ACTIVE "])
def test_active_and_permanent_are_a_no(word: str) -> None:
    contact = make_contact(dnd=False, dnd_settings={"Email": {"status": word}})

    assert ghl_opt_out(contact) is True


@given(word=st.sampled_from(["inactive", "active", "", None]), key=CASES)
def test_the_flag_for_all_channels_is_a_no_beside_any_channel(
    word: str | None, key: str
) -> None:
    contact = make_contact(dnd=True, dnd_settings={key: {"status": word}})

    assert ghl_opt_out(contact) is True


@pytest.mark.parametrize("dnd", [None, False])
def test_a_record_without_channels_cannot_tell(dnd: bool | None) -> None:
    contact = make_contact(dnd=dnd, dnd_settings=None)

    assert ghl_opt_out(contact) is None


@pytest.mark.parametrize("channel", [{}, {"status": None}, {"status": " "}])
def test_a_channel_without_a_word_cannot_tell(channel: dict[str, object]) -> None:
    contact = make_contact(dnd=False, dnd_settings={"Email": channel})

    assert ghl_opt_out(contact) is None


@given(key=CASES, channel=st.text() | st.lists(st.text()) | st.integers())
def test_a_channel_that_is_no_object_is_never_a_yes_unless_it_is_the_word(
    key: str, channel: object
) -> None:
    contact = make_contact(dnd=False, dnd_settings={key: channel})

    said_no = ghl_opt_out(contact)

    is_open = str(channel).strip().lower() in OPEN_STATUSES
    assert (said_no is False) is is_open


@pytest.mark.parametrize("channel", ["active", ["active"], ["inactive"], 1])
def test_a_channel_of_another_form_is_a_no(channel: object) -> None:
    contact = make_contact(dnd=False, dnd_settings={"Email": channel})

    assert ghl_opt_out(contact) is True


@given(keys=st.permutations(["email", "Email", "EMAIL"]))
def test_of_one_channel_told_twice_the_no_counts(keys: list[str]) -> None:
    words = dict(zip(keys, ["inactive", "active", ""], strict=True))
    channels = {key: {"status": word} for key, word in words.items()}

    said_no = ghl_opt_out(make_contact(dnd=False, dnd_settings=channels))

    assert said_no is True


def test_a_channel_told_twice_and_once_without_a_word_cannot_tell() -> None:
    channels = {"email": {"status": "inactive"}, "Email": {}}

    said_no = ghl_opt_out(make_contact(dnd=False, dnd_settings=channels))

    assert said_no is None


def test_a_no_to_another_channel_is_not_one_to_mail() -> None:
    contact = make_contact(dnd=False, dnd_settings={"SMS": {"status": "active"}})

    assert ghl_opt_out(contact) is False


@given(
    excluded=st.none() | st.booleans(),
    complained=st.booleans(),
    unsubscribed=st.none() | st.dictionaries(st.integers(1, 5), st.booleans()),
    account_wide=st.booleans(),
)
def test_mailjet_says_no_by_exclusion_complaint_or_in_the_account_by_any_list(
    excluded: bool | None,
    complained: bool,
    unsubscribed: dict[int, bool] | None,
    account_wide: bool,
) -> None:
    subscriber = Subscriber(
        1, excluded=excluded, complained=complained, unsubscribed=unsubscribed
    )

    said_no = mailjet_opt_out(subscriber, account_wide=account_wide)

    if excluded or complained:
        assert said_no
    if account_wide and True in (unsubscribed or {}).values():
        assert said_no
    if not excluded and not complained and True not in (unsubscribed or {}).values():
        assert not said_no
