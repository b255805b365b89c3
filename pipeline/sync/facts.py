"""What expressions can ask of a contact, by the names of their variables.

`pipeline.expressions` declares the same names with their types. What GHL did not tell
is not there, and an expression that asks for it cannot be told.
"""

from collections.abc import Mapping

from pipeline.sync.contact import Contact
from pipeline.sync.fields import CUSTOM, Custom
from pipeline.sync.transforms import text_of
from pipeline.sync.triggers import moment

CONTACT = "contact."
TEXTS = (
    *("name", "firstName", "lastName", "phone", "address1", "city", "state"),
    *("country", "postalCode", "website", "timezone", "companyName", "type"),
    *("source", "assignedTo", "dateOfBirth", "businessId"),
)
"""GHL's own names of text fields."""
NOW = "now"
CHANGED_FIELDS = "change.fields"
CUSTOM_FIELDS = "contact.custom"


def facts_of(
    contact: Contact, custom: Mapping[str, Custom], now_ms: int, *, is_whole: bool
) -> dict[str, object]:
    """Variables of a contact by name.

    Args:
        custom: custom fields by key, such as `contact.plan`.
        is_whole: the contact was read singly: what is not told is not set.
    """
    texts = dict.fromkeys(TEXTS, "") if is_whole else {}
    told = {**contact.values, "businessId": contact.business_id}
    texts |= {k: v for k in TEXTS if (v := told.get(k)) is not None}
    facts: dict[str, object] = {CONTACT + name: text for name, text in texts.items()}
    facts |= {"contact.id": contact.id, NOW: moment(now_ms)}
    if contact.email is not None or is_whole:
        facts["contact.email"] = contact.email or ""
    if contact.tags is not None or is_whole:
        facts["contact.tags"] = list(contact.tags or ())
    if contact.dnd is not None or is_whole:
        facts["contact.dnd"] = bool(contact.dnd)
    for name, at_ms in (
        ("contact.dateAdded", contact.date_added_ms),
        ("contact.dateUpdated", contact.date_updated_ms),
    ):
        if at_ms is not None:
            facts[name] = moment(at_ms)
    values = contact.custom_fields
    if values is not None or is_whole:
        facts[CUSTOM_FIELDS] = {
            key.removeprefix(CUSTOM): text_of((values or {}).get(one.id))
            for key, one in custom.items()
        }
    return facts
