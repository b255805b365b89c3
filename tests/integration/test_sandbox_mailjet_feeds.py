"""The sandbox's Mailjet: what can be asked about events and unsubscriptions later."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.sandbox import MailjetCaller, Row, Sandbox, fresh_email

DAY = 86_400
FEEDS = ("openinformation", "clickstatistics", "bouncestatistics")


def now() -> int:
    return int(time.time())


def shown(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def someone(mailjet: MailjetCaller, list_id: int) -> tuple[int, int]:
    """ContactID and the id of the row on a list."""
    contact_id = mailjet.add()
    body = {"ContactID": contact_id, "ListID": list_id}
    row = mailjet.call("POST", "listrecipient", body).json()["Data"][0]
    return contact_id, row["ID"]


def left(sandbox: Sandbox, contact_id: int, list_id: int, at: int) -> None:
    sandbox.mail_event("unsub", contact_id, list_id=list_id, time=at, deliver=False)


def of_day(mailjet: MailjetCaller, feed: str, **query: Any) -> list[Row]:
    """A whole feed, so far back that no campaign is left out."""
    return mailjet.rows(feed, Limit=1000, FromTS=1, **query)


def test_an_open_a_click_and_a_bounce_are_rows_of_three_feeds(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 7."""
    contact_id, at, name = mailjet.add(), now(), uuid4().hex
    said: Row = {"customcampaign": name, "time": at, "campaign_started": at - 90}
    url = "https://lighthouse.example/a"
    opened = sandbox.mail_event("open", contact_id, **said)
    message = {"message_id": opened["MessageID"]}
    sandbox.mail_event("click", contact_id, url=url, **said, **message)
    sandbox.mail_event("bounce", contact_id, hard_bounce=True, **said, **message)
    rows = {
        feed: of_day(mailjet, feed, CustomCampaign=name, EventFromTs=at)
        for feed in FEEDS
    }
    ((open_,), (click,), (bounce,)) = (rows[feed] for feed in FEEDS)

    campaign = {"CampaignID": opened["mj_campaign_id"], "ContactID": contact_id}
    assert open_ == {
        **campaign,
        "ArrivedAt": shown(at - 90),
        "ID": open_["ID"],
        "MessageID": opened["MessageID"],
        "OpenedAt": shown(at),
        "UserAgentFull": open_["UserAgentFull"],
        "UserAgentID": 1,
    }
    assert click == {
        "ClickedAt": shown(at),
        "ClickedDelay": 90,
        "ContactID": contact_id,
        "ID": click["ID"],
        "MessageID": opened["MessageID"],
        "Url": url,
        "UserAgentID": 1,
    }
    assert bounce == {
        **campaign,
        "BouncedAt": shown(at),
        "ID": opened["MessageID"],
        "IsBlocked": False,
        "IsStatePermanent": True,
        "StateID": 1,
    }


def test_a_blocked_mail_is_counted_and_in_no_feed(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 7."""
    contact_id, name = mailjet.add(), uuid4().hex
    sandbox.mail_event("blocked", contact_id, customcampaign=name, deliver=False)
    rows = mailjet.rows("contactstatistics", Limit=1000, Blocked="true")

    assert contact_id in [row["ContactID"] for row in rows]
    assert of_day(mailjet, "bouncestatistics", CustomCampaign=name) == []


@pytest.mark.parametrize(
    ("feed", "kind"), list(zip(FEEDS, ("open", "click", "bounce"), strict=True))
)
def test_without_a_time_range_a_feed_shows_the_current_day(
    sandbox: Sandbox, mailjet: MailjetCaller, feed: str, kind: str
) -> None:
    """Mailjet 7."""
    contact_id, name = mailjet.add(), uuid4().hex
    old, new = now() - 3 * DAY, now()
    for at in (old, new):
        said: Row = {"customcampaign": name, "time": at, "deliver": False}
        sandbox.mail_event(kind, contact_id, **said)

    def found(**query: Any) -> int:
        return len(mailjet.rows(feed, CustomCampaign=name, **query))

    # A midnight in between leaves none of them on the current day.
    assert found() <= 1
    assert found(EventFromTs=old) == found()
    assert found(ToTS=new + DAY) == found()
    assert found(FromTS=old - DAY, EventFromTs=old) == 2
    sandbox.settings(event_from_ts_lifts_the_day=True)
    try:
        assert found(EventFromTs=old) == 2
    finally:
        sandbox.settings(event_from_ts_lifts_the_day=False)


def test_events_are_asked_for_by_their_own_time_and_by_their_campaigns(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 7."""
    contact_id, name, at = mailjet.add(), uuid4().hex, now() - 60
    started = at - 40 * DAY
    said: Row = {"customcampaign": name, "campaign_started": started, "time": at}
    event = sandbox.mail_event("click", contact_id, **said)

    def found(**query: Any) -> int:
        return len(mailjet.rows("clickstatistics", CustomCampaign=name, **query))

    wide = started - 1
    assert found(FromTS=wide) == found(FromTS=shown(wide)) == 1
    assert found(FromTS=started) == 0, "FromTS is exclusive"
    assert found(FromTS=wide, ToTS=started + 1) == 1
    assert found(FromTS=wide, ToTS=started) == 0
    assert found(FromTS=wide, EventFromTs=at, EventToTs=shown(at)) == 1
    assert found(FromTS=wide, EventFromTs=at + 1) == 0
    assert found(FromTS=wide, EventToTs=at - 1) == 0
    assert found(FromTS=wide, CampaignID=event["mj_campaign_id"]) == 1
    assert found(FromTS=wide, MessageID=event["MessageID"]) == 1
    assert found(FromTS=wide, MessageID=1) == 0


@pytest.mark.parametrize("feed", FEEDS)
def test_a_feed_comes_in_pages_and_refuses_unknown_filters(
    sandbox: Sandbox, mailjet: MailjetCaller, feed: str
) -> None:
    """Mailjet 7."""
    contact_id, name = mailjet.add(), uuid4().hex
    kind = {"openinformation": "open", "clickstatistics": "click"}.get(feed, "bounce")
    for _ in range(11):
        said: Row = {"customcampaign": name, "deliver": False}
        sandbox.mail_event(kind, contact_id, **said)
    query: Row = {"CustomCampaign": name, "FromTS": 1}

    assert len(mailjet.rows(feed, **query)) == 10
    assert len(mailjet.rows(feed, **query, Offset=10)) == 1
    counted = mailjet.call("GET", feed, params={**query, "countOnly": 1})
    assert counted.json()["Total"] == 11
    for stranger in ({"ContactID": contact_id}, {"EventFromTs": "yesterday"}):
        assert mailjet.call("GET", feed, params=stranger).status_code == 400


def test_unsubscriptions_are_found_by_their_time_on_each_list(
    sandbox: Sandbox, mailjet: MailjetCaller, mailjet_list: int
) -> None:
    """Mailjet 7."""
    at = now() - 2 * DAY
    (early, early_row), (late, late_row) = (
        someone(mailjet, mailjet_list) for _ in range(2)
    )
    stays, _ = someone(mailjet, mailjet_list)
    left(sandbox, early, mailjet_list, at)
    left(sandbox, late, mailjet_list, at + 60)

    def found(**query: Any) -> list[int]:
        query = {"ContactsList": mailjet_list, "Limit": 1000, **query}
        rows = mailjet.rows("listrecipientstatistics", **query)
        return [row["ListRecipientID"] for row in rows]

    assert found(MinUnsubscribedAt=at) == [early_row, late_row]
    assert found(MinUnsubscribedAt=at + 1) == [late_row]
    assert found(MinUnsubscribedAt=shown(at), MaxUnsubscribedAt=at + 60) == [early_row]
    assert found(MaxUnsubscribedAt=at + 61, TimeZone="UTC") == [early_row, late_row]
    assert found(IsUnsubscribed="true") == [early_row, late_row]
    assert len(found(IsUnsubscribed="false")) == 1
    assert len(found(Contact=stays)) == 1
    mailjet.call("PUT", f"contact/{late}", {"IsExcludedFromCampaigns": True})
    assert found(IsExcludedFromCampaigns="true") == [late_row]
    assert mailjet.rows(f"listrecipient/{early_row}")[0]["ContactID"] == early
    unknown = {"ContactsListID": mailjet_list}
    refused = mailjet.call("GET", "listrecipientstatistics", params=unknown)
    assert refused.status_code == 400


def test_an_unsubscription_by_api_is_in_the_feed_too(mailjet: MailjetCaller) -> None:
    """Mailjet 7."""
    list_id, before = mailjet.new_list(), now()
    _, row_id = someone(mailjet, list_id)
    mailjet.call("PUT", f"listrecipient/{row_id}", {"IsUnsubscribed": True})
    query = {"ContactsList": list_id, "MinUnsubscribedAt": before}
    (row,) = mailjet.rows("listrecipientstatistics", **query)

    assert row["ListRecipientID"] == row_id
    assert row["Data"] == ""
    extra = mailjet.rows("listrecipientstatistics", **query, ShowExtraData="true")
    assert extra[0]["Data"] == "{}"


def test_who_was_active_is_asked_for_with_both_ends_left_out(
    sandbox: Sandbox, mailjet: MailjetCaller, mailjet_list: int
) -> None:
    """Mailjet 7."""
    contact_id, row_id = someone(mailjet, mailjet_list)
    at = now() + DAY
    sandbox.mail_event("click", contact_id, time=at, deliver=False)

    def found(**query: Any) -> list[tuple[str, int]]:
        contacts = mailjet.rows("contactstatistics", Limit=1000, **query)
        query |= {"ContactsList": mailjet_list}
        rows = mailjet.rows("listrecipientstatistics", Limit=1000, **query)
        both = [("contact", row["ContactID"]) for row in contacts]
        both += [("row", row["ListRecipientID"]) for row in rows]
        return [each for each in both if each[1] in (contact_id, row_id)]

    found_both = [("contact", contact_id), ("row", row_id)]
    assert found(MinLastActivityAt=at - 1) == found_both
    assert found(MinLastActivityAt=at) == []
    assert found(MinLastActivityAt=at - 1, MaxLastActivityAt=at) == []
    assert found(MinLastActivityAt=at - 1, Click="true") == found_both
    assert found(MinLastActivityAt=at - 1, Open="true") == []
    assert found(MinLastActivityAt=at - 1, Open="false") == found_both


def test_statistics_count_what_happened_to_a_contacts_mails(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 7."""
    contact_id, at = mailjet.add(), now() + 2 * DAY
    for kind in ("sent", "open", "open", "blocked", "spam", "unsub"):
        sandbox.mail_event(kind, contact_id, time=at, deliver=False)
    for hard in (True, False, False):
        said: Row = {"hard_bounce": hard, "time": at, "deliver": False}
        sandbox.mail_event("bounce", contact_id, **said)
    rows = mailjet.rows("contactstatistics", MinLastActivityAt=at - 1)
    (row,) = [row for row in rows if row["ContactID"] == contact_id]

    assert {name: value for name, value in row.items() if value} == {
        "ContactID": contact_id,
        "LastActivityAt": shown(at),
        "DeliveredCount": 1,
        "OpenedCount": 2,
        "BlockedCount": 1,
        "SpamComplaintCount": 1,
        "UnsubscribedCount": 1,
        "BouncedCount": 3,
        "HardBouncedCount": 1,
        "SoftBouncedCount": 2,
    }


# What an event changes


def test_an_unsubscription_is_of_its_list_alone(
    sandbox: Sandbox, mailjet: MailjetCaller, mailjet_list: int
) -> None:
    """Mailjet 3.5."""
    other = mailjet.new_list()
    contact_id, row_id = someone(mailjet, mailjet_list)
    body = {"ContactID": contact_id, "ListID": other}
    other_id = mailjet.call("POST", "listrecipient", body).json()["Data"][0]["ID"]
    at = now() - 60
    left(sandbox, contact_id, mailjet_list, at)

    (row,) = mailjet.rows(f"listrecipient/{row_id}")
    assert (row["IsUnsubscribed"], row["UnsubscribedAt"]) == (True, shown(at))
    assert mailjet.rows(f"listrecipient/{other_id}")[0]["IsUnsubscribed"] is False
    assert mailjet.rows(f"contact/{contact_id}")[0]["UnsubscribedAt"] == ""


def test_an_unsubscription_from_no_list_is_the_contacts(
    sandbox: Sandbox, mailjet: MailjetCaller, mailjet_list: int
) -> None:
    """Mailjet 6.3."""
    contact_id, row_id = someone(mailjet, mailjet_list)
    at = now() - 60
    event = sandbox.mail_event("unsub", contact_id, time=at)

    assert event["mj_list_id"] == 0
    assert mailjet.rows(f"contact/{contact_id}")[0]["UnsubscribedAt"] == shown(at)
    assert mailjet.rows(f"listrecipient/{row_id}")[0]["IsUnsubscribed"] is False


def test_a_complaint_is_the_contacts_and_ends_the_subscription(
    sandbox: Sandbox, mailjet: MailjetCaller, mailjet_list: int
) -> None:
    """Mailjet 3.1."""
    contact_id, row_id = someone(mailjet, mailjet_list)
    sandbox.mail_event("spam", contact_id, list_id=mailjet_list)

    assert mailjet.rows(f"contact/{contact_id}")[0]["IsSpamComplaining"] is True
    assert mailjet.rows(f"listrecipient/{row_id}")[0]["IsUnsubscribed"] is True


def test_a_mail_to_an_unknown_address_makes_the_contact(
    sandbox: Sandbox, mailjet: MailjetCaller
) -> None:
    """Mailjet 3.1, Mailjet 10: 14."""
    email = fresh_email()
    event = sandbox.mail_event("sent", email)
    (row,) = mailjet.rows(f"contact/{email}")

    assert row["ID"] == event["mj_contact_id"]
    assert row["DeliveredCount"] == 1
    with pytest.raises(AssertionError, match="no such contact"):
        sandbox.mail_event("sent", 1)
    for strange in ({"error": "bad weather"}, {"weather": "bad"}):
        with pytest.raises(AssertionError, match=r"bad|unknown"):
            sandbox.mail_event("bounce", email, **strange)


def test_each_event_carries_what_its_kind_has(
    sandbox: Sandbox, mailjet: MailjetCaller, mailjet_list: int
) -> None:
    """Mailjet 6.3."""
    contact_id, _ = someone(mailjet, mailjet_list)
    email = mailjet.rows(f"contact/{contact_id}")[0]["Email"]
    at = now()
    extra: dict[str, set[str]] = {}
    for kind in ("sent", "open", "click", "bounce", "blocked", "spam", "unsub"):
        said: Row = {"time": at, "customcampaign": "spring", "list_id": mailjet_list}
        event = sandbox.mail_event(kind, contact_id, **said)
        assert event.pop("event") == kind
        assert event.pop("MessageID") > 2**53
        assert len(event.pop("Message_GUID")) == 36
        common = {
            "time": at,
            "email": email,
            "mj_campaign_id": event["mj_campaign_id"],
            "mj_contact_id": contact_id,
            "customcampaign": "spring",
            "CustomID": "",
            "Payload": "",
        }
        assert event.items() >= common.items()
        extra[kind] = set(event) - set(common)
        if kind == "unsub":
            assert event["mj_list_id"] == mailjet_list
        if kind == "bounce":
            reasons = [
                event[key] for key in ("hard_bounce", "error_related_to", "error")
            ]
            assert reasons == [False, "recipient", "quota exceeded"]

    reader, failure = {"ip", "geo", "agent"}, {"error_related_to", "error"}
    assert extra == {
        "sent": {"mj_message_id", "smtp_reply"},
        "open": reader,
        "click": {"url", *reader},
        "bounce": {"blocked", "hard_bounce", "comment", *failure},
        "blocked": failure,
        "spam": {"source"},
        "unsub": {"mj_list_id", *reader},
    }
