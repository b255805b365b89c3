"""GHL's API v2 (`Version: 2021-07-28`), as far as the sync needs it.

Each method builds one request, sends it and loads the answer; every one may raise what
`ApiSession.send` raises, and BadPayload. Any 2xx is success: GHL answers 200 or 201
where its documentation says the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pipeline.answer import Answer, outgoing
from pipeline.errors import BadPayload, Reach
from pipeline.ghl import schemas
from pipeline.ghl.appointments import AppointmentCalls
from pipeline.ghl.location import LIST_LIMIT, LocationCalls
from pipeline.ghl.notes import NoteCalls
from pipeline.ghl.records import (
    ContactPage,
    ListCursor,
)
from pipeline.ghl.tasks import TaskCalls
from pipeline.session import QueryValue
from pipeline.sync.contact import Contact

HEADERS = {"Version": "2021-07-28"}
SEARCH_LIMIT = 500
BUSINESS_DEFAULT_LIMIT = 25
NEWEST_FIRST = (("dateAdded", "desc"),)

Cursor = TypeVar("Cursor")


class GhlClient(LocationCalls, TaskCalls, NoteCalls, AppointmentCalls):
    """All calls to one location."""

    def list_contacts(self, cursor: ListCursor | None) -> ContactPage[ListCursor]:
        """Read one page of up to 100 contacts, newest first; rows are thin.

        `GET /contacts/`, GHL OpenAPI contacts.json, read 2026-11 (deprecated there).

        Args:
            cursor: the `next` of the page before; None starts.

        Raises:
            BadPayload: with the reach of a call; also when GHL repeats the cursor.
        """
        query: dict[str, QueryValue] = {
            "locationId": self.location_id,
            "limit": LIST_LIMIT,
        }
        if cursor is not None:
            query["startAfter"] = cursor.start_after
            query["startAfterId"] = cursor.start_after_id
        answer = self.session.send("GET", "/contacts/", query=query)
        page = answer.load(schemas.CONTACT_LIST, reach=Reach.CALL)
        rows, meta = page["contacts"], page["meta"] or {}
        contacts, bad_rows = schemas.load_rows(schemas.LIST_ROW, rows)
        # A short page ends the listing, unless GHL says that there is more: a server
        # may cap a page below what was asked for.
        following = None
        if rows and (len(rows) >= LIST_LIMIT or meta.get("next_page")):
            # `nextPageUrl` names another host in GHL's own example and led n8n into a
            # 403 (n8n-io/n8n#11353): the query is built anew.
            following = meta.get("cursor") or _cursor_after(contacts)
            following = _going_on(answer, rows, cursor, following)
        return ContactPage(contacts, following, meta.get("total"), bad_rows)

    def business_contacts(self, business_id: str, skip: int) -> ContactPage[int]:
        """Read one page of up to 100 contacts of a company; rows are thin.

        `GET /contacts/business/:businessId`, GHL OpenAPI contacts.json, read 2026-11.

        Args:
            skip: how many contacts to leave out; the `next` of the page before.

        Raises:
            BadPayload: with the reach of a call.
        """
        answer = self.session.send(
            "GET",
            "/contacts/business/:businessId",
            path={"businessId": business_id},
            query={"locationId": self.location_id, "limit": LIST_LIMIT, "skip": skip},
        )
        page = answer.load(schemas.CONTACT_LIST, reach=Reach.CALL)
        rows, count = page["contacts"], page["count"]
        contacts, bad_rows = schemas.load_rows(schemas.LIST_ROW, rows)
        # `count` is the page's in v2's words and the total in v3's; it is a total for
        # certain when it is larger than the page. v2 may also serve 25 for 100.
        total = count if count is not None and count > len(rows) else None
        seen = skip + len(rows)
        ended = len(rows) < BUSINESS_DEFAULT_LIMIT if total is None else seen >= total
        following = None if ended or not rows else seen
        return ContactPage(contacts, following, total, bad_rows)

    def search_contacts(
        self,
        *,
        filters: Sequence[Mapping[str, Any]] = (),
        sort: Sequence[tuple[str, str]] = NEWEST_FIRST,
        search_after: Sequence[Any] | None = None,
        page_limit: int = SEARCH_LIMIT,
    ) -> ContactPage[list[Any]]:
        """Read one page of whole rows; what it shows lags writes by seconds.

        `POST /contacts/search`, HighLevel's "Contacts Search" page, read 2026-11.

        Args:
            filters: such as `{"field": "dnd", "operator": "eq", "value": True}`, all
                of which hold; values of at most 75 characters.
            sort: up to two pairs of field and `asc` or `desc`; the same on each page.
            search_after: the `next` of the page before, opaque; None starts.
            page_limit: rows, at most 500.

        Raises:
            BadPayload: with the reach of a call; also when GHL repeats the cursor.
        """
        body: dict[str, Any] = {
            "locationId": self.location_id,
            "pageLimit": page_limit,
            "filters": list(filters),
            "sort": [{"field": name, "direction": way} for name, way in sort],
        }
        if search_after is not None:
            body["searchAfter"] = list(search_after)
        answer = self.session.send("POST", "/contacts/search", json=body, writes=False)
        page = answer.load(schemas.CONTACT_SEARCH, reach=Reach.CALL)
        rows, total = page["contacts"], page["total"]
        contacts, bad_rows = schemas.load_rows(schemas.SEARCH_ROW, rows)
        # A page may be capped below what was asked for (older documentation allows
        # 100), so a short one ends the search only if it is all there is.
        following = None
        if rows and (len(rows) >= page_limit or (total or 0) > len(rows)):
            following = _search_after(rows[-1])
            following = _going_on(answer, rows, body.get("searchAfter"), following)
        return ContactPage(contacts, following, total, bad_rows)

    def get_contact(self, contact_id: str) -> Contact:
        """Read one contact in full.

        `GET /contacts/:contactId`, GHL OpenAPI contacts.json, read 2026-11.

        Raises:
            NotFound: it does not exist, or not any more.
        """
        answer = self.session.send(
            "GET", "/contacts/:contactId", path={"contactId": contact_id}
        )
        return _contact(answer.load(schemas.ONE_CONTACT))

    def contacts_with_email(self, email: str) -> tuple[str, ...]:
        """Ids of contacts with this address, as search shows them: seconds late.

        Args:
            email: trimmed and lower-cased.

        Raises:
            as `search_contacts`.
        """
        where = {"field": "email", "operator": "eq", "value": email}
        page = self.search_contacts(filters=(where,), page_limit=100)
        return tuple(contact.id for contact in page.contacts)

    def create_contact(self, values: Mapping[str, object]) -> Contact:
        """Create a contact; GHL has no idempotency key.

        `POST /contacts/`, GHL OpenAPI contacts.json, read 2026-11.

        Args:
            values: GHL's field names; `locationId` is added.

        Raises:
            Rejected: `duplicate_of` names the contact that has the address or phone.
            Ambiguous: it may exist now; look for it before trying again.
        """
        body = outgoing(
            "ghl",
            "POST /contacts/",
            schemas.CREATE_CONTACT,
            {**values, "locationId": self.location_id},
        )
        answer = self.session.send("POST", "/contacts/", json=body)
        return _contact(answer.load(schemas.ONE_CONTACT))

    def update_contact(
        self, contact_id: str, values: Mapping[str, object]
    ) -> Contact | None:
        """Change the fields named and leave the others; tags have their own calls.

        `PUT /contacts/:contactId`, GHL OpenAPI contacts.json, read 2026-11. Whether a
        partial `dndSettings` merges is documented nowhere: send it whole.

        Returns:
            The contact as GHL has it now, None where the answer does not repeat it.
        """
        route = "/contacts/:contactId"
        body = outgoing("ghl", f"PUT {route}", schemas.UPDATE_CONTACT, values)
        answer = self.session.send(
            "PUT", route, path={"contactId": contact_id}, json=body
        )
        updated: Contact | None = answer.load(schemas.UPDATED_CONTACT)["contact"]
        return updated

    def delete_contact(self, contact_id: str) -> int:
        """Delete a contact.

        `DELETE /contacts/:contactId`, GHL OpenAPI contacts.json, read 2026-11.

        Returns:
            The HTTP status, for whoever has to prove it.

        Raises:
            NotFound: it is gone already.
        """
        answer = self.session.send(
            "DELETE", "/contacts/:contactId", path={"contactId": contact_id}
        )
        answer.load(schemas.DONE)
        return answer.status

    def add_tags(self, contact_id: str, tags: Iterable[str]) -> tuple[str, ...]:
        """Add tags and leave the others.

        `POST /contacts/:contactId/tags`, GHL OpenAPI contacts.json, read 2026-11.

        Returns:
            The tags that GHL names, lower-cased; v2 leaves open whether that is all.
        """
        return self._change_tags("POST", contact_id, tags)

    def remove_tags(self, contact_id: str, tags: Iterable[str]) -> tuple[str, ...]:
        """Remove tags and leave the others.

        `DELETE /contacts/:contactId/tags`, GHL OpenAPI contacts.json, read 2026-11;
        the one DELETE with a body.
        """
        return self._change_tags("DELETE", contact_id, tags)

    def _change_tags(
        self, method: str, contact_id: str, tags: Iterable[str]
    ) -> tuple[str, ...]:
        answer = self.session.send(
            method,
            "/contacts/:contactId/tags",
            path={"contactId": contact_id},
            json={"tags": list(tags)},
        )
        named: tuple[str, ...] = answer.load(schemas.TAG_LIST)["tags"]
        return named


def _contact(loaded: Mapping[str, Any]) -> Contact:
    contact: Contact = loaded["contact"]
    return contact


def _cursor_after(contacts: Sequence[Contact]) -> ListCursor | None:
    """The cursor that GHL did not send: the last row that can be read has both."""
    if not contacts or contacts[-1].date_added_ms is None:
        return None
    return ListCursor(contacts[-1].date_added_ms, contacts[-1].id)


def _search_after(row: object) -> list[Any] | None:
    cursor = row.get("searchAfter") if isinstance(row, dict) else None
    return cursor if isinstance(cursor, list) and cursor else None


def _going_on(
    answer: Answer, rows: Sequence[object], sent: object, following: Cursor | None
) -> Cursor | None:
    """The cursor to go on with; None when nothing is left but the row that it names.

    Raises:
        BadPayload: the listing cannot continue, or would read one page for ever.
    """
    if following is None:
        detail = "there is more, but no cursor to read it with"
    elif following != sent:
        return following
    elif len(rows) == 1:
        # A server that begins with the cursor's own row ends with it alone.
        return None
    else:
        detail = "the cursor repeats itself"
    raise BadPayload(
        answer.vendor, answer.route, answer.status, detail, reach=Reach.CALL
    )
