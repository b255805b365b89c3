"""Mailjet's REST API v3, as far as the sync needs it.

Each method builds one request, sends it and loads the answer; every one may raise what
`ApiSession.send` raises, and BadPayload. Where the numeric ContactID is known it is
what stands in the path: addresses in URLs end in other people's logs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from marshmallow import Schema

from pipeline.answer import Answer
from pipeline.errors import BadPayload, Reach
from pipeline.mailjet import schemas
from pipeline.mailjet.records import (
    ContactsList,
    Property,
    RecipientPage,
    SubscriberPage,
    User,
)
from pipeline.session import ApiSession, QueryValue
from pipeline.sync.contact import ListAction, Subscriber

# The largest that Mailjet allows; `Limit=0` means the same but was reported to ignore
# Offset (mailjet-apiv3-nodejs#68, read 2026-11).
LIMIT = 1000


class MailjetClient:
    """The calls of one API key.

    Args:
        session: carries key and secret key.
    """

    def __init__(self, session: ApiSession) -> None:
        self.session = session

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
        rows = _records(answer, schemas.MEMBERSHIP)
        return {row["list_id"]: row["unsubscribed"] for row in rows}

    def list_contacts(
        self, offset: int, *, excluded: bool | None = None
    ) -> SubscriberPage:
        """Read one page of up to 1,000 contacts, without properties.

        `GET /contact`, Mailjet guides (_contacts.md), read 2026-11. Contacts that were
        deleted and anonymised stay listed for 30 days; they are left out.

        Args:
            excluded: only those who are, or are not, excluded from campaigns.
        """
        query: dict[str, QueryValue] = {}
        if excluded is not None:
            query["IsExcludedFromCampaigns"] = excluded
        found, following, bad = self._page("contact", offset, schemas.CONTACT, query)
        living = (
            one for one in found if not one.email.endswith(schemas.ANONYMISED_SUFFIX)
        )
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

    def contact_data(self, contact_id: int) -> Mapping[str, object]:
        """Read a contact's properties: lower-case name to value; empty if it has none.

        `GET /contactdata/:contactId`, Mailjet guides (_contacts.md), read 2026-11.
        """
        answer = self.session.send(
            "GET", "/v3/REST/contactdata/:contactId", path={"contactId": contact_id}
        )
        rows = _records(answer, schemas.CONTACT_DATA)
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
        found, following, bad = self._page(
            "contactdata", offset, schemas.CONTACT_DATA, query, "ContactID"
        )
        return SubscriberPage(tuple(found), following, bad)

    def list_properties(self) -> tuple[Property, ...]:
        """Read which properties are defined, all of them.

        `GET /contactmetadata`, Mailjet guides (_contacts.md), read 2026-11.
        """
        return tuple(self._all("contactmetadata", schemas.PROPERTY))

    def create_property(
        self, name: str, datatype: str, namespace: str = "static"
    ) -> Property:
        """Define a property, which must be done before its first use.

        `POST /contactmetadata`, Mailjet guides (_contacts.md), read 2026-11.

        Args:
            name: letters, digits and underscores; Mailjet lower-cases it.
            datatype: `str`, `int`, `float`, `datetime` or `bool`.
            namespace: `static` for one value, `historic` for a dated history.
        """
        answer = self.session.send(
            "POST",
            "/v3/REST/contactmetadata",
            json={"Name": name, "Datatype": datatype, "NameSpace": namespace},
        )
        created: Property = _only(answer, schemas.PROPERTY)
        return created

    def list_lists(self) -> tuple[ContactsList, ...]:
        """Read all contact lists, deleted ones included where Mailjet shows them.

        `GET /contactslist`, Mailjet guides (_contacts.md), read 2026-11.
        """
        return tuple(self._all("contactslist", schemas.CONTACTS_LIST))

    def get_list(self, list_id: int) -> ContactsList:
        """Read one list.

        `GET /contactslist/:listId`, Mailjet guides (_contacts.md), read 2026-11.

        Raises:
            NotFound: there is none; for the whole connection.
        """
        answer = self.session.send(
            "GET", "/v3/REST/contactslist/:listId", path={"listId": list_id}
        )
        found: ContactsList = _only(answer, schemas.CONTACTS_LIST)
        return found

    def create_list(self, name: str) -> ContactsList:
        """Create a list; its name must be unique.

        `POST /contactslist`, Mailjet guides (_contacts.md), read 2026-11.
        """
        answer = self.session.send("POST", "/v3/REST/contactslist", json={"Name": name})
        created: ContactsList = _only(answer, schemas.CONTACTS_LIST)
        return created

    def list_recipients(
        self,
        offset: int,
        *,
        list_id: int | None = None,
        unsubscribed: bool | None = None,
    ) -> RecipientPage:
        """Read one page of up to 1,000 places of contacts in lists.

        `GET /listrecipient`, Mailjet guides (_contacts.md), read 2026-11.

        Args:
            list_id: only of this list; None reads those of all lists.
            unsubscribed: only those who are, or are not, unsubscribed.
        """
        query: dict[str, QueryValue] = {}
        if list_id is not None:
            query["ContactsList"] = list_id
        if unsubscribed is not None:
            query["Unsub"] = unsubscribed
        found, following, bad = self._page(
            "listrecipient", offset, schemas.RECIPIENT, query
        )
        return RecipientPage(tuple(found), following, bad)

    def get_user(self) -> User:
        """Read who owns the key: the cheapest proof that it works.

        `GET /user`, Mailjet's OpenAPI (mailjet-mcp-server), read 2026-11.
        """
        answer = self.session.send("GET", "/v3/REST/user")
        user: User = _only(answer, schemas.USER)
        return user

    def _page(
        self,
        resource: str,
        offset: int,
        schema: Schema,
        query: Mapping[str, QueryValue],
        id_key: str = "ID",
    ) -> tuple[list[Any], int | None, tuple[str, ...]]:
        answer = self.session.send(
            "GET",
            f"/v3/REST/{resource}",
            query={"Limit": LIMIT, "Offset": offset, **query},
        )
        rows = answer.load(schemas.ENVELOPE, reach=Reach.CALL)
        records, bad_rows = schemas.load_rows(schema, rows, id_key)
        # `Total` counts the page only: a listing ends with a page that is not full.
        following = offset + len(rows) if len(rows) >= LIMIT else None
        return records, following, bad_rows

    def _all(self, resource: str, schema: Schema) -> Iterable[Any]:
        """Every record of a short listing, such as that of the lists."""
        offset: int | None = 0
        before: list[Any] = []
        while offset is not None:
            records, offset, bad_rows = self._page(resource, offset, schema, {})
            if bad_rows or (records and records == before):
                # Half of the lists or properties is no base to decide anything on.
                route = f"GET /v3/REST/{resource}"
                detail = "rows that cannot be read" if bad_rows else "a page repeats"
                raise BadPayload("mailjet", route, 200, detail, reach=Reach.CONNECTION)
            yield from records
            before = records


def _records(answer: Answer, schema: Schema) -> list[Any]:
    rows = answer.load(schemas.ENVELOPE)
    return [replace(answer, data=row).load(schema) for row in rows]


def _only(answer: Answer, schema: Schema) -> Any:
    rows = answer.load(schemas.ENVELOPE)
    return replace(answer, data=rows[0] if rows else None).load(schema)


def _subscriber(answer: Answer, schema: Schema) -> Subscriber:
    subscriber: Subscriber = _only(answer, schema)
    return subscriber
