"""What GHL posts: the events of a Marketplace app, and those of a workflow.

Bodies: GHL, docs/webhook events, read 2026-11. Of a contact they hold little that could
be built on (no `dateUpdated`, no `dndSettings` but in one event), so an event only says
which contact to look at, how urgently, and at what. Nothing that is posted makes this
raise.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.errors import ScopeMissing
from pipeline.ghl.activity_schemas import Time, Words
from pipeline.ghl.client import GhlClient
from pipeline.ghl.signature import WebhookKeys, verify
from pipeline.permit import Lane
from pipeline.sync.around import Kind
from pipeline.sync.contact import Contact
from pipeline.sync.ghl_dnd import ghl_opt_out, is_ours

__all__ = [
    "EVENTS",
    "GhlEvent",
    "WebhookKeys",
    "find_task",
    "parse",
    "parse_workflow",
    "verify",
]


@dataclass(frozen=True)
class EventType:
    """What an event of this type is about.

    Args:
        kinds: letters of `Kind`: which of the contact's activities to read.
        contact, item: where in the body the ids stand; an event whose contact is not
            told can be resolved only by its item.
    """

    lane: Lane
    kinds: str = ""
    contact: str = "id"
    item: str = ""


_CONTACT = EventType(Lane.LIVE)
_NOTE = EventType(Lane.LIVE, Kind.NOTES, "contactId", "id")
_TASK = EventType(Lane.LIVE, Kind.TASKS, "contactId", "id")
_APPOINTMENT = EventType(
    Lane.LIVE, Kind.APPOINTMENTS, "appointment.contactId", "appointment.id"
)
DND = "ContactDndUpdate"
EVENTS: Mapping[str, EventType] = {
    "ContactCreate": _CONTACT,
    "ContactUpdate": _CONTACT,
    "ContactDelete": _CONTACT,
    "ContactTagUpdate": _CONTACT,
    DND: EventType(Lane.CONSENT),
    "NoteCreate": _NOTE,
    "NoteUpdate": _NOTE,
    "NoteDelete": _NOTE,
    "TaskCreate": _TASK,
    "TaskComplete": _TASK,
    "TaskDelete": _TASK,
    # GHL's own examples of the latter two say AppointmentCreate: no difference is made.
    "AppointmentCreate": _APPOINTMENT,
    "AppointmentUpdate": _APPOINTMENT,
    "AppointmentDelete": _APPOINTMENT,
}
"""A new event is a row here. There is none for a changed task: sweeps find those."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_WORKFLOW_ID = re.compile(r"[A-Za-z0-9]{10,40}\Z")
WORKFLOW_PLACES = ("contact_id", "contactId", "customData.contact_id", "id")
SEARCH_PAGES = 3
LONGEST_QUERY = 75
"""GHL documents no bound for this search; that for contacts takes 75 characters."""


@dataclass(frozen=True)
class GhlEvent:
    """One webhook of GHL's.

    Args:
        contact_id: "" of a task whose webhook does not tell it.
        item_id: of the note, task or appointment; "" of a contact.
        at_ms: GHL's time, milliseconds since 1970 UTC; None where it tells none.
        webhook_id: the same whenever GHL sends this again; "" where it tells none.
        opted_out: of ContactDndUpdate: whether GHL says no to e-mail now; None where
            it cannot be told, or is what we wrote ourselves.
        title: of a task.
    """

    type: str
    location_id: str
    contact_id: str
    item_id: str = ""
    at_ms: int | None = None
    webhook_id: str = ""
    opted_out: bool | None = None
    title: str = field(default="", repr=False)

    @property
    def lane(self) -> Lane:
        return EVENTS[self.type].lane

    @property
    def kinds(self) -> str:
        return EVENTS[self.type].kinds


def parse(body: object) -> GhlEvent | None:
    """The event; None for one that is not ours to know, or names nothing to look at.

    GHL's events are flat, its sample receiver reads them from `data`: both are read.
    """
    if not isinstance(body, dict):
        return None
    inner = body.get("data")
    whole = {**body, **inner} if isinstance(inner, dict) else body
    kind = whole.get("type")
    known = EVENTS.get(kind) if isinstance(kind, str) else None
    if known is None:
        return None
    event = GhlEvent(
        type=str(kind),
        location_id=_id_at(whole, "locationId"),
        contact_id=_id_at(whole, known.contact),
        item_id=_id_at(whole, known.item),
        at_ms=Time().deserialize(whole.get("timestamp")),
        webhook_id=_id_at(whole, "webhookId"),
        opted_out=_opted_out(whole) if kind == DND else None,
        title=Words().deserialize(whole.get("title")) if known is _TASK else "",
    )
    can_be_found = event.contact_id or (known is _TASK and event.item_id)
    return event if event.location_id and can_be_found else None


def find_task(ghl: GhlClient, event: GhlEvent) -> str:
    """The contact of a task whose webhook does not tell it; "" when it is not found.

    TaskCreate really comes without (GoHighLevel/highlevel-api-docs#332, read 2026-11).
    A search sees a new task only after some seconds, and needs a scope of its own.
    """
    following = None
    for _ in range(SEARCH_PAGES):
        try:
            page = ghl.search_tasks(
                query=event.title[:LONGEST_QUERY], search_after=following
            )
        except ScopeMissing:
            return ""
        for task in (*page.tasks, *page.deleted):
            if task.id == event.item_id:
                return task.contact_id
        following = page.next
        if following is None:
            break
    return ""


def parse_workflow(body: object) -> str:
    """The contact id in what a workflow's "Custom Webhook" posts; "" without one.

    What it holds is up to whoever made the workflow; `customData` is where GHL puts
    what was added by hand.
    """
    found = (_text_at(body, place) for place in WORKFLOW_PLACES)
    return next((one for one in found if _WORKFLOW_ID.match(one)), "")


def _opted_out(body: Mapping[str, object]) -> bool | None:
    settings = body.get("dndSettings")
    channels = settings if isinstance(settings, dict) else None
    contact = Contact(
        id="",
        dnd=str(body.get("dnd")).lower() == "true" if _is_flag(body) else None,
        dnd_settings=None
        if channels is None
        else {name: _channel(channel) for name, channel in channels.items()},
    )
    if is_ours(contact) and not contact.dnd:
        # Our own DND comes back, and nobody has said anything.
        return None
    return ghl_opt_out(contact)


def _is_flag(body: Mapping[str, object]) -> bool:
    return isinstance(body.get("dnd"), bool | str)


def _channel(channel: object) -> Mapping[str, str]:
    """The texts of a channel; what stands for one and is no text is no yes either."""
    given = channel if isinstance(channel, dict) else {"status": channel}
    return {
        key: value if isinstance(value, str) else "unreadable"
        for key, value in given.items()
        if value and key in {"status", "message", "code"}
    }


def _id_at(body: object, place: str) -> str:
    text = _text_at(body, place)
    return text if _ID.match(text) else ""


def _text_at(body: object, place: str) -> str:
    """What stands at `a.b`; "" where nothing does, or no text."""
    for key in place.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body.strip() if isinstance(body, str) else ""
