"""Mailjet's REST API v3, as far as the sync needs it.

Each method builds one request, sends it and loads the answer; every one may raise what
`ApiSession.send` raises, and BadPayload. Where the numeric ContactID is known it is
what stands in the path: addresses in URLs end in other people's logs.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import Schema

from pipeline.answer import Answer
from pipeline.mailjet import schemas
from pipeline.mailjet.account import AccountCalls
from pipeline.mailjet.callbacks import CallbackCalls
from pipeline.mailjet.calls import LIMIT, only, records_of
from pipeline.mailjet.drafts import DraftCalls
from pipeline.mailjet.history import HistoryCalls
from pipeline.mailjet.records import (
    SubscriberPage,
)
from pipeline.mailjet.sending import SendingCalls
from pipeline.mailjet.statistics import StatisticsCalls
from pipeline.session import QueryValue
from pipeline.sync.contact import ListAction, Subscriber


class MailjetClient(
    AccountCalls,
    CallbackCalls,
    DraftCalls,
    HistoryCalls,
    SendingCalls,
    StatisticsCalls,
):
    """All calls of one API key."""

    def manage_contact(
        self,
        list_id: int,
        email: str,
        action: ListAction,
        *,
        name: str | None = None,
        properties: Mapping[str, object] | None = None,
    ) -> Subscriber:
        """Create or update a contact, its properties and its place in a list, in one.

        `POST /contactslist/:listId/managecontact`, Mailjet guides (_newsletter.md),
        read 2026-11.

        Args:
            name: None leaves it as it is.
            properties: static ones by lower-case name; those not named stay.

        Returns:
            The contact with all its static properties, where the answer holds them.

        Raises:
            Rejected: with the reach of a connection when a property is not defined,
                of a contact when the address or a value is refused.
            NotFound: there is no such list; for the whole connection.
        """
        if action is ListAction.ADD_AGAIN:
            raise ValueError("an upsert never subscribes again")
        body: dict[str, Any] = {"Email": email, "Action": action}
        if name is not None:
            body["Name"] = name
        if properties:
            # An object; a JSON string here is silently ignored (apiv3-php#68).
            body["Properties"] = dict(properties)
        answer = self.session.send(
            "POST",
            "/v3/REST/contactslist/:listId/managecontact",
            path={"listId": list_id},
            json=body,
        )
        return _subscriber(answer, schemas.MANAGED_CONTACT)

    def manage_lists(self, contact_id: int, actions: Mapping[int, ListAction]) -> None:
        """Change a contact's place in several lists, in one call.

        `POST /contact/:contactId/managecontactslists`, Mailjet guides (_contacts.md),
        read 2026-11.

        Raises:
            NotFound: there is no such contact.
            Rejected: with the reach of a connection when a list does not exist.
        """
        changes = [{"ListID": key, "Action": action} for key, action in actions.items()]
        self.session.send(
            "POST",
            "/v3/REST/contact/:contactId/managecontactslists",
            path={"contactId": contact_id},
            json={"ContactsLists": changes},
        )

    def contact_lists(self, contact_id: int) -> Mapping[int, bool]:
        """Read which lists a contact is in: list id to whether it is unsubscribed.

        `GET /contact/:contactId/getcontactslists`, Mailjet guides (_contacts.md), read
        2026-11. One row that cannot be read fails the call: opt-outs are never guessed.
        """
        answer = self.session.send(
            "GET",
            "/v3/REST/contact/:contactId/getcontactslists",
            path={"contactId": contact_id},
            query={"Limit": LIMIT},
        )
        rows = records_of(answer, schemas.MEMBERSHIP)
        return {row["list_id"]: row["unsubscribed"] for row in rows}

    def list_contacts(
        self,
        offset: int,
        *,
        excluded: bool | None = None,
        list_id: int | None = None,
    ) -> SubscriberPage:
        """Read one page of up to 1,000 contacts, without properties.

        `GET /contact`, Mailjet guides (_contacts.md), read 2026-11. Contacts that were
        deleted and anonymised stay listed for 30 days; they are left out.

        Args:
            excluded: only those who are, or are not, excluded from campaigns.
            list_id: only those who are on the list, unsubscribed ones too.
        """
        query: dict[str, QueryValue] = {}
        if list_id is not None:
            query["ContactsList"] = list_id
        if excluded is not None:
            query["IsExcludedFromCampaigns"] = excluded
        found, following, bad = self.page("contact", offset, schemas.CONTACT, query)
        living = (one for one in found if not one.is_erased)
        return SubscriberPage(tuple(living), following, bad)

    def get_contact(self, id_or_email: int | str) -> Subscriber:
        """Read a contact by its ContactID or, while that is unknown, by its address.

        `GET /contact/:contact`, Mailjet guides (_contacts.md), read 2026-11.

        Raises:
            NotFound: there is none; a read may miss one created seconds ago.
        """
        answer = self.session.send(
            "GET", "/v3/REST/contact/:contact", path={"contact": id_or_email}
        )
        return _subscriber(answer, schemas.CONTACT)

    def update_contact(
        self,
        contact_id: int,
        *,
        name: str | None = None,
        excluded: bool | None = None,
    ) -> None:
        """Change a contact's name, or whether campaigns leave it out.

        `PUT /contact/:contactId`, Mailjet guides (_exclusionlist.md), read 2026-11; 304
        means that it was so already. The address can never be changed.
        """
        body: dict[str, object] = {}
        if name is not None:
            body["Name"] = name
        if excluded is not None:
            body["IsExcludedFromCampaigns"] = excluded
        self.session.send(
            "PUT",
            "/v3/REST/contact/:contactId",
            path={"contactId": contact_id},
            json=body,
        )

    def delete_contact(self, contact_id: int) -> int:
        """Erase a contact for good, with all that Mailjet keeps of it but statistics.

        `DELETE /v4/contacts/:contactId`, Mailjet guides (_contacts.md, "Delete the
        contact"), read 2026-11. An anonymised row stays listed for 30 days. The v3
        route answers 401 (mailjet-apiv3-php#98).

        Returns:
            The HTTP status, for whoever has to prove it.

        Raises:
            NotFound: it is gone already.
        """
        answer = self.session.send(
            "DELETE", "/v4/contacts/:contactId", path={"contactId": contact_id}
        )
        return answer.status

    def contact_data(self, contact_id: int) -> Mapping[str, object]:
        """Read a contact's properties: lower-case name to value; empty if it has none.

        `GET /contactdata/:contactId`, Mailjet guides (_contacts.md), read 2026-11.
        """
        answer = self.session.send(
            "GET", "/v3/REST/contactdata/:contactId", path={"contactId": contact_id}
        )
        rows = records_of(answer, schemas.CONTACT_DATA)
        return rows[0].properties if rows else {}

    def update_contact_data(
        self, contact_id: int, properties: Mapping[str, object]
    ) -> None:
        """Change the properties named and leave the others; 304 is a success.

        `PUT /contactdata/:contactId`, Mailjet guides (_contacts.md), read 2026-11.

        Raises:
            Rejected: with the reach of a connection when a property is not defined.
        """
        pairs = [{"Name": name, "Value": value} for name, value in properties.items()]
        self.session.send(
            "PUT",
            "/v3/REST/contactdata/:contactId",
            path={"contactId": contact_id},
            json={"Data": pairs},
        )

    def list_contact_data(
        self, offset: int, *, fields: Iterable[str] | None = None
    ) -> SubscriberPage:
        """Read one page of up to 1,000 contacts' properties; addresses are not in it.

        `GET /contactdata`, Mailjet guides (_contacts.md), read 2026-11.

        Args:
            fields: names of the properties to read; None reads all.
        """
        query = {} if fields is None else {"Fields": ",".join(fields)}
        found, following, bad = self.page(
            "contactdata", offset, schemas.CONTACT_DATA, query, "ContactID"
        )
        return SubscriberPage(tuple(found), following, bad)


def _subscriber(answer: Answer, schema: Schema) -> Subscriber:
    subscriber: Subscriber = only(answer, schema)
    return subscriber
