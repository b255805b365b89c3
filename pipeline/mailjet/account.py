"""What an API key has beside contacts: properties, lists, places in lists, an owner."""

from pipeline.errors import NotFound, Reach
from pipeline.mailjet import schemas
from pipeline.mailjet.calls import Calls, only
from pipeline.mailjet.records import ContactsList, Property, RecipientPage, User
from pipeline.session import QueryValue


class AccountCalls(Calls):
    """The calls about the account itself."""

    def list_properties(self) -> tuple[Property, ...]:
        """Read which properties are defined, all of them.

        `GET /contactmetadata`, Mailjet guides (_contacts.md), read 2026-11.
        """
        return tuple(self.all_of("contactmetadata", schemas.PROPERTY))

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
        created: Property = only(answer, schemas.PROPERTY)
        return created

    def list_lists(self) -> tuple[ContactsList, ...]:
        """Read all contact lists, deleted ones included where Mailjet shows them.

        `GET /contactslist`, Mailjet guides (_contacts.md), read 2026-11.
        """
        return tuple(self.all_of("contactslist", schemas.CONTACTS_LIST))

    def get_list(self, list_id: int) -> ContactsList:
        """Read one list.

        `GET /contactslist/:listId`, Mailjet guides (_contacts.md), read 2026-11.

        Raises:
            NotFound: there is none, or it was deleted, which Mailjet goes on showing;
                for the whole connection.
        """
        answer = self.session.send(
            "GET", "/v3/REST/contactslist/:listId", path={"listId": list_id}
        )
        found: ContactsList = only(answer, schemas.CONTACTS_LIST)
        if found.deleted:
            reach = Reach.CONNECTION
            detail = f"list {list_id} was deleted"
            raise NotFound("mailjet", answer.route, answer.status, detail, reach=reach)
        return found

    def create_list(self, name: str) -> ContactsList:
        """Create a list; its name must be unique.

        `POST /contactslist`, Mailjet guides (_contacts.md), read 2026-11.
        """
        answer = self.session.send("POST", "/v3/REST/contactslist", json={"Name": name})
        created: ContactsList = only(answer, schemas.CONTACTS_LIST)
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
        found, following, bad = self.page(
            "listrecipient", offset, schemas.RECIPIENT, query
        )
        return RecipientPage(tuple(found), following, bad)

    def get_user(self) -> User:
        """Read who owns the key: the cheapest proof that it works.

        `GET /user`, Mailjet's OpenAPI (mailjet-mcp-server), read 2026-11.
        """
        answer = self.session.send("GET", "/v3/REST/user")
        user: User = only(answer, schemas.USER)
        return user
