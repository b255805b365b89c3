"""What Mailjet posts, and what anybody might."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.mailjet.webhooks import EXTRAS, parse
from pipeline.sync.mail_event import EventKind, MailEvent

COMMON: dict[str, Any] = {
    "time": 1433333949,
    "MessageID": 19421777835146490,
    "Message_GUID": "1ab23cd4-e567-8901-2345-6789f0gh1i2j",
    "email": "ada@example.com",
    "mj_campaign_id": 7257,
    "mj_contact_id": 4,
    "customcampaign": "Autumn",
    "CustomID": "helloworld",
    "Payload": "",
}
EXTRA: dict[str, dict[str, Any]] = {
    "sent": {"mj_message_id": "19421777835146490", "smtp_reply": "sent (250 2.0.0 OK)"},
    "open": {"ip": "127.0.0.1", "geo": "FR", "agent": "Mozilla/5.0"},
    "click": {"url": "https://example.com/Pricing", "ip": "127.0.0.1", "geo": "FR"},
    "bounce": {
        "blocked": False,
        "hard_bounce": True,
        "error_related_to": "recipient",
        "error": "user unknown",
        "comment": "Host not found",
    },
    "blocked": {"error_related_to": "mailjet", "error": "preblocked"},
    "spam": {"source": "JMRPP"},
    "unsub": {"mj_list_id": 12, "ip": "127.0.0.1", "agent": "List-Unsubscribe"},
}
TOLD: dict[str, Any] = {
    "at_ms": 1_433_333_949_000,
    "email": "ada@example.com",
    "mailjet_id": 4,
    "message_id": 19421777835146490,
    "campaign_id": 7257,
    "campaign": "Autumn",
}
EXPECTED: dict[str, dict[str, Any]] = {
    "sent": {},
    "open": {},
    "click": {"url": "https://example.com/Pricing"},
    "bounce": {"hard": True, "error": "user unknown"},
    "blocked": {"error": "preblocked"},
    "spam": {},
    "unsub": {"list_id": 12},
}


def row(event: str, **changes: Any) -> dict[str, Any]:
    return {"event": event, **COMMON, **EXTRA[event], **changes}


def one(body: object) -> MailEvent:
    """The one event of a post in which every row could be read."""
    events, unreadable = parse(body)
    assert unreadable == 0
    [event] = events
    return event


@pytest.mark.parametrize("event", list(EventKind))
def test_each_of_the_seven_events_is_read_alone_and_in_a_group(event: str) -> None:
    expected = MailEvent(EventKind(event), **TOLD, **EXPECTED[event])

    assert one(row(event)) == one([row(event)]) == expected


def test_every_event_has_its_row_in_the_table() -> None:
    assert set(EXTRAS) == set(EventKind)


def test_a_group_of_mixed_events_keeps_its_order() -> None:
    events, unreadable = parse([row(kind) for kind in EXTRA])

    assert [event.kind for event in events] == list(EXTRA)
    assert unreadable == 0


def test_numbers_may_be_texts_and_flags_too() -> None:
    texts = {name: str(COMMON[name]) for name in ("time", "MessageID", "mj_contact_id")}

    event = one(row("bounce", **texts, hard_bounce="true", mj_campaign_id="7257"))

    assert event == MailEvent(EventKind.BOUNCE, **TOLD, **EXPECTED["bounce"])


@pytest.mark.parametrize("nothing", [0, "0", None, "", -1, 2**63, 10**400, True, [1]])
def test_an_id_that_says_nothing_is_0(nothing: Any) -> None:
    ids = dict.fromkeys(("MessageID", "mj_campaign_id", "mj_contact_id"), nothing)

    event = one(row("unsub", **ids, mj_list_id=nothing))

    assert event.message_id == event.campaign_id == event.mailjet_id == 0
    assert event.list_id == 0


def test_an_old_event_lacks_fields_and_is_read() -> None:
    event = one({"event": "open", "time": 1433333949, "email": "ada@example.com"})

    assert event == MailEvent(EventKind.OPEN, 1_433_333_949_000, "ada@example.com")


def test_an_address_is_trimmed_and_lower_cased() -> None:
    assert one(row("open", email=" ADA@Example.COM\n")).email == "ada@example.com"


def test_an_event_that_names_only_the_contact_is_somebodys() -> None:
    assert one(row("open", email="")).mailjet_id == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"email": None, "mj_contact_id": 0},
        {"email": "x" * 321 + "@example.com", "mj_contact_id": None},
        {"time": None},
        {"time": 0},
        {"time": -1},
        {"time": "yesterday"},
        {"time": float("nan")},
        {"time": float("inf")},
        {"time": 10**30},
        {"time": [1433333949]},
        {"time": True},
        {"event": None},
        {"event": 5},
        {"event": ["open"]},
    ],
)
def test_a_row_without_time_person_or_kind_is_counted_and_hides_no_other(
    changes: dict[str, Any],
) -> None:
    events, unreadable = parse([{**row("open"), **changes}, row("click")])

    assert [event.kind for event in events] == [EventKind.CLICK]
    assert unreadable == 1


@pytest.mark.parametrize("body", [None, 5, "open", True, {}, [None], [[row("open")]]])
def test_what_is_no_event_is_one_row_that_cannot_be_read(body: object) -> None:
    assert parse(body) == ((), 1)


def test_a_post_without_rows_is_nothing() -> None:
    assert parse([]) == ((), 0)


def test_an_event_that_mailjet_adds_is_no_error() -> None:
    events, unreadable = parse([{**COMMON, "event": "forwarded"}, row("open")])

    assert [event.kind for event in events] == [EventKind.OPEN]
    assert unreadable == 0


@pytest.mark.parametrize(
    ("flags", "hard"),
    [
        ({"hard_bounce": True, "blocked": False}, True),
        ({"hard_bounce": True, "blocked": True}, True),
        ({"hard_bounce": False, "blocked": True}, False),
        ({"hard_bounce": None}, False),
        ({"hard_bounce": "yes please"}, False),
        ({"hard_bounce": {}}, False),
    ],
)
def test_a_bounce_is_hard_when_mailjet_says_that_it_is_permanent(
    flags: dict[str, Any], hard: bool
) -> None:
    assert one(row("bounce", **flags)).hard is hard


@pytest.mark.parametrize("event", [kind for kind in EventKind if kind != "bounce"])
def test_nothing_but_a_bounce_is_hard(event: str) -> None:
    assert one(row(event, hard_bounce=True)).hard is False


def test_half_an_emoji_and_a_text_without_end_can_be_stored() -> None:
    event = one(
        row("click", url="https://e.com/\ud83d" + "x" * 5000, email="\udc00a@b")
    )

    assert event.url.startswith("https://e.com/\ufffdx")
    assert len(event.url) == 2000
    assert event.email.encode()


def test_what_is_posted_is_not_in_the_printed_event() -> None:
    printed = repr(one(row("click")))

    assert "ada@" not in printed
    assert "Pricing" not in printed


def test_nesting_without_end_is_a_row_like_any_other() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]

    events, unreadable = parse([row("open", email=deep, mj_contact_id=4), deep])

    assert (len(events), unreadable) == (1, 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
ROWS = st.dictionaries(
    st.sampled_from(
        ["event", *COMMON, *(key for extra in EXTRA.values() for key in extra)]
    ),
    JSON | st.sampled_from([*EXTRA, "1433333949", 1433333949, "\ud800"]),
)


@given(body=JSON | ROWS | st.lists(ROWS | JSON, max_size=4))
@settings(max_examples=300, deadline=None)
def test_nothing_that_is_posted_raises(body: Any) -> None:
    events, unreadable = parse(body)

    rows = len(body) if isinstance(body, list) else 1
    assert 0 <= len(events) + unreadable <= rows
    assert all(event.identity.encode() for event in events)


@given(kind=st.sampled_from([*EXTRA]), changes=ROWS)
@settings(max_examples=200, deadline=None)
def test_an_event_is_the_same_in_json_again(kind: str, changes: dict[str, Any]) -> None:
    posted = {**row(kind), **changes, "event": kind}

    again = json.loads(json.dumps(posted))

    assert parse(again) == parse(posted)
