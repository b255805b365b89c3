"""The four shapes in which GHL shows one contact; no two endpoints agree.

Source: `ContactsSearchSchema`, `GetContectByIdSchema` and `CreateContactSchema` of
HighLevel's OpenAPI file for contacts; Contacts Search API page; read 2026-11.
"""

from collections.abc import Sequence

from pipeline.sandbox.ghl.times import to_millis
from pipeline.sandbox.wire import Row

THIN_KEYS = (
    "id",
    "locationId",
    "email",
    "timezone",
    "country",
    "source",
    "dateAdded",
    "customFields",
    "tags",
    "businessId",
)
WHOLE_KEYS = (
    "id",
    "locationId",
    "firstName",
    "lastName",
    "email",
    "timezone",
    "companyName",
    "phone",
    "dnd",
    "dndSettings",
    "type",
    "source",
    "assignedTo",
    "address1",
    "city",
    "state",
    "country",
    "postalCode",
    "website",
    "tags",
    "dateOfBirth",
    "dateAdded",
    "dateUpdated",
    "customFields",
    "businessId",
    "additionalEmails",
)
FOUND_KEYS = (
    "id",
    "locationId",
    "firstName",
    "lastName",
    "email",
    "timezone",
    "companyName",
    "phone",
    "phoneLabel",
    "dnd",
    "dndSettings",
    "inboundDndSettings",
    "type",
    "source",
    "assignedTo",
    "city",
    "state",
    "country",
    "postalCode",
    "website",
    "tags",
    "dateAdded",
    "dateUpdated",
    "customFields",
    "businessId",
    "businessName",
    "additionalPhones",
    "followers",
    "attributionSource",
    "lastAttributionSource",
    "validEmail",
)


def full_name(row: Row) -> str:
    return f"{row.get('firstName') or ''} {row.get('lastName') or ''}".strip()


def thin(row: Row) -> Row:
    """A row of the contact lists: names in lower case, no phone, no DND, no update."""
    first, last = row.get("firstName") or "", row.get("lastName") or ""
    return {
        **{key: row.get(key) for key in THIN_KEYS},
        "contactName": full_name(row).lower(),
        "firstName": first.lower(),
        "lastName": last.lower(),
        "firstNameRaw": first,
        "lastNameRaw": last,
        "attributions": [],
        "followers": row.get("followers", []),
    }


def whole(row: Row) -> Row:
    """What GET contact shows; a field that was never set is absent."""
    first, last = row.get("firstName") or "", row.get("lastName") or ""
    shown = {key: row[key] for key in WHOLE_KEYS if key in row}
    shown["name"] = full_name(row)
    shown["firstNameLowerCase"] = first.lower()
    shown["lastNameLowerCase"] = last.lower()
    shown["fullNameLowerCase"] = full_name(row).lower()
    if row.get("email"):
        shown["emailLowerCase"] = row["email"].lower()
    return shown


def created(row: Row) -> Row:
    """What POST contact shows: no full name, and three flags that nobody else has."""
    shown = whole(row)
    del shown["name"]
    return {
        **shown,
        "deleted": False,
        "bounceEmail": False,
        "unsubscribeEmail": False,
    }


def found(row: Row, cursor: list[object], lacking: Sequence[str]) -> Row:
    """A row of the search: `address` for `address1`, the birthday in milliseconds,
    e-mail addresses as texts, and the cursor that continues after this row."""
    shown = {key: row.get(key) for key in FOUND_KEYS}
    first, last = row.get("firstName") or "", row.get("lastName") or ""
    birthday = row.get("dateOfBirth")
    shown |= {
        "address": row.get("address1"),
        "dateOfBirth": to_millis(birthday) if birthday else None,
        "contactName": full_name(row).lower(),
        "firstNameLowerCase": first.lower(),
        "lastNameLowerCase": last.lower(),
        "additionalEmails": [e["email"] for e in row.get("additionalEmails", ())],
        "searchAfter": cursor,
    }
    return {key: value for key, value in shown.items() if key not in lacking}
