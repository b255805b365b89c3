"""The state of a Mailjet API key: contacts, their values, lists, who is on which."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import count

from pipeline.sandbox.faults import Faults
from pipeline.sandbox.mailjet.callbacks import Callbacks
from pipeline.sandbox.mailjet.drafts import Drafts
from pipeline.sandbox.mailjet.entries import Entries
from pipeline.sandbox.mailjet.mailings import Mailings
from pipeline.sandbox.mailjet.outgoing import Outgoing
from pipeline.sandbox.settings import Settings
from pipeline.sandbox.wire import Row

SECONDS_PER_DAY = 86_400


def now_rfc3339() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def named_in(body: bytes) -> str:
    """The contact that a JSON body names, by id or address; empty if none."""
    try:
        record = json.loads(body or b"{}")
        names = [record.get(key) for key in ("Email", "ContactID", "ContactAlt")]
    except (AttributeError, ValueError):
        return ""
    return next((str(name) for name in names if name), "")


class Account:
    """Everything by id; an unset time is an empty text, as Mailjet shows it.

    Args:
        values: contact id to property name to value.
        properties: rows of `contactmetadata` by name.
        recipients: rows of `listrecipient` by id: who is on which list.
        tell: brings an event to who listens.
    """

    def __init__(
        self,
        settings: Settings,
        faults: Faults,
        callbacks: Callbacks,
        tell: Callable[[Row], None],
    ) -> None:
        self.settings = settings
        self.faults = faults
        self.callbacks = callbacks
        self.tell = tell
        self.contacts: dict[int, Row] = {}
        self.values: dict[int, Row] = {}
        self.properties: dict[str, Row] = {}
        self.lists: dict[int, Row] = {}
        self.recipients: dict[int, Row] = {}
        self.history = Entries()
        self.mailings = Mailings()
        self.outgoing = Outgoing(now_rfc3339())
        self.drafts = Drafts()
        self._ids_by_email: dict[str, int] = {}
        self._made_at: dict[int, float] = {}
        self._forgotten_at: dict[int, float] = {}
        self._by_list: dict[int, dict[int, int]] = {}
        self._by_contact: dict[int, dict[int, int]] = {}
        self._contact_ids = count(1_000_001)
        self._recipient_ids = count(2_000_001)
        self._list_ids = count(3_001)
        self._property_ids = count(4_001)

    def contact_id(self, named: str) -> int | None:
        """Find a contact by its id or its address; the case does not matter."""
        if named.isdecimal():
            return int(named) if int(named) in self.contacts else None
        return self._ids_by_email.get(named.lower())

    def readable_id(self, named: str) -> int | None:
        """Find a contact as a GET does, which may miss a new one by its address."""
        self._purge()
        contact_id = self.contact_id(named)
        lag = self.faults.seconds("read_lag")
        if contact_id is None or named.isdecimal() or not lag:
            return contact_id
        is_old = time.monotonic() - self._made_at[contact_id] >= lag
        return contact_id if is_old else None

    def shown(self) -> Iterator[Row]:
        """All contacts by id; the forgotten ones stay for `anonymised_days`."""
        self._purge()
        return iter(self.contacts.values())

    def add_contact(self, email: str, name: str = "", excluded: bool = False) -> int:
        """A new contact on no list."""
        contact_id = next(self._contact_ids)
        self.contacts[contact_id] = {
            "CreatedAt": now_rfc3339(),
            "DeliveredCount": 0,
            "Email": email,
            "ExclusionFromCampaignsUpdatedAt": now_rfc3339() if excluded else "",
            "ID": contact_id,
            "IsExcludedFromCampaigns": excluded,
            "IsOptInPending": False,
            "IsSpamComplaining": False,
            "LastActivityAt": now_rfc3339(),
            "LastUpdateAt": "",
            "Name": name,
            "UnsubscribedAt": "",
            "UnsubscribedBy": "",
        }
        self.values[contact_id] = {}
        self._ids_by_email[email.lower()] = contact_id
        self._made_at[contact_id] = time.monotonic()
        return contact_id

    def change_contact(self, contact_id: int, changes: Row) -> bool:
        """Set name or exclusion.

        Returns:
            whether anything is different now.
        """
        row = self.contacts[contact_id]
        new = {key: value for key, value in changes.items() if row[key] != value}
        if "IsExcludedFromCampaigns" in new:
            row["ExclusionFromCampaignsUpdatedAt"] = now_rfc3339()
        if new:
            row |= {**new, "LastUpdateAt": now_rfc3339()}
        return bool(new)

    def set_values(self, contact_id: int, values: Row) -> bool:
        """Set properties; None takes one away.

        Returns:
            whether anything is different now.
        """
        old = self.values[contact_id]
        new = {n: v for n, v in {**old, **values}.items() if v is not None}
        self.values[contact_id] = new
        return new != old

    def anonymise(self, contact_id: int) -> None:
        """Forget the person and keep the id, as Mailjet does for 30 days."""
        row = self.contacts[contact_id]
        self._ids_by_email.pop(row["Email"].lower(), None)
        row |= {"Email": f"\\x{contact_id:032x}@domain.invalid", "Name": "Anonymized"}
        self.values[contact_id] = {}
        self.history.forget(contact_id)
        for recipient_id in list(self.on_lists(contact_id)):
            self.remove_recipient(recipient_id)
        self._forgotten_at[contact_id] = time.monotonic()

    def _purge(self) -> None:
        """Take out whom the vendor has forgotten for long enough."""
        kept = self.settings.anonymised_days * SECONDS_PER_DAY
        limit = time.monotonic() - kept
        for contact_id, since in list(self._forgotten_at.items()):
            if since <= limit:
                del self._forgotten_at[contact_id]
                del self.contacts[contact_id], self.values[contact_id]
                del self._made_at[contact_id]

    def add_property(self, name: str, datatype: str, namespace: str) -> Row:
        row: Row = {
            "Datatype": datatype,
            "ID": next(self._property_ids),
            "Name": name.lower(),
            "NameSpace": namespace,
        }
        self.properties[row["Name"]] = row
        return row

    def remove_property(self, name: str) -> None:
        del self.properties[name]
        for values in self.values.values():
            values.pop(name, None)

    def add_list(self, name: str) -> int:
        list_id = next(self._list_ids)
        self.lists[list_id] = {
            "Address": f"list{list_id}",
            "CreatedAt": now_rfc3339(),
            "ID": list_id,
            "IsDeleted": False,
            "Name": name,
        }
        self._by_list[list_id] = {}
        return list_id

    def remove_list(self, list_id: int) -> None:
        """Delete a list with all its rows; the contacts stay."""
        for recipient_id in list(self.on_list(list_id)):
            self.remove_recipient(recipient_id)
        del self._by_list[list_id], self.lists[list_id]

    def recipient_id(self, contact_id: int, list_id: int) -> int | None:
        """The contact's row on a list; None when it is not on it."""
        return self._by_list[list_id].get(contact_id)

    def on_list(self, list_id: str | int) -> Iterator[int]:
        """The `listrecipient` ids of a list, none if there is no such list."""
        return iter(self.members(list_id).values())

    def members(self, list_id: str | int) -> Mapping[int, int]:
        """Contact id to `listrecipient` id of a list; empty if there is none."""
        named = str(list_id)
        return self._by_list.get(int(named) if named.isdecimal() else 0, {})

    def on_lists(self, contact_id: int) -> Iterator[int]:
        """The `listrecipient` ids of a contact."""
        return iter(self._by_contact.get(contact_id, {}).values())

    def consent(self, contact_id: int) -> Row:
        """What a contact allows now: `excluded`, `complained`, and of each list by id
        whether it has `unsubscribed`."""
        row = self.contacts[contact_id]
        rows = [self.recipients[i] for i in self.on_lists(contact_id)]
        return {
            "excluded": row["IsExcludedFromCampaigns"],
            "complained": row["IsSpamComplaining"],
            "lists": {
                str(each["ListID"]): {"unsubscribed": each["IsUnsubscribed"]}
                for each in rows
            },
        }

    def add_recipient(self, contact_id: int, list_id: int, unsubscribed: bool) -> Row:
        row: Row = {
            "ContactID": contact_id,
            "ID": next(self._recipient_ids),
            "IsActive": True,
            "IsUnsubscribed": unsubscribed,
            "ListID": list_id,
            "SubscribedAt": now_rfc3339(),
            "UnsubscribedAt": now_rfc3339() if unsubscribed else "",
        }
        self.recipients[row["ID"]] = row
        self._by_list[list_id][contact_id] = row["ID"]
        self._by_contact.setdefault(contact_id, {})[list_id] = row["ID"]
        return row

    def change_recipient(self, recipient_id: int, unsubscribed: bool) -> bool:
        """Subscribe again or unsubscribe.

        Returns:
            whether anything is different now.
        """
        row = self.recipients[recipient_id]
        if row["IsUnsubscribed"] == unsubscribed:
            return False
        field = "UnsubscribedAt" if unsubscribed else "SubscribedAt"
        row |= {"IsUnsubscribed": unsubscribed, "UnsubscribedAt": ""}
        row[field] = now_rfc3339()
        return True

    def unsubscribe(self, contact_id: int, list_id: int, at: str) -> None:
        """Unsubscribe as the recipient of a mail does, at `at` (RFC 3339)."""
        known = self.recipient_id(contact_id, list_id)
        if known is None:
            known = self.add_recipient(contact_id, list_id, unsubscribed=False)["ID"]
        if self.change_recipient(known, unsubscribed=True):
            self.recipients[known]["UnsubscribedAt"] = at

    def remove_recipient(self, recipient_id: int) -> None:
        """Take a contact off a list; that it had unsubscribed is forgotten."""
        row = self.recipients.pop(recipient_id)
        del self._by_list[row["ListID"]][row["ContactID"]]
        del self._by_contact[row["ContactID"]][row["ListID"]]

    def act(self, action: str, contact_id: int, list_id: int) -> None:
        """Do what `managecontact` calls an Action.

        `addforce` subscribes again who had unsubscribed, `addnoforce` leaves them out;
        `unsub` also puts a stranger on the list, unsubscribed.
        """
        known = self.recipient_id(contact_id, list_id)
        if known is None and action != "remove":
            self.add_recipient(contact_id, list_id, unsubscribed=action == "unsub")
        elif known is not None and action == "remove":
            self.remove_recipient(known)
        elif known is not None and action != "addnoforce":
            self.change_recipient(known, unsubscribed=action == "unsub")
