"""What both vendors must hold after events, worked out from the events alone."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.sandbox import Row
from tests.system.installation import Installation

RULES = (
    *("tag-openers", "tag-clickers", "task-on-click"),
    *("task-on-pricing-click", "campaign-notes"),
)
SOFT_BOUNCES = 3
CAMPAIGNS = ("spring", "autumn")
PRICING = "https://lighthouse.example/pricing"
URLS = (PRICING, "https://lighthouse.example/offer")
BLOCKED = {
    "unsub": "mailjet-unsubscribed",
    "spam": "mailjet-complained",
    "bounce": "mailjet-bounced",
    "soft": "mailjet-bounced",
}
"""What our DND and our tag say."""
STATUS = {
    "unsub": "opted_out",
    "spam": "complained",
    "bounce": "bounced",
    "soft": "bounced",
    "dnd": "opted_out",
    "brief dnd": "opted_out",
}
BOUNCES = frozenset({"bounce", "soft"})
EXCLUDED = BOUNCES | {"dnd", "brief dnd"}
"""Who unsubscribed from a list of Mailjet's is no further excluded by us."""


@dataclass
class Fate:
    """Somebody, and what happens to them.

    Args:
        contact: GHL's row before anything happened.
        subscriber: Mailjet's.
        read: by campaign, what was clicked in each mail that was read; "" if nothing.
    """

    contact: Row
    subscriber: Row
    role: str
    soft_bounces: int
    read: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def clicked(self) -> set[str]:
        return {url for urls in self.read.values() for url in urls if url}

    @property
    def tags(self) -> set[str]:
        """All that the contact has in the end."""
        found = set(self.contact["tags"])
        if self.role in BLOCKED:
            found.add(BLOCKED[self.role])
        if any("" in urls for urls in self.read.values()):
            found.add("mailjet-opened")
        if self.clicked:
            found.add("mailjet-clicked")
        return found

    @property
    def tasks(self) -> dict[str, int]:
        """How many of each rule."""
        wanted = {"task-on-click": bool(self.clicked)}
        wanted["task-on-pricing-click"] = PRICING in self.clicked
        return {rule: 1 for rule, is_wanted in wanted.items() if is_wanted}


def wrong(running: Installation, fates: Iterable[Fate]) -> list[str]:
    """Everything that is not as it should be, one line each; empty when all is well."""
    sandbox = running.sandbox
    contacts = {row["id"]: row for row in sandbox.contacts()}
    subscribers = {row["id"]: row for row in sandbox.subscribers()}
    tasks, notes = _by_contact(sandbox.tasks()), _by_contact(sandbox.notes())
    found: list[str] = []
    for fate in fates:
        id_ = fate.contact["id"]
        subscriber = subscribers[fate.subscriber["id"]]
        problems = [
            *_of_contact(fate, contacts[id_]),
            *_of_subscriber(fate, subscriber, running.list_id),
            *_of_tasks(fate, tasks[id_]),
            *_of_notes(fate, notes[id_]),
        ]
        found += [f"{id_} ({fate.role or 'no role'}): {each}" for each in problems]
    asked = sandbox.exchanges()
    assert asked, "nothing was asked of either vendor"
    if forced := sum("addforce" in each["request"] for each in asked):
        found.append(f"addforce was sent {forced} times")
    return found


def _by_contact(rows: Iterable[Row]) -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["contactId"]].append(row)
    return found


def _of_contact(fate: Fate, contact: Row) -> Iterator[str]:
    was, told = dict(fate.contact["dndSettings"]), dict(contact["dndSettings"])
    before, email = was.pop("Email", {}), told.pop("Email", {})
    if told != was:
        yield f"other channels are {told}"
    blocked = fate.role in STATUS
    if blocked != (email.get("status") == "active"):
        yield f"e-mail DND is {email}"
    if not blocked and email != before:
        yield f"e-mail DND was touched: {email}"
    if fate.role in BLOCKED and email.get("code") != BLOCKED[fate.role]:
        yield f"its code is {email.get('code')}"
    if sorted(contact["tags"]) != sorted(fate.tags):
        yield f"tags are {contact['tags']} and not {sorted(fate.tags)}"


def _of_subscriber(fate: Fate, row: Row, list_id: str) -> Iterator[str]:
    is_blocked = fate.role in STATUS
    is_out = is_blocked and fate.role not in BOUNCES
    if row["lists"][list_id] != {"unsubscribed": is_out}:
        yield f"list state is {row['lists'][list_id]}"
    if row["excluded"] != (fate.role in EXCLUDED):
        yield f"excluded: {row['excluded']}"
    status = row["properties"].get("ghl_email_status")
    if status != STATUS.get(fate.role, "subscribed"):
        yield f"status is {status}"


def _of_tasks(fate: Fate, tasks: list[Row]) -> Iterator[str]:
    made: dict[str, int] = {}
    for task in tasks:
        rules = [rule for rule in RULES if f"[mj:{rule}:" in task["body"]]
        for rule in rules or ["nobody"]:
            made[rule] = made.get(rule, 0) + 1
    if made != fate.tasks:
        yield f"tasks are {made} and not {fate.tasks}"


def _of_notes(fate: Fate, notes: list[Row]) -> Iterator[str]:
    told: dict[str, list[str]] = defaultdict(list)
    for note in notes:
        own = [name for name in CAMPAIGNS if f"campaign {name}:" in note["body"]]
        told[own[0] if own else "none"].append(note["body"])
    if told.keys() != fate.read.keys():
        yield f"notes are about {sorted(told)} and not {sorted(fate.read)}"
        return
    for campaign, bodies in told.items():
        urls = fate.read[campaign]
        if len(bodies) > 1:
            yield f"{len(bodies)} notes about {campaign}"
        if f"opened {len(urls)} of {len(urls)}" not in bodies[0]:
            yield f"{len(urls)} mails were read, not {bodies[0]!r}"
        if missing := [url for url in urls if url not in bodies[0]]:
            yield f"{missing} is not in {bodies[0]!r}"
