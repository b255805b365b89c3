"""The Send API's answers: of each message, of none, or of nothing that makes sense."""

from itertools import accumulate
from typing import Any

import pytest

from pipeline.errors import (
    Ambiguous,
    BadPayload,
    Reach,
    Rejected,
    Unauthorized,
    VendorError,
)
from pipeline.mailjet.client import MailjetClient
from pipeline.mailjet.records import Sent
from pipeline.mailjet.sending import template_mail
from tests.recorded import RecordedVendor, Recording, recording

NAMES = ("ana:1", "bo:1")
NOW_MS = 1_795_860_000_000
MAILS = [
    {"To": [{"Email": f"{name[:2]}@example.com"}], "CustomID": name} for name in NAMES
]
SUCCESS = {"To": [{"Email": "ana@example.com", "MessageID": 7, "MessageUUID": "u"}]}


def make_client(*answers: Recording) -> tuple[MailjetClient, RecordedVendor]:
    vendor = RecordedVendor("mailjet", *answers)
    return MailjetClient(vendor.session), vendor


def taken(custom_id: str) -> dict[str, Any]:
    return {"Status": "success", "CustomID": custom_id, **SUCCESS}


def refused(code: str = "mj-0013", status: int = 400, *related: str) -> dict[str, Any]:
    error = {
        "ErrorIdentifier": "88b5ca9f-5f1f-42e7-a45e-9ecbad0c285e",
        "ErrorCode": code,
        "StatusCode": status,
        "ErrorMessage": '"bo@example.com" is an invalid email address.',
        "ErrorRelatedTo": list(related),
    }
    return {"Status": "error", "Errors": [error]}


def send(*answers: Recording, sandbox: bool = False) -> tuple[Sent, ...]:
    client, _ = make_client(*answers)
    return client.send(MAILS, sandbox=sandbox)


@pytest.mark.parametrize("sandbox", [True, False])
def test_messages_go_in_one_call(sandbox: bool) -> None:
    answer = recording({"Messages": [taken(name) for name in NAMES]})
    client, vendor = make_client(answer)

    assert client.send(MAILS, sandbox=sandbox) == tuple(map(Sent, NAMES))
    (call,) = vendor.sent
    assert (call.method, call.path) == ("POST", "/v3.1/send")
    assert call.body == {"Messages": MAILS, "SandboxMode": sandbox}


@pytest.mark.parametrize("status", [200, 400, 403])
def test_each_message_is_read_by_itself_whatever_the_call_is(status: int) -> None:
    told = [taken("ana:1"), refused("mj-0013", 400, "To[0].Email", "bo@example.com")]

    ana, bo = send(recording({"Messages": told}, status))

    assert ana == Sent("ana:1")
    assert (bo.code, bo.related, bo.why) == ("mj-0013", ("To[0].Email",), bo.why)
    assert bo.why == "mj-0013 To[0].Email"
    assert not bo.is_transient


@pytest.mark.parametrize(
    ("status", "transient"),
    [(400, False), (401, True), (403, False), (429, True), (500, True)],
)
def test_some_refusals_may_pass(status: int, transient: bool) -> None:
    told = [taken("ana:1"), refused("mj-0099", status)]

    assert send(recording({"Messages": told}, 400))[1].is_transient is transient


def test_what_is_no_code_is_not_repeated() -> None:
    told = [taken("ana:1"), refused("bo@example.com")]

    assert send(recording({"Messages": told}, 400))[1].why == "refused"


@pytest.mark.parametrize(
    "body",
    [
        {"ErrorCode": "mj-0002", "ErrorMessage": "Malformed", "StatusCode": 400},
        {"Errors": [refused("mj-0002")["Errors"][0]], "Messages": []},
        {"Errors": [refused("mj-0002")["Errors"][0]]},
    ],
)
def test_a_call_that_is_refused_as_a_whole_says_so(body: object) -> None:
    with pytest.raises(Rejected) as raised:
        send(recording(body, 400))

    assert raised.value.code == "mj-0002"
    assert "@" not in str(raised.value)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"Messages": [taken("ana:1")]}, 200),
        ({"Messages": [taken("bo:1"), taken("ana:1")]}, 200),
        ({"Messages": [taken("ana:1"), {"Status": "error", "Errors": []}]}, 400),
        ({"Messages": [taken("ana:1"), {"Status": "perhaps"}]}, 200),
        ({"Messages": "two"}, 400),
        ({"Count": 0}, 200),
        ([], 200),
        ("<html>no</html>", 400),
        ({}, 400),
    ],
)
def test_what_makes_no_sense_leaves_open_whether_they_were_sent(
    body: object, status: int
) -> None:
    with pytest.raises(BadPayload) as raised:
        send(recording(body, status))

    assert raised.value.reach is Reach.CALL
    assert "@" not in str(raised.value)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ({"ErrorCode": "mj-0013", "StatusCode": None, "ErrorRelatedTo": None}, ""),
        ({"ErrorCode": None, "StatusCode": "400", "ErrorRelatedTo": [7, "To"]}, " To"),
        ({"ErrorRelatedTo": "To"}, ""),
    ],
)
def test_one_that_is_told_badly_is_refused_and_spoils_no_other(
    error: dict[str, Any], why: str
) -> None:
    told = [taken("ana:1"), {"Status": "error", "Errors": [error]}]

    ana, bo = send(recording({"Messages": told}, 400))

    assert (ana.code, bo.status) == ("", 400)
    assert bo.why == (error.get("ErrorCode") or "refused") + why


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"ErrorCode": "send-0008", "ErrorMessage": "From"}, 403, "send-0008"),
        ("<html>413 Request Entity Too Large</html>", 413, ""),
    ],
)
def test_what_is_refused_because_of_a_mail_stops_no_other(
    body: object, status: int, code: str
) -> None:
    with pytest.raises(Rejected) as raised:
        send(recording(body, status))

    assert (raised.value.code, raised.value.reach) == (code, Reach.CONTACT)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_no_failure_says_that_nothing_was_sent(status: int) -> None:
    with pytest.raises(Ambiguous):
        send(recording("upstream connect error", status))


@pytest.mark.parametrize("status", [401, 403])
def test_a_dead_key_is_the_connections(status: int) -> None:
    error = {"ErrorCode": "mj-0015", "ErrorMessage": "API key", "StatusCode": status}

    with pytest.raises(Unauthorized):
        send(recording(error, status))


def test_more_than_a_call_holds_is_never_sent() -> None:
    client, vendor = make_client()

    with pytest.raises(ValueError, match="51 messages"):
        client.send(MAILS[:1] * 51, sandbox=False)

    assert vendor.sent == []


def row(id_: int, custom_id: str | None = "others") -> dict[str, Any]:
    return {"ID": id_, "CustomID": custom_id}


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        ([[]], ()),
        ([[row(7, "ana:1")]], (7,)),
        ([[row(7, "ana:1"), row(8, "ana:1")]], (7, 8)),
        # CustomIDs are not shown.
        ([[{"ID": 7}]], (7,)),
        ([[row(7, "")]], (7,)),
        ([[row(7, None)]], (7,)),
        # The filter is left out.
        ([[row(7)], []], ()),
        ([[row(7), row(8)], [row(9)], []], ()),
        ([[row(7), row(8)], [row(9, "ana:1")]], (9,)),
    ],
)
def test_a_mail_is_found_by_its_custom_id(
    pages: list[list[dict[str, Any]]], found: tuple[int, ...]
) -> None:
    client, vendor = make_client(*(recording({"Data": rows}) for rows in pages))

    assert client.find_messages("ana:1", NOW_MS) == found
    assert vendor.sent[0].query["CustomID"] == "ana:1"
    starts = accumulate((len(rows) for rows in pages[:-1]), initial=0)
    assert [call.query["Offset"] for call in vendor.sent] == [str(n) for n in starts]


def test_mails_before_midnight_are_found_after_it() -> None:
    client, vendor = make_client(recording({"Data": []}))

    client.find_messages("ana:1", NOW_MS)

    assert vendor.sent[0].query["FromTS"] == "2026-11-27T10:00:00Z"


@pytest.mark.parametrize(
    "pages",
    [
        [[{"CustomID": "ana:1"}]],
        [[{"ID": 7}, {"ID": 8}]],
        [[row(7), row(8, "")]],
        [[row(7)], [row(7)]],
    ],
)
def test_a_listing_that_cannot_be_read_finds_nothing_out(
    pages: list[list[dict[str, Any]]],
) -> None:
    client, _ = make_client(*(recording({"Data": rows}) for rows in pages))

    with pytest.raises(VendorError):
        client.find_messages("ana:1", NOW_MS)


def test_a_mail_of_a_template_is_in_mailjets_words() -> None:
    wanted = {
        "email": "ana@example.com",
        "name": "Ana",
        "template_id": 1001,
        "variables": {"count": 2},
        "campaign": "welcome",
        "once": True,
        "sender": "us@example.com",
        "subject": "Hi",
    }

    assert template_mail("ana:1", wanted) == {
        "To": [{"Email": "ana@example.com", "Name": "Ana"}],
        "TemplateID": 1001,
        "TemplateLanguage": True,
        "Variables": {"count": 2},
        "CustomCampaign": "welcome",
        "CustomID": "ana:1",
        "DeduplicateCampaign": True,
        "From": {"Email": "us@example.com"},
        "Subject": "Hi",
    }
    plain = {**wanted, "name": "", "once": False, "sender": "", "subject": ""}
    assert template_mail("ana:1", plain).keys() == {
        *("To", "TemplateID", "TemplateLanguage", "Variables"),
        *("CustomCampaign", "CustomID"),
    }
