import contextlib
import logging
import traceback
from collections.abc import Callable
from dataclasses import replace

import pytest
import requests
from urllib3.exceptions import ReadTimeoutError

from pipeline.errors import (
    Ambiguous,
    BudgetSpent,
    ConfigError,
    LeaseLost,
    ReadOnly,
    Rejected,
    VendorDown,
    VendorError,
)
from pipeline.permit import Lane, Lease, Permit
from pipeline.session import USER_AGENT, ApiSession
from tests.recorded import Ledgerless, RecordedVendor, recording, sample


def make_session(read_only: bool) -> tuple[ApiSession, RecordedVendor]:
    vendor = RecordedVendor("ghl", *[recording({})] * 3)
    http = requests.Session()
    http.mount("https://", vendor)
    session = ApiSession(
        "ghl",
        "https://vendor.example/base/",
        headers={"Version": "2021-07-28"},
        budget=vendor.budget,
        permit=Permit(Lane.BULK),
        read_only=read_only,
        http=http,
    )
    return session, vendor


def test_a_request_says_who_we_are_and_what_we_accept() -> None:
    session, vendor = make_session(read_only=False)

    session.send("GET", "/contacts/")

    headers = vendor.sent[0].headers
    assert headers["User-Agent"] == USER_AGENT
    assert USER_AGENT.startswith("ghl-mailjet/")
    assert headers["Accept"] == "application/json"
    assert headers["Version"] == "2021-07-28"
    assert "Content-Type" not in headers
    assert "Cookie" not in headers


def test_a_request_may_have_headers_of_its_own() -> None:
    session, vendor = make_session(read_only=False)

    session.send("GET", "/calendars/", headers={"Version": "2021-04-15"})
    session.send("GET", "/contacts/")

    versions = [sent.headers["Version"] for sent in vendor.sent]
    assert versions == ["2021-04-15", "2021-07-28"]
    assert vendor.sent[0].headers["User-Agent"] == USER_AGENT


def test_a_body_goes_as_json() -> None:
    session, vendor = make_session(read_only=False)

    session.send("DELETE", "/contacts/:id/tags", path={"id": 1}, json={"tags": ["ü"]})

    assert vendor.sent[0].headers["Content-Type"] == "application/json"
    assert vendor.sent[0].body == {"tags": ["ü"]}


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("ada+tag@example.com", "ada%2Btag@example.com"),
        ("a/b?c#d e%", "a%2Fb%3Fc%23d%20e%25"),
        ("../etc", "..%2Fetc"),
        (7, "7"),
        ("ü", "%C3%BC"),
    ],
)
def test_a_path_value_stays_within_its_segment(value: str | int, segment: str) -> None:
    session, vendor = make_session(read_only=False)
    urls: list[str] = []
    original = vendor.send

    def spy(request: requests.PreparedRequest, *_: object, **__: object) -> object:
        urls.append(request.url or "")
        return original(request)

    vendor.send = spy  # type: ignore[method-assign]
    session.send("GET", "/contact/:id/lists", path={"id": value})

    assert urls == [f"https://vendor.example/base/contact/{segment}/lists"]


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_path_value_that_would_address_something_else_is_not_sent(value: str) -> None:
    session, vendor = make_session(read_only=False)

    with pytest.raises(Rejected, match="no usable contactId"):
        session.send("DELETE", "/contacts/:contactId", path={"contactId": value})

    assert vendor.sent == []
    assert vendor.budget.taken == []


def test_query_values_are_encoded_and_booleans_are_lower_case() -> None:
    session, vendor = make_session(read_only=False)

    session.send("GET", "/contact", query={"Email": "a+b@x.org", "Unsub": True, "L": 1})

    assert vendor.sent[0].query == {"Email": "a+b@x.org", "Unsub": "true", "L": "1"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_read_only_refuses_a_write_before_it_costs_a_token(method: str) -> None:
    session, vendor = make_session(read_only=True)

    with pytest.raises(ReadOnly):
        session.send(method, "/contacts/")

    assert vendor.sent == []
    assert vendor.budget.taken == []


def test_read_only_lets_reads_pass_a_search_by_post_included() -> None:
    session, vendor = make_session(read_only=True)

    session.send("GET", "/contacts/")
    session.send("POST", "/contacts/search", json={}, writes=False)

    assert [sent.method for sent in vendor.sent] == ["GET", "POST"]


def test_each_request_takes_a_token_for_the_permit_it_runs_under() -> None:
    session, vendor = make_session(read_only=False)
    lease = Lease("default", "id1", 7, Lane.LIVE)
    permit = Permit(Lane.LIVE, lease)

    session.send("GET", "/a")
    session.under(permit).send("GET", "/b")
    session.send("GET", "/c")

    assert [taken.lease for taken in vendor.budget.taken] == [None, lease, None]
    assert vendor.budget.taken[1] is permit


@pytest.mark.parametrize("refusal", [BudgetSpent(3.0), LeaseLost()])
def test_nothing_is_sent_without_a_token(refusal: Exception) -> None:
    session, vendor = make_session(read_only=False)

    def refuse(permit: Permit) -> None:
        raise refusal

    vendor.budget.take = refuse  # type: ignore[method-assign]
    with pytest.raises(type(refusal)):
        session.send("GET", "/contacts/")

    assert vendor.sent == []


def test_every_answer_teaches_the_budget_refusals_included() -> None:
    vendor = RecordedVendor(
        "ghl", recording({}, headers={"X-RateLimit-Max": "100"}), sample("ghl/429_html")
    )
    waiting = replace(sample("ghl/429_with_retry_after"), body=b"")
    vendor.answers.append(waiting)

    vendor.session.send("GET", "/a")
    for _ in range(2):
        with pytest.raises(Exception, match="429"):
            vendor.session.send("GET", "/a")

    statuses = [status for status, _, _ in vendor.budget.learned]
    waits = [wait for _, _, wait in vendor.budget.learned]
    assert statuses == [200, 429, 429]
    assert waits == [None, None, 7.0]
    assert vendor.budget.learned[0][1]["x-ratelimit-max"] == "100"


def failing(error: Exception) -> ApiSession:
    session, vendor = make_session(read_only=False)

    def fail(*_: object, **__: object) -> object:
        raise error

    vendor.send = fail  # type: ignore[method-assign]
    return session


@pytest.mark.parametrize(
    "make_error",
    [
        lambda: requests.ConnectionError("Max retries: /contact/ada@example.com"),
        lambda: requests.ReadTimeout("GET https://x/contact/ada@example.com"),
        lambda: requests.ConnectionError(
            ReadTimeoutError(None, "/contact/ada@example.com", "ada@example.com")  # type: ignore[arg-type]
        ),
    ],
)
def test_an_address_in_a_failing_url_never_enters_the_traceback(
    make_error: Callable[[], Exception],
) -> None:
    session = failing(make_error())
    # Not spelled out below: a traceback quotes the lines of this file as well.
    path = {"c": "ada@example.com"}

    with pytest.raises(VendorDown) as raised:
        session.send("GET", "/contact/:c", path=path)

    assert "ada@example" not in "".join(traceback.format_exception(raised.value))


def test_a_proxy_that_cannot_be_reached_means_that_nothing_was_written() -> None:
    session = failing(requests.exceptions.ProxyError("refused"))

    with pytest.raises(VendorDown):
        session.send("POST", "/contacts/")


def test_a_connection_lost_after_a_write_left_is_ambiguous() -> None:
    session = failing(requests.ConnectionError("aborted"))

    with pytest.raises(Ambiguous):
        session.send("POST", "/contacts/")


@pytest.mark.parametrize("status", [200, 400, 500])
def test_each_call_is_reported_by_route_template(status: int) -> None:
    calls: list[tuple[str, str, int | None]] = []
    vendor = RecordedVendor("mailjet", recording({}, status))
    http = requests.Session()
    http.mount("https://", vendor)
    session = ApiSession(
        "mailjet",
        "https://vendor.example",
        budget=vendor.budget,
        permit=Permit(Lane.BULK),
        read_only=False,
        http=http,
        on_call=lambda vendor, route, status, s: calls.append((vendor, route, status)),
    )

    with contextlib.suppress(VendorError):
        session.send("GET", "/v3/REST/contact/:contact", path={"contact": "a@x.org"})

    assert calls == [("mailjet", "GET /v3/REST/contact/:contact", status)]


def test_a_call_without_an_answer_is_reported_without_a_status() -> None:
    calls: list[int | None] = []
    session = failing(requests.ConnectionError("aborted"))
    session._on_call = lambda vendor, route, status, seconds: calls.append(status)

    with pytest.raises(VendorDown):
        session.send("GET", "/contacts/")

    assert calls == [None]


@pytest.mark.parametrize("token", ["pit-abc\n", " pit-abc", "pit-ab…", "pit\r\nX: y"])
def test_a_token_that_no_header_can_hold_is_refused_without_being_quoted(
    token: str,
) -> None:
    with pytest.raises(ConfigError) as raised:
        ApiSession(
            "ghl",
            "https://vendor.example",
            headers={"Authorization": token},
            budget=Ledgerless(),
            permit=Permit(Lane.BULK),
            read_only=False,
        )

    assert "Authorization" in str(raised.value)
    assert "pit" not in str(raised.value)


def test_a_basic_credential_is_encoded_once() -> None:
    vendor = RecordedVendor("mailjet", recording({}))
    http = requests.Session()
    http.mount("https://", vendor)
    session = ApiSession(
        "mailjet",
        "https://vendor.example",
        auth=("key", "secret"),
        budget=vendor.budget,
        permit=Permit(Lane.BULK),
        read_only=False,
        http=http,
    )

    session.send("GET", "/v3/REST/user")

    assert vendor.sent[0].headers["Authorization"] == "Basic a2V5OnNlY3JldA=="


def test_an_answer_can_be_logged_without_the_person_in_it() -> None:
    vendor = RecordedVendor("ghl", sample("ghl/get_contact"))

    answer = vendor.session.send("GET", "/contacts/:contactId", path={"contactId": "a"})

    assert "ada" in str(answer.data).lower()
    assert "ada" not in repr(answer).lower()


def test_urllib3_does_not_log_paths_which_may_hold_addresses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("urllib3.connectionpool").debug("GET /contact/ada@x.org")
        logging.getLogger("urllib3.connection").warning("url=/contact/ada@x.org")

    assert caplog.records == []
