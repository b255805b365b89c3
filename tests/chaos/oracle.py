"""What Mailjet must hold, worked out from GHL's raw contacts and nothing of ours.

The names of fields and properties are those of the README's table, typed here again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.sandbox import Row
from tests.system.installation import Installation, address_of, is_address

CARRIED = {
    "firstname": "firstName",
    "lastname": "lastName",
    "phone": "phone",
    "company": "companyName",
    "city": "city",
    "state": "state",
    "country": "country",
    "postal_code": "postalCode",
    "timezone": "timezone",
    "source": "source",
    "ghl_assigned_to": "assignedTo",
    "ghl_contact_id": "id",
    "ghl_location_id": "locationId",
}
NO = frozenset({"active", "permanent"})


@dataclass(frozen=True)
class Start:
    """Mailjet before the first sync, by address.

    Args:
        unsubscribed: whoever unsubscribed in Mailjet since then.
    """

    subscribers: Mapping[str, Row]
    unsubscribed: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, running: Installation) -> "Start":
        rows = running.sandbox.subscribers()
        return cls({row["email"].lower(): row for row in rows})

    def said_no(self) -> set[str]:
        """Whoever unsubscribed or was excluded in Mailjet."""
        return self.unsubscribed | {
            email
            for email, row in self.subscribers.items()
            if row["excluded"] or any(p["unsubscribed"] for p in row["lists"].values())
        }


def says_no(contact: Row) -> bool:
    """Whether GHL's contact wants no e-mail."""
    channel = contact.get("dndSettings", {}).get("Email", {})
    return bool(contact.get("dnd")) or channel.get("status") in NO


def by_address(contacts: Iterable[Row]) -> dict[str, list[Row]]:
    """Those who can be mailed, the oldest of each address first."""
    found: dict[str, list[Row]] = {}
    for contact in sorted(contacts, key=lambda c: (c["dateAdded"], c["id"])):
        if is_address(email := address_of(contact)):
            found.setdefault(email, []).append(contact)
    return found


def problems(
    running: Installation, start: Start, left: Iterable[str] = ()
) -> list[str]:
    """Everything that is not as GHL wants it, one line each; empty when all is well.

    Args:
        left: addresses that contacts had once; they may be in Mailjet, unmailed.
    """
    groups = by_address(running.sandbox.contacts())
    there: dict[str, list[Row]] = {}
    for row in running.sandbox.subscribers():
        there.setdefault(row["email"].lower(), []).append(row)
    found = [
        f"{contacts[0]['id']}: {problem}"
        for email, contacts in groups.items()
        for problem in _of_address(
            contacts, there.get(email, []), start, running.list_id
        )
    ]
    former = set(left) - groups.keys()
    strangers = there.keys() - groups.keys() - former - start.subscribers.keys()
    found += [f"subscriber {there[s][0]['id']} comes from nowhere" for s in strangers]
    mailed = running.mailed()
    found += [f"{len(former & mailed)} left addresses are mailed"] * bool(
        former & mailed
    )
    return found


def _of_address(
    contacts: list[Row], rows: list[Row], start: Start, list_id: str
) -> Iterator[str]:
    if len(rows) != 1:
        yield f"{len(rows)} times in Mailjet"
        return
    (row,), email = rows, address_of(contacts[0])
    no_in_ghl = any(map(says_no, contacts))
    no = no_in_ghl or email in start.said_no()
    if row["lists"].get(list_id) != {"unsubscribed": no}:
        yield f"list state {row['lists'].get(list_id)}, opted out: {no}"
    if no_in_ghl and not row["excluded"]:
        yield "opted out in GHL and not excluded"
    if not no and row["excluded"]:
        yield "excluded for no reason"
    was = start.subscribers.get(email, {"properties": {}, "name": ""})
    held = {**row["properties"], "(name)": row["name"]}
    before = {**was["properties"], "(name)": was["name"]}
    # An empty field wipes nothing: what was there, or a younger contact said, stays.
    allowed = [before, *map(wanted, contacts[1:])]
    for name, value in {**wanted(contacts[0]), "ghl_email_status": status(no)}.items():
        if not (
            same(name, held.get(name), value)
            if value
            else any(same(name, held.get(name), other.get(name)) for other in allowed)
        ):
            yield f"{name} is not what GHL says"


def wanted(contact: Row) -> dict[str, str]:
    """Properties as GHL wants them; "" where it says nothing."""
    first, last = contact.get("firstName") or "", contact.get("lastName") or ""
    # Our own marks of a no in Mailjet stay in GHL.
    tags = [tag for tag in contact["tags"] if not tag.startswith("mailjet-")]
    return {
        **{name: str(contact.get(field) or "") for name, field in CARRIED.items()},
        "ghl_tags": f"|{'|'.join(tags)}|" if tags else "|",
        "(name)": f"{first} {last}".strip(),
    }


def status(no: bool) -> str:
    return "opted_out" if no else "subscribed"


def same(name: str, held: object, value: object) -> bool:
    """Equal, where nothing is as good as empty and tags come in any order."""
    if name == "ghl_tags":
        tags, others = (set(str(text or "").split("|")) for text in (held, value))
        return tags - {""} == others - {""}
    return str(held or "") == str(value or "")
