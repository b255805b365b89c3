"""The sandbox's allowances and its memory of calls."""

import time
from collections.abc import Iterator

import pytest
import requests

from pipeline.sandbox.limits import Allowance, Rate
from tests.sandbox import GhlCaller, MailjetCaller, Sandbox, fresh_email


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    """The module's sandbox, without faults, limits or memory of calls."""
    yield running
    running.clear_faults()
    running.settings(
        ghl_rate="off",
        mailjet_rate="off",
        ghl_daily=200_000,
        retry_after=False,
        latency_ms=0,
    )
    running.clear_log()


def test_a_sliding_window_never_holds_more_than_the_rate() -> None:
    allowance = Allowance(Rate(2, 10.0), sliding=True)

    assert allowance.arrive(100.0) is None
    assert allowance.arrive(109.0) is None
    assert allowance.arrive(109.5) == pytest.approx(0.5)
    assert allowance.arrive(110.0) is None
    assert allowance.arrive(110.5) == pytest.approx(8.5)


def test_a_fixed_window_starts_afresh_and_lets_two_bursts_touch() -> None:
    allowance = Allowance(Rate(2, 10.0), sliding=False)

    assert allowance.arrive(109.0) is None
    assert allowance.arrive(109.5) is None
    assert allowance.arrive(109.9) == pytest.approx(0.1)
    assert allowance.arrive(110.0) is None
    assert allowance.arrive(110.1) is None
    assert allowance.arrive(110.2) == pytest.approx(9.8)


def test_ghl_counts_down_in_its_headers_and_then_says_429(ghl: GhlCaller) -> None:
    """GHL 4."""
    ghl.sandbox.settings(ghl_rate="2/3600")
    answers = [ghl.listing(limit=1) for _ in range(3)]

    assert [response.status_code for response in answers] == [200, 200, 429]
    remaining = [r.headers["X-RateLimit-Remaining"] for r in answers]
    assert remaining == ["1", "0", "0"]
    for response in answers:
        assert response.headers["X-RateLimit-Max"] == "2"
        assert response.headers["X-RateLimit-Interval-Milliseconds"] == "3600000"
    assert answers[2].json()["statusCode"] == 429
    assert "Retry-After" not in answers[2].headers


def test_refusals_count_and_carry_the_rate_headers_too(ghl: GhlCaller) -> None:
    """GHL 4."""
    ghl.sandbox.settings(ghl_rate="2/3600")
    refused = [
        ghl.call("GET", "/contacts/x", headers={"Authorization": "no"}),
        ghl.call("GET", "/contacts/x"),
        ghl.call("GET", "/contacts/x"),
    ]

    assert [response.status_code for response in refused] == [401, 400, 429]
    remaining = [r.headers["X-RateLimit-Remaining"] for r in refused]
    assert remaining == ["1", "0", "0"]


def test_ghls_daily_quota_ends_in_429(ghl: GhlCaller) -> None:
    """GHL 4."""
    ghl.sandbox.settings(ghl_rate="1000000/1", ghl_daily=1_000_000)
    headers = ghl.listing(limit=1).headers
    assert headers["X-RateLimit-Limit-Daily"] == "1000000"
    used = 1_000_000 - int(headers["X-RateLimit-Daily-Remaining"])

    ghl.sandbox.settings(ghl_daily=used + 1)
    last, over = ghl.listing(limit=1), ghl.listing(limit=1)
    assert (last.status_code, over.status_code) == (200, 429)
    assert over.headers["X-RateLimit-Daily-Remaining"] == "0"


def test_mailjet_says_429_in_its_own_words_and_sends_no_rate_header(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 2."""
    mailjet.sandbox.settings(mailjet_rate="1/3600")
    first, second = mailjet.call("GET", "user"), mailjet.call("GET", "user")

    assert (first.status_code, second.status_code) == (200, 429)
    body = second.json()
    assert body["StatusCode"] == 429
    assert body["ErrorMessage"]
    assert body["ErrorIdentifier"]
    for response in (first, second):
        assert not [h for h in response.headers if h.lower().startswith("x-rate")]
        assert "Retry-After" not in response.headers


def test_a_429_tells_how_long_to_wait_if_that_is_switched_on(
    mailjet: MailjetCaller,
) -> None:
    """Mailjet 2."""
    mailjet.sandbox.settings(mailjet_rate="1/3600", retry_after=True)
    mailjet.call("GET", "user")
    waits = int(mailjet.call("GET", "user").headers["Retry-After"])

    assert 0 < waits <= 3600


def test_latency_is_added_to_every_answer(ghl: GhlCaller) -> None:
    ghl.sandbox.settings(latency_ms=150)
    started = time.monotonic()
    ghl.listing(limit=1)

    assert time.monotonic() - started >= 0.15


def test_an_unknown_setting_or_rate_changes_nothing(sandbox: Sandbox) -> None:
    url = f"{sandbox.env['GHL_BASE_URL']}/_sandbox/settings"
    before = sandbox.settings()
    for body in ({"colour": 1}, {"ghl_rate": "0/10"}, {"window": "x", "latency_ms": 9}):
        assert requests.post(url, json=body, timeout=30).status_code == 400

    assert sandbox.settings() == before


# The log


def test_the_log_keeps_calls_in_order_with_route_status_and_contact(
    ghl: GhlCaller, mailjet: MailjetCaller
) -> None:
    row = ghl.create(email=fresh_email())
    ghl.call("GET", f"/contacts/{row['id']}")
    known = mailjet.manage(row["email"]).json()["Data"][0]["ContactID"]
    mailjet.call("GET", f"contact/{row['email']}")
    ghl.call("GET", "/contacts/gone")
    log = ghl.sandbox.log()

    keys = ("vendor", "method", "route", "status", "contact")
    managed = "/v3/REST/contactslist/:list/managecontact"
    assert [tuple(entry[key] for key in keys) for entry in log] == [
        ("ghl", "POST", "/contacts/", 201, row["id"]),
        ("ghl", "GET", "/contacts/:contactId", 200, row["id"]),
        ("mailjet", "POST", managed, 201, known),
        ("mailjet", "GET", "/v3/REST/contact/:contact", 200, known),
        ("ghl", "GET", "/contacts/:contactId", 400, "gone"),
    ]
    arrivals = [entry["arrival"] for entry in log]
    assert arrivals == sorted(arrivals)
    assert len(ghl.sandbox.log("mailjet")) == 2


def test_statistics_count_by_route_and_find_the_busiest_window(ghl: GhlCaller) -> None:
    ghl.sandbox.settings(ghl_rate="3/3600")
    for _ in range(5):
        ghl.listing(limit=1)
    stats = ghl.sandbox.stats()

    assert stats["ghl"]["calls"] == stats["ghl"]["busiest_window"] == 5
    assert stats["ghl"]["window_seconds"] == 3600
    assert stats["ghl"]["answers_429"] == 2
    assert stats["ghl"]["first_arrival"] < stats["ghl"]["last_arrival"]
    assert {
        "method": "GET",
        "route": "/contacts/",
        "status": 200,
        "calls": 3,
    } in stats["ghl"]["routes"]
    assert stats["mailjet"]["calls"] == 0
