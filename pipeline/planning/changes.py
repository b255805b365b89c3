"""What a write changes from what to what, told from the pictures before it is made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from pipeline.planning.pictured_ghl import PicturedGhl
from pipeline.planning.pictured_mailjet import Person, PicturedMailjet
from pipeline.planning.watched import Call
from pipeline.planning.writes import Change, Effect, Kind, Write
from pipeline.sync import ghl_dnd
from pipeline.sync.contact import ListAction

KINDS: Mapping[tuple[str, str], Kind] = {
    ("ghl", "update_contact"): Kind.FIELDS,
    ("ghl", "add_tags"): Kind.TAGS,
    ("ghl", "remove_tags"): Kind.TAGS_GONE,
    ("ghl", "create_note"): Kind.NOTE,
    ("ghl", "update_note"): Kind.NOTE,
    ("ghl", "create_task"): Kind.TASK,
    ("ghl", "create_contact"): Kind.NEW_CONTACT,
    ("ghl", "delete_contact"): Kind.DELETION,
    ("mailjet", "manage_contact"): Kind.SUBSCRIBER,
    ("mailjet", "manage_lists"): Kind.LISTS,
    ("mailjet", "update_contact_data"): Kind.SUBSCRIBER,
    ("mailjet", "update_contact"): Kind.SUBSCRIBER,
    ("mailjet", "create_history"): Kind.HISTORY,
    ("mailjet", "delete_contact"): Kind.ERASURE,
}


@dataclass(frozen=True)
class Describer:
    """Tells of writes; asked before they change the pictures.

    Args:
        custom_fields: id to the key by which a mapping names it.
    """

    ghl: PicturedGhl
    mailjet: PicturedMailjet
    custom_fields: Mapping[str, str] = field(default_factory=dict)

    def describe(self, call: Call, digest: bytes) -> Write:
        """The write with its kind, effects and changes."""
        kind = KINDS[call.vendor, call.method]
        if call.vendor == "ghl":
            return self._of_ghl(call, kind, digest)
        return self._of_mailjet(call, kind, digest)

    def _of_mailjet(self, call: Call, kind: Kind, digest: bytes) -> Write:
        facts, person = call.facts, self._person(call.whom)
        changes: list[Change] = []
        effects: list[Effect] = []
        if call.method == "manage_contact":
            kind = kind if person else Kind.NEW_SUBSCRIBER
            changes += [] if person else [Change("subscriber", None, call.whom)]
            wanted = {cast("int", facts["list_id"]): ListAction(str(facts["action"]))}
            _add(self._lists(person, wanted), changes, effects)
        if call.method == "manage_lists":
            lists = cast("Mapping[int, ListAction]", facts["lists"])
            _add(self._lists(person, lists), changes, effects)
        if (excluded := facts.get("excluded")) is not None:
            kind = Kind.EXCLUSION
            before = bool(person and person.excluded)
            changes.append(Change("excluded from campaigns", before, excluded))
            if before != excluded:
                effects.append(Effect.EXCLUDED if excluded else Effect.INCLUDED)
        if (name := facts.get("name")) is not None and kind is not Kind.HISTORY:
            changes.append(Change("name", person.name if person else None, name))
        changes += self._properties(person, facts.get("properties"))
        if kind is Kind.HISTORY:
            changes.append(Change(f"history {facts['name']}", None, facts["data"]))
        if kind is Kind.ERASURE:
            changes.append(Change("subscriber", person.email if person else None))
        return Write(
            call.vendor, call.route, kind, digest, tuple(effects), tuple(changes)
        )

    def _person(self, whom: str | int) -> Person | None:
        if isinstance(whom, str):
            return self.mailjet.with_email(whom)
        return self.mailjet.person(whom)

    def _lists(
        self, person: Person | None, wanted: Mapping[int, ListAction]
    ) -> Iterable[tuple[Change, Effect | None]]:
        known = dict(self.mailjet.contact_lists(person.id)) if person else {}
        for list_id, action in wanted.items():
            before = known.get(list_id)
            after, effect = _place(before, action)
            if after is not before:
                words = (_word(before), _word(after))
                yield Change(f"list {list_id}", *words), effect

    def _properties(self, person: Person | None, given: object) -> Iterable[Change]:
        properties = cast("Mapping[str, object]", given or {})
        held = self.mailjet.contact_data(person.id) if person and properties else {}
        for name, after in properties.items():
            before = held.get(name)
            if str(before or "") != str(after or "") or before != after:
                yield Change(f"property {name}", before, after)

    def _of_ghl(self, call: Call, kind: Kind, digest: bytes) -> Write:
        facts, whom = call.facts, str(call.whom)
        changes: list[Change] = []
        effects: tuple[Effect, ...] = ()
        match call.method:
            case "update_contact" | "create_contact":
                values = cast("Mapping[str, object]", facts["values"])
                changes += self._fields(whom, values)
                if "dndSettings" in values:
                    kind = Kind.DND
                    settings = cast("Mapping[str, object]", values["dndSettings"])
                    change, effects = self._dnd(whom, settings)
                    changes.append(change)
            case "add_tags":
                tags = cast("Sequence[str]", facts["tags"])
                changes += [Change("tag", None, tag) for tag in tags]
            case "remove_tags":
                tags = cast("Sequence[str]", facts["tags"])
                changes += [Change("tag", tag, None) for tag in tags]
            case "create_note":
                changes.append(Change("note", None, facts["body"]))
            case "update_note":
                changes.append(Change("note", self._note(whom, facts), facts["body"]))
            case "create_task":
                changes.append(Change("task", None, facts["title"]))
            case "delete_contact":
                changes.append(Change("contact", whom, None))
        return Write(call.vendor, call.route, kind, digest, effects, tuple(changes))

    def _fields(self, whom: str, values: Mapping[str, object]) -> Iterable[Change]:
        known = self.ghl.known(whom)
        before: dict[str, object] = dict(known.values) if known else {}
        own = dict(known.custom_fields or {}) if known else {}
        for name, after in values.items():
            if name == "customFields":
                for row in cast("Sequence[Mapping[str, object]]", after):
                    field_id = str(row["id"])
                    was, value = own.get(field_id), row.get("field_value")
                    name = self.custom_fields.get(field_id, field_id)
                    yield Change(f"field {name}", was, value)
            elif name != "dndSettings":
                was = known.email if known and name == "email" else before.get(name)
                yield Change(f"field {name}", was, after)

    def _dnd(
        self, whom: str, settings: Mapping[str, object]
    ) -> tuple[Change, tuple[Effect, ...]]:
        known = self.ghl.known(whom)
        held = (known.dnd_settings if known else None) or {}
        before, after = _email(held), _email(settings)
        if _is_on(before) == _is_on(after):
            effects: tuple[Effect, ...] = ()
        else:
            effects = (Effect.BLOCKED if _is_on(after) else Effect.UNBLOCKED,)
        return Change("e-mail DND", before, after), effects

    def _note(self, whom: str, facts: Mapping[str, object]) -> str | None:
        notes = self.ghl.list_notes(whom).items
        return next((note.body for note in notes if note.id == facts["id"]), None)


def _add(
    found: Iterable[tuple[Change, Effect | None]],
    changes: list[Change],
    effects: list[Effect],
) -> None:
    for change, effect in found:
        changes.append(change)
        if effect is not None and effect not in effects:
            effects.append(effect)


def _place(
    before: bool | None, action: ListAction
) -> tuple[bool | None, Effect | None]:
    """Whether the person is unsubscribed of the list then, None not on it; and what
    that does."""
    match action:
        case ListAction.ADD if before is None:
            return False, Effect.SUBSCRIBED
        case ListAction.ADD:
            return before, None
        case ListAction.ADD_AGAIN:
            return False, Effect.RESUBSCRIBED if before else Effect.SUBSCRIBED
        case ListAction.UNSUBSCRIBE:
            if before is None:
                return True, Effect.ENTERED_CLOSED
            return True, None if before else Effect.UNSUBSCRIBED
        case ListAction.REMOVE:
            return None, None


def _word(place: bool | None) -> str:
    return {None: "not on it", True: "unsubscribed", False: "subscribed"}[place]


def _email(settings: Mapping[str, object]) -> str:
    """The e-mail channel, `active: why`; "" where there is none."""
    for channel in ghl_dnd.email_channels(settings).values():
        held = channel if isinstance(channel, Mapping) else {"status": channel}
        words = (str(held.get(key) or "") for key in ("status", "message"))
        return ": ".join(filter(None, words))
    return ""


def _is_on(channel: str) -> bool:
    word = channel.partition(":")[0].lower()
    return bool(word) and word not in ghl_dnd.OPEN_STATUSES
