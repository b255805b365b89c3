"""What an expression may speak of: variables, by trigger, and how much of each."""

from collections.abc import Collection, Iterable, Mapping

from cel_expr_python import cel

TEXT, NUMBER, FLAG, TIME = (
    cel.Type.STRING,
    cel.Type.INT,
    cel.Type.BOOL,
    cel.Type.TIMESTAMP,
)
TEXTS = cel.Type.List(TEXT)
TABLE = cel.Type.Map(TEXT, TEXT)

CONTACT_TEXTS = (
    *("firstName", "lastName", "name", "phone", "companyName", "address1", "city"),
    *("state", "country", "postalCode", "timezone", "website", "source", "type"),
    *("assignedTo", "dateOfBirth", "businessId"),
)
"""GHL's own names of text fields; each is a variable `contact.NAME`."""
ALWAYS: Mapping[str, cel.Type] = {
    "contact.id": TEXT,
    "contact.email": TEXT,
    "contact.tags": TEXTS,
    "contact.dnd": FLAG,
    "contact.custom": TABLE,
    "contact.dateAdded": TIME,
    "contact.dateUpdated": TIME,
    **{f"contact.{name}": TEXT for name in CONTACT_TEXTS},
    "now": TIME,
}
"""Variables of every trigger."""
OF_MAIL: Mapping[str, cel.Type] = {
    "event.kind": TEXT,
    "event.url": TEXT,
    "event.campaign": TEXT,
    "event.campaign_id": NUMBER,
    "event.at": TIME,
}
OF_MAILS = ("sent", "open", "click", "bounce", "blocked", "spam", "unsub")
VARIABLES: Mapping[str, Mapping[str, cel.Type]] = {
    "created": {},
    "updated": {"change.fields": TEXTS},
    "tagged": {"change.tag": TEXT},
    "task_due": {
        "task.title": TEXT,
        "task.due": TIME,
        "task.day": TEXT,
        "task.time": TEXT,
    },
    "appointment_soon": {
        "appointment.title": TEXT,
        "appointment.start": TIME,
        "appointment.day": TEXT,
        "appointment.time": TEXT,
        "appointment.status": TEXT,
    },
    **dict.fromkeys(OF_MAILS, OF_MAIL),
}
"""Trigger to the variables that it has beside `ALWAYS`."""
EVERY: Mapping[str, cel.Type] = {
    **ALWAYS,
    **{name: kind for more in VARIABLES.values() for name, kind in more.items()},
}

LONGEST_TEXT = 2_000
"""Characters of a text that an expression is told; of a longer one it knows nothing."""
MOST_ITEMS = 500
MOST_CHARACTERS = 50_000
"""Of a list or table in all, in the same way."""


def variables_of(triggers: Iterable[str]) -> frozenset[str]:
    """Names of the variables that each of the triggers has."""
    each = [frozenset(VARIABLES[trigger]) for trigger in triggers]
    return frozenset(ALWAYS) | frozenset.intersection(*each)


def told(fact: object) -> object:
    """As CEL takes it; None for what it is not told. Of a table, what is not too long.

    What an expression costs grows with what it looks at.
    """
    if isinstance(fact, str):
        return fact if _is_short(fact) else None
    if isinstance(fact, Mapping):
        texts = {key: text for key, text in fact.items() if _is_short(key, text)}
        return texts if _is_small([*texts, *texts.values()], 2 * MOST_ITEMS) else None
    if isinstance(fact, list | tuple):
        known = _is_short(*fact) and _is_small(fact, MOST_ITEMS)
        return list(fact) if known else None
    return fact


def _is_short(*texts: object) -> bool:
    return all(
        isinstance(text, str) and len(text) <= LONGEST_TEXT and is_sound(text)
        for text in texts
    )


def _is_small(texts: Collection[str], most: int) -> bool:
    return len(texts) <= most and sum(map(len, texts)) <= MOST_CHARACTERS


def is_sound(text: str) -> bool:
    """Whether it is text: JSON may hold half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
