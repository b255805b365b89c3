"""The sandbox's Mailjet: mails that leave by the Send API, and their lookup."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from mailjet_rest import Client
from mailjet_rest.errors import ValidationError
from requests import ConnectionError, Response

from tests.integration.test_sdk_mailjet import client_of
from tests.sandbox import MailjetCaller, Row, Sandbox, fresh_email
from tests.sandbox_events import Receiver
from tests.sandbox_sending import DOMAIN, double_sends, sends_to_closed

SENDER = {"Email": f"news@{DOMAIN}", "Name": "Lighthouse"}
TWO_FIFTY_SIX = "x" * 256


@pytest.fixture(autouse=True)
def _plain(sandbox: Sandbox) -> None:
    sandbox.clear_faults()
    sandbox.forget_callbacks()
    sandbox.settings(message_lag_seconds=0.0, mailjet_rate="off")


def mail(**fields: Any) -> Row:
    """A message to somebody new; a field that is None is left out."""
    whole = {
        "From": SENDER,
        "To": [{"Email": fresh_email()}],
        "TemplateID": 1001,
        "TemplateLanguage": True,
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


def to(email: str) -> list[Row]:
    return [{"Email": email}]


def send(mailjet: MailjetCaller, *messages: Row, **root: Any) -> Response:
    return mailjet.call("POST", "/v3.1/send", {"Messages": list(messages), **root})


def codes(answer: Row) -> list[str]:
    return [error["ErrorCode"] for error in answer.get("Errors", ())]


def sent_to(sandbox: Sandbox, email: str) -> list[Row]:
    return [each for each in sandbox.messages() if each["email"] == email]


def test_a_message_is_answered_for_each_of_its_recipients(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 5.1."""
    emails, custom_id = [fresh_email() for _ in range(3)], uuid4().hex
    copies = {"To": to(emails[0]), "Cc": to(emails[1]), "Bcc": to(emails[2])}
    answer = send(mailjet, mail(**copies, CustomID=custom_id))

    sent = [each for each in sandbox.messages() if each["custom_id"] == custom_id]
    assert [each["email"] for each in sent] == emails
    (told,) = answer.json()["Messages"]
    assert (answer.status_code, told["Status"]) == (200, "success")
    assert told["CustomID"] == custom_id
    for name, each in zip(copies, sent, strict=True):
        assert told[name] == [
            {
                "Email": each["email"],
                "MessageUUID": told[name][0]["MessageUUID"],
                "MessageID": each["id"],
                "MessageHref": f"https://api.mailjet.com/v3/REST/message/{each['id']}",
            }
        ]


def test_sending_makes_a_contact_that_is_on_no_list(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 5.1."""
    email = fresh_email()
    send(mailjet, mail(To=to(email)))
    send(mailjet, mail(To=to(email.upper())))

    subscriber = sandbox.subscriber(email)
    assert subscriber is not None
    assert (subscriber["lists"], subscriber["excluded"]) == ({}, False)
    assert len(sent_to(sandbox, email)) == 2


def test_some_of_a_call_may_fail_and_the_rest_is_sent(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 5.1."""
    good = [fresh_email(), fresh_email()]
    answer = send(
        mailjet,
        mail(To=to("nobody")),
        mail(To=to(good[0]), CustomID="first"),
        mail(TemplateID=None, To=[]),
        mail(To=to(good[1]), CustomID="second"),
    )

    told = answer.json()["Messages"]
    assert answer.status_code == 400
    assert [each["Status"] for each in told] == ["error", "success"] * 2
    assert [codes(each) for each in told[::2]] == [
        ["mj-0013"],
        ["mj-0007", "send-0003"],
    ]
    assert [each["CustomID"] for each in told[1::2]] == ["first", "second"]
    assert [len(sent_to(sandbox, email)) for email in good] == [1, 1]


@pytest.mark.parametrize(
    ("fields", "code", "related"),
    [
        ({"To": None}, "mj-0003", ["To"]),
        ({"To": []}, "mj-0007", ["To"]),
        ({"To": [{}]}, "mj-0003", ["To[0].Email"]),
        ({"To": to("")}, "mj-0012", ["To[0].Email"]),
        ({"To": to("invalid-email")}, "mj-0013", ["To[0].Email"]),
        ({"To": {"Email": "a@example.com"}}, "mj-0004", ["Messages.To"]),
        ({"TemplateID": "1001"}, "mj-0004", ["Messages.TemplateID"]),
        ({"ReplyTo": [SENDER]}, "mj-0004", ["Messages.ReplyTo"]),
        ({"TrackOpens": "yes"}, "mj-0005", ["TrackOpens"]),
        ({"Template": 1001}, "mj-0005", ["Template"]),
        ({"URLTags": TWO_FIFTY_SIX + "x"}, "mj-0006", ["URLTags"]),
        ({"Variables": {str(n): n for n in range(51)}}, "mj-0008", ["Variables"]),
        ({"TemplateID": None}, "send-0003", ["HTMLPart", "TextPart"]),
        ({"HTMLPart": "<p>"}, "send-0004", ["HTMLPart", "TemplateID"]),
        ({"TemplateID": 999}, "send-0010", ["TemplateID"]),
        ({"Headers": {"X-MJ-Vars": "1"}}, "send-0011", ['Headers["X-MJ-Vars"]']),
        (
            {"DeduplicateCampaign": True},
            "send-0012",
            ["CustomCampaign", "DeduplicateCampaign"],
        ),
        (
            {"TemplateLanguage": None, "TemplateErrorDeliver": True},
            "send-0016",
            ["TemplateLanguage"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_with_a_message_is_said(
    mailjet: MailjetCaller, fields: Row, code: str, related: list[str]
) -> None:
    """Mailjet 5.1."""
    answer = send(mailjet, mail(**fields))

    (error,) = answer.json()["Messages"][0]["Errors"]
    assert answer.status_code == error["StatusCode"] == 400
    assert (error["ErrorCode"], error["ErrorRelatedTo"]) == (code, related)
    assert error["ErrorIdentifier"]
    assert error["ErrorMessage"]


def test_a_sender_must_be_proved(sandbox: Sandbox, mailjet: MailjetCaller) -> None:
    """Mailjet 5.1."""
    stranger = fresh_email()
    refused = send(mailjet, mail(From={"Email": stranger}))
    mixed = send(mailjet, mail(), mail(From={"Email": stranger}))
    sandbox.put_sender(stranger)
    taken = send(mailjet, mail(From={"Email": stranger}))
    sandbox.put_sender(stranger, "Inactive")
    again = send(mailjet, mail(From={"Email": stranger}))

    (error,) = refused.json()["Messages"][0]["Errors"]
    assert (error["ErrorCode"], error["StatusCode"]) == ("send-0008", 403)
    assert error["ErrorRelatedTo"] == ["From"]
    answers = (refused, mixed, taken, again)
    assert [each.status_code for each in answers] == [403, 400, 200, 403]


def test_templates_come_and_go(sandbox: Sandbox, mailjet: MailjetCaller) -> None:
    sandbox.put_template(77, "Welcome")
    known = send(mailjet, mail(TemplateID=77)).status_code
    sandbox.delete_template(77)

    assert (known, send(mailjet, mail(TemplateID=77)).status_code) == (200, 400)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "mj-0003"),
        ({"Messages": []}, "mj-0007"),
        ({"Messages": ["hello"]}, "mj-0004"),
        ({"Messages": [mail()], "SandboxMode": "yes"}, "mj-0004"),
        ({"Messages": [mail()], "Sandbox": True}, "mj-0005"),
        ({"Messages": [mail(To=None)] * 51}, "mj-0008"),
    ],
    ids=["nothing", "empty", "text", "mode", "unknown", "51"],
)
def test_what_is_wrong_with_the_call_sends_nothing(
    sandbox: Sandbox, mailjet: MailjetCaller, body: Row, code: str
) -> None:
    """Mailjet 2."""
    before = len(sandbox.messages())
    answer = mailjet.call("POST", "/v3.1/send", body)

    assert answer.status_code == 400
    assert (codes(answer.json()), answer.json()["Messages"]) == ([code], [])
    assert len(sandbox.messages()) == before


def test_an_error_of_the_call_has_its_own_shape(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 2."""
    crowd = mail(To=[{"Email": fresh_email()} for _ in range(50)])
    malformed = mailjet.call("POST", "/v3.1/send", data="{")
    crowded = send(mailjet, crowd, mail())
    unknown_key = mailjet.call("POST", "/v3.1/send", {}, auth=("a", "b"))
    sandbox.add_fault("429", route="/v3.1/send", times=1)
    limited = send(mailjet, mail())

    answers = [malformed, crowded, unknown_key, limited]
    assert [
        (each.status_code, each.json()["StatusCode"], each.json().get("ErrorCode"))
        for each in answers
    ] == [
        (400, 400, "mj-0002"),
        (400, 400, "send-0015"),
        (401, 401, "mj-0015"),
        (429, 429, None),
    ]
    for answer in answers:
        assert {"ErrorIdentifier", "ErrorMessage"} <= answer.json().keys()
        assert "Messages" not in answer.json()


def test_globals_hold_for_all_messages_that_do_not_say_otherwise(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 5.1."""
    emails, campaign = [fresh_email(), fresh_email()], uuid4().hex
    shared = {"From": SENDER, "TemplateID": 1002, "CustomCampaign": campaign}
    messages = [{"To": to(emails[0])}, {"To": to(emails[1]), "TemplateID": 1003}]
    assert send(mailjet, *messages, Globals=shared).status_code == 200

    found = [sent_to(sandbox, email)[0] for email in emails]
    assert [each["template"] for each in found] == [1002, 1003]
    assert [each["campaign"] for each in found] == [campaign] * 2


def test_sandbox_mode_looks_and_sends_nothing(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 5.1."""
    email, before = fresh_email(), sandbox.messages()
    good = send(mailjet, mail(To=to(email)), SandboxMode=True)
    bad = send(mailjet, mail(TemplateID=5), SandboxMode=True)

    ((receipt,),) = (each["To"] for each in good.json()["Messages"])
    assert (receipt["MessageID"], receipt["MessageUUID"]) == (0, "")
    assert codes(bad.json()["Messages"][0]) == ["send-0010"]
    assert sandbox.messages() == before
    assert sandbox.subscriber(email) is None


def test_a_campaign_may_block_a_second_mail_to_the_same_contact(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 5.1, Mailjet 6.3."""
    email, campaign = fresh_email(), uuid4().hex
    mine = mail(To=to(email), CustomCampaign=campaign, DeduplicateCampaign=True)
    with Receiver() as receiver:
        address = {"EventType": "blocked", "Url": receiver.url}
        mailjet.call("POST", "eventcallbackurl", address)
        again = mail(To=to(email.title()), CustomCampaign=campaign)
        answers = [
            send(mailjet, mine),
            send(mailjet, {**mine, "CustomID": "late"}),
            send(mailjet, again),
            send(mailjet, {**mine, "CustomCampaign": uuid4().hex}),
        ]
        ((_, _, posted),) = receiver.wait_for(1)

    assert [each.status_code for each in answers] == [200] * 4
    found = sent_to(sandbox, email)
    assert [each["status"] for each in found] == ["sent", "blocked", "sent", "sent"]
    assert found[1]["error"] == "duplicate in campaign"
    for word in (b'"event": "blocked"', b'"CustomID": "late"', campaign.encode()):
        assert word in posted
    (row,) = mailjet.rows("message", CustomID="late", Contact=found[0]["contact"])
    assert (row["Status"], row["StateID"]) == ("blocked", 15)


def test_a_mail_that_was_blocked_is_no_first_one(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 5.1."""
    email = fresh_email()
    mine = mail(To=to(email), CustomCampaign=uuid4().hex, DeduplicateCampaign=True)
    send(mailjet, mine)
    (first,) = sent_to(sandbox, email)
    sandbox.mail_event("blocked", email, message_id=first["id"])
    send(mailjet, mine)

    assert [each["status"] for each in sent_to(sandbox, email)] == ["blocked", "sent"]


def test_who_said_no_is_mailed_all_the_same_and_it_is_remembered(
    sandbox: Sandbox, mailjet: MailjetCaller, mailjet_list: int
) -> None:
    """Mailjet 5.1."""
    excluded, left, willing = fresh_email(), fresh_email(), fresh_email()
    sandbox.put_subscriber(email=excluded, excluded=True)
    place = {str(mailjet_list): {"unsubscribed": True}}
    sandbox.put_subscriber(email=left, lists=place)
    before = len(sandbox.messages())
    send(mailjet, *(mail(To=to(email)) for email in (excluded, left, willing)))
    sandbox.put_subscriber(email=willing, excluded=True)

    found = sandbox.messages()[before:]
    assert [each["status"] for each in found] == ["sent"] * 3
    assert found[0]["consent"]["excluded"]
    assert found[1]["consent"]["lists"] == place
    assert [each["email"] for each in sends_to_closed(found)] == [excluded, left]
    assert sends_to_closed(found, mailjet_list + 1) == found[:1]


def test_a_second_mail_with_the_same_custom_id_is_counted(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 5.1."""
    before, custom_id = len(sandbox.messages()), uuid4().hex
    send(mailjet, mail(CustomID=custom_id), mail(CustomID=uuid4().hex), mail(), mail())
    once = double_sends(sandbox.messages()[before:])
    send(mailjet, mail(CustomID=custom_id))

    assert (once, double_sends(sandbox.messages()[before:])) == (0, 1)


def test_what_happens_to_a_mail_is_told_with_its_custom_id_and_payload(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 6.3."""
    email, custom_id = fresh_email(), uuid4().hex
    mine = mail(To=to(email), CustomID=custom_id, EventPayload='{"a":1}')
    (told,) = send(mailjet, mine).json()["Messages"]
    message_id = told["To"][0]["MessageID"]
    opened = sandbox.mail_event("open", email, message_id=message_id)
    first = mailjet.rows(f"message/{message_id}")[0]["Status"]
    sandbox.mail_event("bounce", email, message_id=message_id, hard_bounce=True)
    (last,) = mailjet.rows(f"message/{message_id}")

    assert (opened["CustomID"], opened["Payload"]) == (custom_id, '{"a":1}')
    assert opened["Message_GUID"] == told["To"][0]["MessageUUID"]
    assert (first, last["Status"]) == ("opened", "hardbounced")
    assert (last["StateID"], last["StatePermanent"]) == (1, True)


def test_a_message_is_found_by_its_custom_id(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 7."""
    email, custom_id = fresh_email(), uuid4().hex
    mine = mail(
        To=to(email), CustomID=custom_id, CustomCampaign=custom_id, Subject="Hello"
    )
    send(mailjet, mine, mail())
    (sent,) = sent_to(sandbox, email)
    (plain,) = mailjet.rows("message", CustomID=custom_id)
    shown = {"ShowCustomID": "true", "ShowContactAlt": "true", "ShowSubject": "true"}
    (whole,) = mailjet.rows("message", CustomID=custom_id, **shown)

    words = ("CustomID", "ContactAlt", "Subject")
    assert (plain["ID"], plain["ContactID"]) == (sent["id"], sent["contact"])
    assert [plain[name] for name in words] == ["", "", ""]
    assert [whole[name] for name in words] == [custom_id, email, "Hello"]
    assert mailjet.rows("message", CustomID=custom_id[:-1]) == []
    assert mailjet.call("GET", "message/5").status_code == 404
    assert mailjet.call("GET", "message", params={"CustomId": "x"}).status_code == 400
    by_campaign = mailjet.rows("message", Campaign=plain["CampaignID"])
    assert by_campaign == mailjet.rows("message", Contact=sent["contact"]) == [plain]


def test_messages_come_ten_a_page_and_by_their_time(mailjet: MailjetCaller) -> None:
    """Mailjet 7, Mailjet 10."""
    contact_id, email = mailjet.add(), fresh_email()
    email = mailjet.rows(f"contact/{contact_id}")[0]["Email"]
    now = int(time.time())
    send(mailjet, *(mail(To=to(email)) for _ in range(12)))
    ids = [each["ID"] for each in mailjet.rows("message", Contact=contact_id, Limit=20)]
    asked = {"Contact": contact_id, "Limit": 20}

    assert ids == sorted(ids)
    assert len(ids) == 12
    assert len(mailjet.rows("message", Contact=contact_id)) == 10
    assert len(mailjet.rows("message", **asked, FromTS=now - 1)) == 12
    assert mailjet.rows("message", **asked, FromTS=now + 3600) == []
    assert mailjet.rows("message", **asked, ToTS=now) == []


def test_a_new_message_may_be_listed_later_than_it_is_sent(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 7."""
    sandbox.settings(message_lag_seconds=3600.0)
    custom_id = uuid4().hex
    (told,) = send(mailjet, mail(CustomID=custom_id)).json()["Messages"]
    early = mailjet.rows("message", CustomID=custom_id)
    by_id = mailjet.rows(f"message/{told['To'][0]['MessageID']}")
    sandbox.settings(message_lag_seconds=0.0)

    assert early == []
    assert mailjet.rows("message", CustomID=custom_id) == by_id


def test_sending_has_an_allowance_of_its_own(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 9."""
    sandbox.settings(mailjet_rate="2/3600", mailjet_send_rate="3/3600")
    sent = [send(mailjet, mail()).status_code for _ in range(4)]
    read = [mailjet.call("GET", "message").status_code for _ in range(3)]
    sandbox.settings(mailjet_rate="off", mailjet_send_rate="off")

    assert (sent, read) == ([200, 200, 200, 429], [200, 200, 429])


def test_an_answer_may_be_lost_after_the_mail_has_left(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 10."""
    lost, never = fresh_email(), fresh_email()
    sandbox.add_fault("no_answer_after", route="/v3.1/send", times=1)
    with pytest.raises(ConnectionError):
        send(mailjet, mail(To=to(lost)))
    sandbox.add_fault("500", route="/v3.1/send", times=1)
    failed = send(mailjet, mail(To=to(never)))

    assert failed.status_code == failed.json()["StatusCode"] == 500
    assert [len(sent_to(sandbox, email)) for email in (lost, never)] == [1, 0]


@pytest.fixture
def sdk(sandbox: Sandbox) -> Iterator[Client]:
    with client_of(sandbox, version="v3.1") as client:
        yield client


def test_mailjets_own_client_sends(sdk: Client, sandbox: Sandbox) -> None:
    """Mailjet 5.1."""
    email, custom_id = fresh_email(), uuid4().hex
    mine = mail(To=to(email), CustomID=custom_id, Variables={"day": "Tuesday"})
    answer = sdk.send.create(data={"Messages": [mine]})
    with pytest.raises(ValidationError) as refused:
        sdk.send.create(data={"Messages": [mine, mail(TemplateID=5)]})

    assert answer.json()["Messages"][0]["CustomID"] == custom_id
    assert '"Status":"success"' in str(refused.value.response_body)
    assert [each["said"] for each in sent_to(sandbox, email)] == [mine, mine]


def test_mailjets_own_client_finds_what_was_sent(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 7."""
    custom_id = uuid4().hex
    send(mailjet, mail(CustomID=custom_id))
    with client_of(sandbox) as client:
        filters = {"CustomID": custom_id, "ShowCustomID": "true"}
        (row,) = client.message.get(filters=filters).json()["Data"]
        (same,) = client.message.get(id=row["ID"]).json()["Data"]

    assert row["CustomID"] == custom_id
    assert same["UUID"] == row["UUID"]
