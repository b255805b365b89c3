"""`contactstatistics` and `listrecipientstatistics`: who was active, who unsubscribed.

Source: Mailjet's OpenAPI file (mailjet-mcp-server), read 2026-11. Its words: activity
"larger than" and "less than" a value; `UnsubscribedAt` "greater than or equal" and
"strictly less". What `ShowExtraData` shows as `Data` and what `TimeZone` changes are
published nowhere: a JSON text of the contact's properties here, and nothing.
"""

import json
from collections.abc import Iterable

from pipeline.sandbox.mailjet.account import Account
from pipeline.sandbox.mailjet.reading import filters, page, truth
from pipeline.sandbox.mailjet.times import time_filter
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Account] = Routes()

BOOLEANS = {
    "Blocked": "BlockedCount",
    "Bounced": "BouncedCount",
    "Click": "ClickedCount",
    "HardBounced": "HardBouncedCount",
    "Open": "OpenedCount",
    "Sent": "DeliveredCount",
    "SoftBounced": "SoftBouncedCount",
    "Spam": "SpamComplaintCount",
    "Unsubscribed": "UnsubscribedCount",
}
"""Filter to the count that must not be zero."""
MIN, MAX = "MinLastActivityAt", "MaxLastActivityAt"
LAST_TIME = "9999"
ACTIVITY = frozenset({MIN, MAX})
OF_RECIPIENTS = frozenset(
    {
        "Contact",
        "ContactsList",
        "IsActive",
        "IsExcludedFromCampaigns",
        "IsUnsubscribed",
        "MaxUnsubscribedAt",
        "MinUnsubscribedAt",
        "ShowExtraData",
        "TimeZone",
    }
)


@routes("GET", "/v3/REST/contactstatistics")
def list_contacts(account: Account, call: Call) -> Answer:
    """In the order of their ids."""
    given = filters(call, ACTIVITY | BOOLEANS.keys())
    rows = (
        {
            **_counts(account, row["ID"]),
            "ContactID": row["ID"],
            "MarketingContacts": 0,
            "UserMarketingContacts": 0,
        }
        for row in account.shown()
    )
    return page(account, call, _active(rows, given), lambda row: row)


@routes("GET", "/v3/REST/listrecipientstatistics")
def list_recipients(account: Account, call: Call) -> Answer:
    """The only feed of unsubscriptions: by the time of each, on each list."""
    given = filters(call, ACTIVITY | BOOLEANS.keys() | OF_RECIPIENTS)
    extra = truth(given.get("ShowExtraData", False), "ShowExtraData")
    rows = (
        {
            **_counts(account, row["ContactID"]),
            "Data": _properties(account, row["ContactID"]) if extra else "",
            "ListRecipientID": row["ID"],
        }
        for row in _recipients(account, given)
    )
    return page(account, call, _active(rows, given), lambda row: row)


def _counts(account: Account, contact_id: int) -> Row:
    active = account.contacts[contact_id]["LastActivityAt"]
    return {**account.mailings.counts(contact_id), "LastActivityAt": active}


def _properties(account: Account, contact_id: int) -> str:
    return json.dumps(account.values[contact_id], ensure_ascii=False)


def _active(rows: Iterable[Row], given: dict[str, str]) -> Iterable[Row]:
    low = time_filter(given, MIN) if MIN in given else ""
    high = time_filter(given, MAX) if MAX in given else LAST_TIME
    wanted = {
        count: truth(given[name], name)
        for name, count in BOOLEANS.items()
        if name in given
    }
    return (
        row
        for row in rows
        if low < row["LastActivityAt"] < high
        and all(bool(row[count]) is told for count, told in wanted.items())
    )


def _recipients(account: Account, given: dict[str, str]) -> Iterable[Row]:
    rows: Iterable[Row] = account.recipients.values()
    if "ContactsList" in given:
        ids = account.on_list(given["ContactsList"])
        rows = [account.recipients[recipient_id] for recipient_id in ids]
    if "Contact" in given:
        rows = [row for row in rows if str(row["ContactID"]) == given["Contact"]]
    for field in ("IsUnsubscribed", "IsActive"):
        if field in given:
            wanted = truth(given[field], field)
            rows = [row for row in rows if row[field] is wanted]
    if (field := "IsExcludedFromCampaigns") in given:
        wanted, contacts = truth(given[field], field), account.contacts
        rows = [row for row in rows if contacts[row["ContactID"]][field] is wanted]
    if (name := "MinUnsubscribedAt") in given:
        low = time_filter(given, name)
        rows = [row for row in rows if row["UnsubscribedAt"] >= low]
    if (name := "MaxUnsubscribedAt") in given:
        high = time_filter(given, name)
        rows = [row for row in rows if "" < row["UnsubscribedAt"] < high]
    return rows
