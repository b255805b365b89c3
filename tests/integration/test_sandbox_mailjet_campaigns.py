"""The sandbox's Mailjet: campaign drafts, segments, and what both may name."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.test_sdk_mailjet import client_of, one
from tests.sandbox import MailjetCaller, Row, Sandbox, fresh_email
from tests.sandbox_events import wait_until
from tests.sandbox_sending import DOMAIN, TEMPLATES, sends_to_closed

CONTENT = {"Html-part": "<p>Hello</p>", "Text-part": "Hello"}


@pytest.fixture
def audience(sandbox: Sandbox, mailjet_list: int) -> list[str]:
    """Two who are on the list; two more who said no to it."""
    emails = [fresh_email() for _ in range(4)]
    for number, email in enumerate(emails):
        place = {str(mailjet_list): {"unsubscribed": number == 2}}
        sandbox.put_subscriber(email=email, excluded=number == 3, lists=place)
    return emails[:2]


def draft_body(list_id: int, **fields: Any) -> Row:
    return {
        "Locale": "en_US",
        "Sender": "Lighthouse",
        "SenderEmail": f"news@{DOMAIN}",
        "Subject": uuid4().hex,
        "ContactsListID": list_id,
        **fields,
    }


def new_draft(mailjet: MailjetCaller, list_id: int, **fields: Any) -> Row:
    """One that lacks nothing."""
    response = mailjet.call("POST", "campaigndraft", draft_body(list_id, **fields))
    assert response.status_code == 201, response.text
    row: Row = response.json()["Data"][0]
    content = mailjet.call("POST", f"{at(row)}/detailcontent", CONTENT)
    assert content.status_code == 201
    return row


def at(draft: Row) -> str:
    return f"campaigndraft/{draft['ID']}"


def status(mailjet: MailjetCaller, draft: Row) -> tuple[int, str]:
    (row,), (told,) = mailjet.rows(at(draft)), mailjet.rows(f"{at(draft)}/status")
    return row["Status"], told["Status"]


def sent(sandbox: Sandbox, draft: Row) -> list[Row]:
    campaign = f"mj.nl={draft['ID']}"
    return [each for each in sandbox.messages() if each["campaign"] == campaign]


def in_seconds(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_a_draft_is_written_and_read(mailjet: MailjetCaller, mailjet_list: int) -> None:
    """Mailjet 5.2."""
    draft = new_draft(mailjet, mailjet_list, Title="Friday", TemplateID=1001)
    (read,) = mailjet.rows(at(draft))
    changed = mailjet.call("PUT", at(draft), {"Title": "Monday"})
    same = mailjet.call("PUT", at(draft), {"Title": "Monday"})
    found = mailjet.rows("campaigndraft", Subject=draft["Subject"], Status="0,1")

    assert (read["Status"], read["CampaignID"], read["Title"]) == (0, 0, "Friday")
    assert (read["ContactsListID"], read["TemplateID"]) == (mailjet_list, 1001)
    assert (changed.status_code, same.status_code) == (200, 304)
    assert [each["Title"] for each in found] == ["Monday"]
    assert mailjet.rows("campaigndraft", Subject=draft["Subject"], Status="2") == []
    assert mailjet.call("GET", "campaigndraft/1").status_code == 404


@pytest.mark.parametrize(
    "field", ["Locale", "Sender", "SenderEmail", "Subject", "ContactsListID"]
)
def test_a_draft_needs_its_fields(
    mailjet: MailjetCaller, mailjet_list: int, field: str
) -> None:
    """Mailjet 5.2."""
    body = draft_body(mailjet_list)
    del body[field]
    answer = mailjet.call("POST", "campaigndraft", body)

    assert answer.status_code == 400
    assert f'"{field}"' in answer.json()["ErrorMessage"]


@pytest.mark.parametrize(
    "fields",
    [
        {"ContactsListID": 5},
        {"SegmentationID": 5},
        {"TemplateID": 5},
        {"SenderEmail": "nobody"},
        {"Colour": "red"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_a_draft_names_must_exist(
    mailjet: MailjetCaller, mailjet_list: int, fields: Row
) -> None:
    """Mailjet 5.2."""
    body = draft_body(mailjet_list, **fields)

    assert mailjet.call("POST", "campaigndraft", body).status_code == 400


def test_a_post_of_content_empties_and_a_put_keeps(
    mailjet: MailjetCaller, mailjet_list: int
) -> None:
    """Mailjet 5.2."""
    path = f"{at(new_draft(mailjet, mailjet_list))}/detailcontent"
    (first,) = mailjet.rows(path)
    mailjet.call("PUT", path, {"Text-part": "Hi"})
    (kept,) = mailjet.rows(path)
    mailjet.call("POST", path, {"Text-part": "Hi"})
    (emptied,) = mailjet.rows(path)

    parts = ("Html-part", "Text-part")
    assert [first[part] for part in parts] == ["<p>Hello</p>", "Hello"]
    assert [kept[part] for part in parts] == ["<p>Hello</p>", "Hi"]
    assert [emptied[part] for part in parts] == ["", "Hi"]


def test_a_campaign_goes_to_who_is_subscribed(
    sandbox: Sandbox, mailjet: MailjetCaller, mailjet_list: int, audience: list[str]
) -> None:
    """Mailjet 5.2."""
    draft = new_draft(mailjet, mailjet_list)
    answer = mailjet.call("POST", f"{at(draft)}/send")
    wait_until(lambda: status(mailjet, draft) == (2, "Sent"))

    assert answer.json()["Data"] == [{"Status": "programmed"}]
    messages = sent(sandbox, draft)
    assert [each["email"] for each in messages] == audience
    assert sends_to_closed(messages) == []
    (row,) = mailjet.rows(at(draft))
    listed = mailjet.rows("message", Campaign=row["CampaignID"], ShowSubject="true")
    assert [each["Subject"] for each in listed] == [draft["Subject"]] * 2
    assert mailjet.call("POST", f"{at(draft)}/send").status_code == 400


def test_a_campaign_waits_for_its_date_and_can_be_called_back(
    sandbox: Sandbox, mailjet: MailjetCaller, mailjet_list: int, audience: list[str]
) -> None:
    """Mailjet 5.2."""
    draft = new_draft(mailjet, mailjet_list)
    path, date = f"{at(draft)}/schedule", in_seconds(3600)
    planned = mailjet.call("POST", path, {"Date": date})
    waits = status(mailjet, draft)
    (shown,) = mailjet.rows(path)
    cancelled = mailjet.call("DELETE", path)
    back = status(mailjet, draft)
    gone = [mailjet.call(method, path).status_code for method in ("GET", "DELETE")]
    mailjet.call("POST", path, {"Date": date})
    mailjet.call("PUT", path, {"Date": "NOW"})
    wait_until(lambda: status(mailjet, draft) == (2, "Sent"))

    assert planned.status_code == 201
    assert shown == {"Date": date, "Status": "programmed"}
    assert (waits, back) == ((1, "Programmed"), (0, "Draft"))
    assert (cancelled.status_code, gone) == (204, [404, 404])
    assert [each["email"] for each in sent(sandbox, draft)] == audience


def test_a_date_that_comes_sends_the_campaign_once(
    sandbox: Sandbox, mailjet: MailjetCaller, mailjet_list: int, audience: list[str]
) -> None:
    """Mailjet 5.2."""
    draft = new_draft(mailjet, mailjet_list)
    path, date = f"{at(draft)}/schedule", in_seconds(-1)
    answers = [mailjet.call("POST", path, {"Date": "tomorrow"}).status_code]
    answers += [mailjet.call("POST", path, {"Date": date}).status_code]
    wait_until(lambda: status(mailjet, draft) == (2, "Sent"))

    assert answers == [400, 201]
    assert len(sent(sandbox, draft)) == len(audience)


@pytest.mark.parametrize("action", ["send", "schedule", "test"])
@pytest.mark.parametrize("lack", ["people", "sender", "content"])
def test_a_campaign_that_lacks_something_stays(
    sandbox: Sandbox,
    mailjet: MailjetCaller,
    mailjet_list: int,
    audience: list[str],
    action: str,
    lack: str,
) -> None:
    """Mailjet 5.2."""
    sender = fresh_email() if lack == "sender" else f"news@{DOMAIN}"
    draft = new_draft(mailjet, mailjet_list, SenderEmail=sender)
    if lack == "people":
        sandbox.put_subscriber(email=audience[0], excluded=True)
    if lack == "content":
        mailjet.call("POST", f"{at(draft)}/detailcontent", {})
    bodies = {
        "send": None,
        "schedule": {"Date": "NOW"},
        "test": {"Recipients": [{"Email": audience[0]}]},
    }
    refused = mailjet.call("POST", f"{at(draft)}/{action}", bodies[action])

    assert refused.status_code == 400
    assert refused.json()["ErrorMessage"].startswith("MJ08 Property")
    assert status(mailjet, draft) == (0, "Draft")


@pytest.mark.usefixtures("audience")
def test_a_test_goes_to_whom_it_names(
    sandbox: Sandbox, mailjet: MailjetCaller, mailjet_list: int
) -> None:
    """Mailjet 5.2."""
    draft, tester = new_draft(mailjet, mailjet_list), fresh_email()
    body = {"Recipients": [{"Email": tester, "Name": "Ada"}]}
    answer = mailjet.call("POST", f"{at(draft)}/test", body)

    assert answer.json()["Data"] == [{"Status": "Draft"}]
    assert sent(sandbox, draft) == []
    (test,) = [each for each in sandbox.messages() if each["email"] == tester]
    assert test["said"]["Subject"] == draft["Subject"]


def test_an_update_may_delete_a_draft_but_not_call_it_sent(
    mailjet: MailjetCaller, mailjet_list: int
) -> None:
    """Mailjet 5.2."""
    draft = new_draft(mailjet, mailjet_list)
    answers = [
        mailjet.call("PUT", at(draft), {"Status": value}).status_code
        for value in (2, "sent", -2)
    ]

    assert answers == [400, 400, 200]
    assert status(mailjet, draft) == (-2, "Deleted")
    assert mailjet.call("POST", f"{at(draft)}/send").status_code == 400


def test_a_segment_is_kept(mailjet: MailjetCaller, mailjet_list: int) -> None:
    """Mailjet 3.9."""
    body = {"Name": uuid4().hex, "Expression": '(city="Porto")', "Description": "d"}
    made = mailjet.call("POST", "contactfilter", body)
    row = made.json()["Data"][0]
    path = f"contactfilter/{row['ID']}"
    changes = {"Expression": '(city="Faro")'}
    updates = [mailjet.call("PUT", path, changes).status_code for _ in range(2)]
    draft = new_draft(mailjet, mailjet_list, SegmentationID=row["ID"])
    nameless = mailjet.call("POST", "contactfilter", {"Name": "x"}).status_code
    deleted = mailjet.call("DELETE", path).status_code

    assert (made.status_code, row["Status"]) == (201, "unused")
    assert (updates, nameless, deleted) == ([200, 304], 400, 204)
    assert mailjet.rows("campaigndraft", Segmentation=row["ID"]) == mailjet.rows(
        at(draft)
    )
    assert mailjet.rows(path) == [{**row, **changes, "Status": "deleted"}]
    assert mailjet.rows("contactfilter", Limit=1000) == []
    assert len(mailjet.rows("contactfilter", ShowDeleted="true")) == 1


def test_templates_and_senders_can_be_asked_for(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 5.1."""
    rows = mailjet.rows("template", OwnerType="user", Limit=1000)
    (one_,) = mailjet.rows("template/1003")
    (content,) = mailjet.rows("template/1003/detailcontent")
    (sender,) = mailjet.rows("sender", Email=f"*@{DOMAIN}")
    sandbox.put_sender(f"*@{DOMAIN}", "Inactive")
    active = mailjet.rows("sender", Status="Active", Email=f"*@{DOMAIN}")
    sandbox.put_sender(f"*@{DOMAIN}")

    assert [row["ID"] for row in rows] == [*TEMPLATES]
    assert (one_["Name"], content["Text-part"]) == ("Template 1003",) * 2
    assert mailjet.rows("template", Name="Template 1003") == [one_]
    assert mailjet.call("GET", "template/5").status_code == 404
    assert (sender["Status"], active) == ("Active", [])


@pytest.mark.usefixtures("audience")
def test_mailjets_own_client_sends_a_campaign(
    sandbox: Sandbox, mailjet: MailjetCaller, mailjet_list: int
) -> None:
    """Mailjet 5.2."""
    with client_of(sandbox) as sdk:
        draft = one(sdk.campaigndraft.create(data=draft_body(mailjet_list)))
        number = draft["ID"]
        sdk.campaigndraft_detailcontent.create(id=number, data=CONTENT)
        planned = sdk.campaigndraft_schedule.create(id=number, data={"Date": "NOW"})
        wait_until(
            lambda: one(sdk.campaigndraft_status.get(id=number))["Status"] == "Sent"
        )

    assert one(planned)["Status"] == "programmed"
    assert len(sent(sandbox, draft)) == 2
