"""Mailjet's properties that we write: which there are, which are missing."""

from collections.abc import Callable, Collection, Iterable

from pipeline.errors import ConfigError, ReadOnly, Rejected
from pipeline.mailjet.client import MailjetClient
from pipeline.mailjet.records import Property
from pipeline.sync.history import HISTORIC, NOTE_HISTORY, TASK_HISTORY
from pipeline.sync.mapping import FieldMap
from pipeline.sync.wishes import NOTE_FEED, TASK_FEED

Tell = Callable[[str], None]

HISTORIC_DATATYPE = "str"
WITHOUT = {
    TASK_HISTORY: "no history of tasks in Mailjet",
    NOTE_HISTORY: "no history of notes in Mailjet",
    TASK_FEED: "tasks written in Mailjet do not come to GHL",
    NOTE_FEED: "notes written in Mailjet do not come to GHL",
}
"""What is lost without each historic property."""
WHERE = "Contacts > Contact properties"


def missing_static(known: Iterable[Property], field_map: FieldMap) -> list[str]:
    """Names of static properties that have yet to be created.

    Raises:
        ConfigError: some exist with another datatype, or as historic ones.
    """
    existing = {one.name: one for one in known}
    wrong = []
    for name, datatype in field_map.properties.items():
        match existing.get(name):
            case Property(namespace="historic"):
                wrong.append(_in_the_way(name, "is historic, must be static"))
            case Property(datatype=other) if other != datatype:
                wrong.append(
                    _in_the_way(name, f"is of type {other}, must be {datatype}")
                )
    if wrong:
        raise ConfigError(wrong)
    return [name for name in field_map.properties if name not in existing]


def _in_the_way(name: str, why: str) -> str:
    return f"Mailjet property {name!r}: {why}; rename or delete it in Mailjet ({WHERE})"


def historic_in_place(known: Iterable[Property]) -> frozenset[str]:
    """Names of the historic properties that are there as we need them."""
    return frozenset(
        one.name
        for one in known
        if one.name in HISTORIC
        and (one.namespace, one.datatype) == ("historic", HISTORIC_DATATYPE)
    )


def lost_without(in_place: Collection[str]) -> str:
    """What is lost where only these historic properties are; "" where all are."""
    return ", ".join(WITHOUT[name] for name in HISTORIC if name not in in_place)


def make_static(mailjet: MailjetClient, field_map: FieldMap, tell: Tell) -> None:
    """Create the static properties that are missing.

    Raises:
        ConfigError: some exist with another datatype, or as historic ones.
        ReadOnly: something has to be created, and `SYNC_MODE=read-only`.
    """
    for name in missing_static(mailjet.list_properties(), field_map):
        mailjet.create_property(name, field_map.properties[name], "static")
        tell(f"Mailjet property {name}: created")
    tell(f"Mailjet properties: {len(field_map.properties)} in place")


def make_historic(mailjet: MailjetClient, tell: Tell) -> frozenset[str]:
    """Create the historic properties that are missing; the names of those in place.

    Not every account offers the namespace, which shows when it refuses the first, and
    a name may be taken by a property of the account's own. Neither is an error: what is
    lost is told, and everything else works without.
    """
    known = {one.name: one for one in mailjet.list_properties()}
    for name in HISTORIC:
        if name in known:
            continue
        try:
            known[name] = mailjet.create_property(name, HISTORIC_DATATYPE, "historic")
        except Rejected as error:
            tell(f"Mailjet refuses historic properties ({error.status})")
            break
        except ReadOnly:
            tell("Mailjet's historic properties are not made: SYNC_MODE=read-only")
            break
        tell(f"Mailjet historic property {name}: created")
    in_place = historic_in_place(known.values())
    for name in HISTORIC:
        if name in known and name not in in_place:
            own = f"{known[name].namespace} {known[name].datatype}"
            tell(f"Mailjet property {name!r} is the account's own ({own})")
    lost = lost_without(in_place)
    tell(f"Mailjet history: {lost or f'{len(in_place)} properties in place'}")
    return in_place
