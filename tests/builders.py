"""Small builders: a test names only what it is about."""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.html_text import plain_text
from pipeline.sync.actions import Action
from pipeline.sync.aggregates import NoteText
from pipeline.sync.consent import Verdict
from pipeline.sync.contact import Contact, ListAction, Subscriber
from pipeline.sync.deeds import Deed, MakeTask
from pipeline.sync.diff import plan
from pipeline.sync.fields import CORE_ROWS, Row, laid_over
from pipeline.sync.history import HISTORIC
from pipeline.sync.mail_event import EventKind, MailEvent
from pipeline.sync.mapping import CORE, FieldMap, Layout, canonical
from pipeline.sync.ports import Carrying, Policy
from pipeline.sync.remembering import remember
from pipeline.sync.rules import Rule
from pipeline.sync.sides import Inheritance, Sides
from pipeline.sync.snapshot import Fingerprint, Snapshot
from pipeline.sync.writer import Writer
from tests.tiny_vendors import NOW_MS, TinyGhl, TinyMailjet

EMAIL = "ann@example.com"
CORE_FIELDS = {row.ghl: row.column for row in CORE_ROWS}
MAIN_LIST = 10
VIP_LIST, LEAD_LIST = 20, 30
TAG_LISTS = {"vip": VIP_LIST, "lead": LEAD_LIST}
KEY = b"k" * 32
CONTACT_FIELDS: dict[str, Any] = {"id": "gh1", "email": EMAIL, "email_valid": True}
ENVIRON = {
    "GHL_TOKEN": "pit-token",
    "GHL_LOCATION_ID": "loc1",
    "MAILJET_API_KEY": "api-key",
    "MAILJET_SECRET_KEY": "secret-key",
}

TABLE = """
[connections.{name}]
ghl_token_env = "GHL_TOKEN"
ghl_location_id = "{name}"
mailjet_api_key_env = "MAILJET_API_KEY"
mailjet_secret_key_env = "MAILJET_SECRET_KEY"
"""
"""Of `connections.toml`, for a location of the connection's name."""


def same(column: str, value: object) -> str:
    """A value in the form in which it is compared."""
    return canonical(column, value, CORE.datatypes.get(column, "str"))


def make_environ(**changes: str) -> dict[str, str]:
    return {**ENVIRON, **changes}


def make_contact(**fields: Any) -> Contact:
    """Somebody with a usable address; everything else is unknown."""
    return Contact(**{**CONTACT_FIELDS, **fields})


def make_layout(
    *rows: Row,
    tag_lists: Mapping[str, int] = TAG_LISTS,
    note_excerpt: bool = False,
) -> Layout:
    """The default mapping, and lists of tags; rows for a core column replace it."""
    tags = [Row(f"tag:{tag}", f"list:{list_id}") for tag, list_id in tag_lists.items()]
    return Layout(laid_over(CORE_ROWS, (*tags, *rows)), note_excerpt)


def make_field_map(
    *rows: Row,
    tag_lists: Mapping[str, int] = TAG_LISTS,
    note_excerpt: bool = False,
    **fields: Any,
) -> FieldMap:
    layout = make_layout(*rows, tag_lists=tag_lists, note_excerpt=note_excerpt)
    return FieldMap(**{"location_id": "loc1", "layout": layout, **fields})


def make_policy(**fields: Any) -> Policy:
    field_map = fields.get("field_map") or make_field_map()
    defaults = {
        "list_id": MAIN_LIST,
        "field_map": field_map,
        "fingerprint": Fingerprint(KEY, field_map.layout.datatypes),
        "carrying": make_carrying(),
    }
    return Policy(**{**defaults, **fields})


def make_event(**fields: Any) -> MailEvent:
    """A click of a campaign's mail."""
    defaults = {
        "kind": EventKind.CLICK,
        "at_ms": NOW_MS,
        "message_id": 1,
        "campaign_id": 7,
        "campaign": "Spring",
        "url": "https://example.com/pricing",
    }
    return MailEvent(**{**defaults, **fields})


def make_rule(*deeds: Deed, **fields: Any) -> Rule:
    """A task for each click."""
    defaults = {"name": "calls", "on": frozenset({EventKind.CLICK})}
    return Rule(**{**defaults, "do": deeds or (MakeTask("{url}"),), **fields})


def make_carrying(**fields: Any) -> Carrying:
    """On an account with everything; note bodies stay in GHL."""
    defaults = {
        "now_ms": NOW_MS,
        "zone": ZoneInfo("Europe/Lisbon"),
        "note_text": NoteText(plain_text, 500),
        "historic": frozenset(HISTORIC),
    }
    return Carrying(**{**defaults, **fields})


def make_snapshot(**fields: Any) -> Snapshot:
    """Remembered under the core mapping, with nothing known of either side."""
    columns = make_field_map().columns
    blank = (0,) * len(columns)
    defaults = {
        "digest": make_field_map().digest,
        "ghl": blank,
        "mailjet": blank,
        "mailjet_id": 1,
    }
    return Snapshot(**{**defaults, **fields})


def make_sides(contact: Contact | None = None, **fields: Any) -> Sides:
    """Bulk work on somebody of whom nothing is remembered."""
    verdict = fields.get("verdict", Verdict.SUBSCRIBED)
    wanted = make_field_map().desired(contact or make_contact(), verdict)
    defaults = {
        "wanted": wanted,
        "verdict": verdict,
        "base": None,
        "subscriber": None,
        "seen": None,
        "list_id": MAIN_LIST,
        "writes_properties": True,
        "exclude": False,
    }
    return Sides(**{**defaults, **fields})


def make_plan(sides: Sides) -> tuple[Action, ...]:
    policy = make_policy()
    return plan(sides, policy.field_map, policy.fingerprint)


def make_inheritance(**fields: Any) -> Inheritance:
    defaults = {
        "mailjet_id": 99,
        "lists": (MAIN_LIST,),
        "properties": {},
        "opted_out": False,
        "excluded": False,
        "leaves": {MAIN_LIST: ListAction.REMOVE},
        "was": Subscriber(99),
    }
    return Inheritance(**{**defaults, **fields})


def carry_out(
    mailjet: TinyMailjet,
    contact: Contact,
    base: Snapshot | None = None,
    *,
    subscriber: Subscriber | None = None,
    ghl: TinyGhl | None = None,
    **fields: Any,
) -> tuple[tuple[Action, ...], Snapshot]:
    """Plan, write, remember: one sync after its reading."""
    policy = make_policy()
    sides = make_sides(contact, base=base, subscriber=subscriber, **fields)
    actions = plan(sides, policy.field_map, policy.fingerprint)
    read = subscriber.contact_id if subscriber else 0
    known = read or (base.mailjet_id if base else 0)
    writer = Writer(ghl or TinyGhl(), mailjet, policy, contact.id, EMAIL)
    facts = writer.run(actions, known)
    address = policy.fingerprint.address(EMAIL)
    return actions, remember(contact, address, sides, facts, policy)


def told(
    values: Mapping[str, str], tags: Sequence[str] | None = None, **fields: Any
) -> Contact:
    """A contact of whom GHL told these values and tags."""
    known = None if tags is None else tuple(tags)
    return make_contact(values=dict(values), tags=known, **fields)
