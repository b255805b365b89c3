"""Mailjet's own feeds of events, which tell what webhooks lost."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import BadPayload, NotFound, Reach
from pipeline.mailjet.client import MailjetClient
from pipeline.mailjet.records import Recipient
from pipeline.mailjet.statistics import EventPage
from pipeline.mailjet.webhooks import parse
from pipeline.sync.contact import Subscriber
from pipeline.sync.mail_event import EventKind, MailEvent
from tests.recorded import RecordedVendor, Recording, recording, sample

MESSAGE = 16888509234525280
OPENED_MS = 1_790_925_028_000
FROM_MS, TO_MS = 1_790_900_000_000, 1_790_900_300_000
WINDOW = {
    "Limit": "1000",
    "Offset": "2000",
    "EventFromTs": "2026-10-02T00:13:20Z",
    "EventToTs": "2026-10-02T00:18:20Z",
    "FromTS": "2025-10-01T00:13:20Z",
}
FEEDS: dict[str, Callable[[MailjetClient], EventPage]] = {
    "openinformation": lambda client: client.list_opens(2000, FROM_MS, TO_MS),
    "clickstatistics": lambda client: client.list_clicks(2000, FROM_MS, TO_MS),
    "bouncestatistics": lambda client: client.list_bounces(2000, FROM_MS, TO_MS),
}


def make_client(*answers: Recording) -> tuple[MailjetClient, RecordedVendor]:
    vendor = RecordedVendor("mailjet", *answers)
    return MailjetClient(vendor.session), vendor


@pytest.mark.parametrize("resource", FEEDS)
def test_events_are_asked_for_by_their_own_time_and_by_that_of_campaigns(
    resource: str,
) -> None:
    client, vendor = make_client(recording({"Data": []}))

    page = FEEDS[resource](client)

    assert vendor.sent[0].method == "GET"
    assert vendor.sent[0].path == f"/v3/REST/{resource}"
    assert vendor.sent[0].query == WINDOW
    assert page == EventPage((), None)


def test_first_openings_are_events_of_contacts() -> None:
    client, _ = make_client(sample("mailjet/list_opens"))

    page = client.list_opens(0, FROM_MS, TO_MS)

    assert page.events == (
        MailEvent(
            EventKind.OPEN,
            OPENED_MS,
            mailjet_id=46,
            message_id=MESSAGE,
            campaign_id=51,
        ),
        MailEvent(
            EventKind.OPEN,
            OPENED_MS + 32_000,
            mailjet_id=47,
            message_id=MESSAGE + 1,
            campaign_id=51,
        ),
    )
    assert page.bad_rows == ("", "")


def test_clicks_tell_the_link_as_it_was_written() -> None:
    client, _ = make_client(sample("mailjet/list_clicks"))

    page = client.list_clicks(0, FROM_MS, TO_MS)

    [click] = page.events
    assert click.url == "https://example.com/Pricing?x=1"
    assert (click.kind, click.mailjet_id) == (EventKind.CLICK, 46)
    assert page.bad_rows == ("9002", "")


def test_only_a_permanent_bounce_is_hard_whether_it_blocks_the_address_or_not() -> None:
    client, _ = make_client(sample("mailjet/list_bounces"))

    page = client.list_bounces(0, FROM_MS, TO_MS)

    told = [(e.kind, e.mailjet_id, e.hard, e.error) for e in page.events]
    assert told == [
        (EventKind.BOUNCE, 46, True, "user unknown"),
        (EventKind.BOUNCE, 47, False, "quota exceeded"),
        (EventKind.BLOCKED, 48, False, "preblocked"),
        (EventKind.BOUNCE, 49, False, ""),
    ]
    assert page.events[0].message_id == MESSAGE
    assert page.bad_rows == (str(MESSAGE + 4),)


def test_only_who_is_counted_as_complaining_complained() -> None:
    client, vendor = make_client(sample("mailjet/list_spam_complaints"))

    page = client.list_spam_complaints(0, FROM_MS)

    assert page.events == (MailEvent(EventKind.SPAM, 1_790_935_200_000, mailjet_id=46),)
    assert page.bad_rows == ("", "")
    assert vendor.sent[0].path == "/v3/REST/contactstatistics"
    assert vendor.sent[0].query == {
        "Limit": "1000",
        "Offset": "0",
        "Spam": "true",
        "MinLastActivityAt": "2026-10-02T00:13:19Z",
    }


def test_unsubscriptions_name_places_in_lists() -> None:
    client, vendor = make_client(sample("mailjet/list_unsubscriptions"))

    page = client.list_unsubscriptions(0, FROM_MS)

    assert page.recipient_ids == (901, 902)
    assert page.bad_rows == ("", "")
    assert vendor.sent[0].path == "/v3/REST/listrecipientstatistics"
    assert vendor.sent[0].query == {
        "Limit": "1000",
        "Offset": "0",
        "MinUnsubscribedAt": "2026-10-02T00:13:20Z",
    }


def test_a_full_page_has_a_next_one() -> None:
    rows = [{"ListRecipientID": number} for number in range(1, 1001)]
    client, _ = make_client(recording({"Data": rows}))

    assert client.list_unsubscriptions(1000, FROM_MS).next_offset == 2000


def test_a_place_in_a_list_tells_whose_it_is_and_since_when_they_left() -> None:
    client, vendor = make_client(sample("mailjet/get_recipient"))

    recipient = client.get_recipient(901)

    assert recipient == Recipient(901, 1, 12, True, unsubscribed_ms=1_777_691_045_000)
    assert vendor.sent[0].path == "/v3/REST/listrecipient/901"


def test_a_place_that_is_gone_stops_nothing_but_itself() -> None:
    client, _ = make_client(sample("mailjet/404_object_not_found"))

    with pytest.raises(NotFound) as raised:
        client.get_recipient(901)

    assert raised.value.reach is Reach.CONTACT


@pytest.mark.parametrize("body", [{"Data": {}}, "null", {"Rows": []}])
def test_a_feed_that_is_no_listing_is_a_bad_payload_of_that_call(body: object) -> None:
    client, _ = make_client(recording(body))

    with pytest.raises(BadPayload) as raised:
        client.list_opens(0, FROM_MS, TO_MS)

    assert raised.value.reach is Reach.CALL


def test_a_contact_tells_when_it_was_excluded() -> None:
    row = {
        "ID": 2,
        "Email": "ben@example.org",
        "IsExcludedFromCampaigns": True,
        "ExclusionFromCampaignsUpdatedAt": "2026-05-02T03:04:05Z",
    }
    client, _ = make_client(recording({"Data": [row]}))

    assert client.get_contact(2) == Subscriber(
        2, "ben@example.org", excluded=True, excluded_ms=1_777_691_045_000
    )


@pytest.mark.parametrize("moment", ["", None, "0001-01-01T00:00:00Z", "soon", {}, -5])
def test_a_time_that_is_none_is_unknown(moment: Any) -> None:
    row = {"ID": 901, "ContactID": 1, "ListID": 12, "IsUnsubscribed": True}
    client, _ = make_client(recording({"Data": [{**row, "UnsubscribedAt": moment}]}))

    assert client.get_recipient(901).unsubscribed_ms is None


def test_an_event_is_the_same_by_either_way() -> None:
    client, _ = make_client(
        sample("mailjet/list_clicks"), sample("mailjet/list_bounces")
    )
    posted = {"MessageID": MESSAGE, "email": "Ada@example.com", "mj_contact_id": 46}
    click = {
        **posted,
        "event": "click",
        "time": 1_790_928_000,
        "url": "https://example.com/Pricing?x=1",
    }
    # The two ways were never promised to tell the same second of a bounce.
    bounce = {**posted, "event": "bounce", "time": 1_790_931_700, "hard_bounce": True}

    by_webhook, _ = parse([click, bounce])
    by_poll = (
        client.list_clicks(0, FROM_MS, TO_MS).events[0],
        client.list_bounces(0, FROM_MS, TO_MS).events[0],
    )

    assert [e.identity for e in by_webhook] == [e.identity for e in by_poll]
