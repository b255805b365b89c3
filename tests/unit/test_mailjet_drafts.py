"""Campaigns that are not sent yet, in whatever form Mailjet tells of them."""

from typing import Any

import pytest

from pipeline.drafting import schedule_once
from pipeline.errors import BadPayload, Reach, Rejected
from pipeline.mailjet.client import MailjetClient
from pipeline.mailjet.records import Draft
from tests.recorded import RecordedVendor, recording

TITLE, LIST = "Spring 2026-11-28 09:00", 7


def find(*rows: dict[str, Any]) -> Draft | None:
    vendor = RecordedVendor("mailjet", recording({"Data": list(rows)}))
    return MailjetClient(vendor.session).find_draft(TITLE, LIST)


def row(id_: int = 1, **fields: Any) -> dict[str, Any]:
    return {"ID": id_, "Title": TITLE, "Status": 0, "ContactsListID": LIST, **fields}


@pytest.mark.parametrize(
    ("told", "status"),
    [(0, 0), ("0", 0), ("Draft", 0), (1, 1), ("programmed", 1), ("-1", -1), (4, 4)],
)
def test_a_status_is_a_number_or_a_word(told: object, status: int) -> None:
    found = find(row(Status=told))

    assert found == Draft(1, TITLE, status, LIST)


@pytest.mark.parametrize("told", ["", None, "perhaps", [], 99])
def test_what_nobody_understands_is_not_scheduled_and_hides_no_other(
    told: object,
) -> None:
    assert find(row(1), row(2, Title="another", Status=told)) == Draft(
        1, TITLE, 0, LIST
    )
    with pytest.raises(BadPayload) as raised:
        find(row(1), row(2, Status=told))
    assert raised.value.reach is Reach.CALL


def test_the_campaign_of_another_list_is_another() -> None:
    assert find(row(ContactsListID=8)) is None
    assert find(row(ContactsListID="7")) == Draft(1, TITLE, 0, LIST)
    assert find({"ID": 1, "Title": TITLE, "Status": 0}) == Draft(1, TITLE, 0)


def test_what_was_just_made_is_a_draft_whatever_it_says() -> None:
    made = recording({"Data": [{"ID": "5", "Status": "", "Title": TITLE}]}, 201)
    vendor = RecordedVendor("mailjet", made)

    draft = MailjetClient(vendor.session).create_draft(
        TITLE, list_id=LIST, segment_id=0, sender="us@example.com", subject="Hi"
    )

    assert draft.is_open
    assert vendor.sent[0].body == {
        "Title": TITLE,
        "Locale": "en_US",
        "Sender": "us@example.com",
        "SenderEmail": "us@example.com",
        "Subject": "Hi",
        "ContactsListID": LIST,
    }


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_template_of_somebody_else_fails_the_campaign_alone(status: int) -> None:
    told = {"ErrorMessage": "Not authorized to access this", "StatusCode": status}
    found = recording({"Data": [row()]})
    vendor = RecordedVendor("mailjet", found, recording(told, status))
    wanted = {"title": TITLE, "list_id": LIST, "template_id": 5, "at_ms": 1}

    with pytest.raises(Rejected) as raised:
        schedule_once(MailjetClient(vendor.session), wanted, 2)

    assert raised.value.reach is Reach.CONTACT
    assert raised.value.detail == "no such template"
