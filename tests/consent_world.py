"""One person over time in both vendors, and what the issue says may come of it.

The model of `tests/unit/test_consent_laws.py`. People click and operators edit, events
come late and twice, our state is lost, and in between the real sync runs on a GHL and a
Mailjet of a few lines. `Oracle` is written from the words of the issue, not from our
code.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from pipeline.sync import consent, delivery, ghl_dnd
from pipeline.sync.activity import Appointment, Listing, Note, Task
from pipeline.sync.consent import Record, Source, Statement
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.delivery import Delivery
from pipeline.sync.ports import Evidence, Told
from pipeline.sync.reconcile import sync_contact
from pipeline.sync.snapshot import Snapshot
from tests.builders import CORE_FIELDS, make_carrying, make_contact, make_policy
from tests.tiny_vendors import NOW_MS, Person, TinyGhl, TinyMailjet
from tests.unit.test_around import TinyMemory

FOREIGN_LIST = 77
STEP_MS = 1000
SOFT_BOUNCES = 2
OTHER_CHANNELS = {"SMS": {"status": "active", "code": "103"}, "Call": {"x": [1]}}
ADDRESSES = ("ann@example.com", "ann@example.org")
POLICY = make_policy(soft_bounces=SOFT_BOUNCES)
CARRYING = make_carrying()
LIVE, WHOLE, THIN = 0, 1, 2
EVERYTHING_KNOWN = dict.fromkeys(CORE_FIELDS, "")
NEVER = -1
OURS = "mailjet-"
"""In every `code` that we write to block."""
GHL_ALL, GHL_EMAIL = "ghl all", "ghl email"
Flag = tuple[str, object]
"""Where it is shown (GHL's flag or channel, or an address in Mailjet), and what."""
Dated = Mapping[Flag, int | None]


class Oracle:
    """May this person be mailed? In the words of the issue:

    An opt-out wins over anything older or undated; only a newer, explicit opt-in of the
    person reopens. What no vendor dates was said when we first saw it. A flag cleared
    is nobody's consent, and what we wrote ourselves is nobody's word, unless nothing
    else is left of what we knew.
    """

    def __init__(self) -> None:
        self.now_ms = 0
        self.forget()

    def forget(self) -> None:
        """All state is lost, the recorded opt-ins with it."""
        self.last_no_ms, self.yes_ms = NEVER, NEVER
        self.shown: dict[Flag, int] = {}
        self.dated: dict[Flag, int] = {}
        self.looked_ms: dict[str, int] = {}

    def look(self, flags: Dated, places: Set[str]) -> None:
        """See all flags that there are in these places, with the vendors' dates."""
        kept = {f: at for f, at in self.shown.items() if f[0] not in places}
        seen = {f: at or 0 for f, at in flags.items() if f[0] in places}
        for flag, at_ms in seen.items():
            if at_ms <= self.shown.get(flag, NEVER):
                continue
            told_ms = self.dated.get(flag, NEVER)
            if told_ms <= max(self.looked_ms.get(flag[0], NEVER), self.yes_ms):
                told_ms = self.now_ms
            self.hear(at_ms or told_ms)
        self.shown = {**kept, **seen}
        self.looked_ms |= dict.fromkeys(places, self.now_ms)

    def hear(self, at_ms: int) -> None:
        self.last_no_ms = max(self.last_no_ms, at_ms)

    def date(self, flag: Flag, at_ms: int) -> None:
        """An event told when somebody said what a flag shows."""
        self.dated[flag] = max(self.dated.get(flag, NEVER), at_ms)

    def believe(self, place: str | None) -> None:
        """What was told of an address counts as seen there, unless it came too late."""
        last = max(self.looked_ms.get(place or "", NEVER), self.yes_ms)
        for flag, at_ms in self.dated.items():
            if flag[0] == place and at_ms > last:
                self.shown.setdefault(flag, 0)

    def heard_twice(self, place: str) -> bool:
        """Whether several things were told of an address since it was looked at."""
        last = self.looked_ms.get(place, NEVER)
        return sum(f[0] == place and at > last for f, at in self.dated.items()) > 1

    def opt_in(self, at_ms: int) -> None:
        self.yes_ms = max(self.yes_ms, at_ms)

    def wrote(self, before: Dated, after: Dated) -> None:
        """We set and cleared flags ourselves."""
        for flag in after.keys() - before.keys():
            self.shown[flag] = after[flag] or 0
        for flag in before.keys() - after.keys():
            self.shown.pop(flag, None)

    def leave(self, places: Set[str]) -> None:
        """Addresses that the person had before are looked at as if for the first time,
        should they come back."""
        self.shown = {f: at for f, at in self.shown.items() if f[0] in places}

    @property
    def may_mail(self) -> bool:
        return self.last_no_ms < self.yes_ms or self.last_no_ms == NEVER

    @property
    def is_reopened(self) -> bool:
        return self.last_no_ms < self.yes_ms


class DatedMailjet(TinyMailjet):
    """Dates exclusions, knows complaints, and tells which addresses were read."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0
        self.complained: set[str] = set()
        self.excluded_ms: dict[int, int] = {}
        self.looked: set[str] = set()
        self.unsubscribed: set[Flag] = set()
        self.included = False

    def forget_calls(self) -> None:
        self.looked.clear()
        self.sent.clear()
        self.unsubscribed.clear()
        self.included = False

    def read(self, email: str) -> Subscriber:
        found = super().read(email)
        return replace(
            found,
            complained=email in self.complained,
            excluded_ms=self.excluded_ms.get(found.contact_id),
        )

    def _act(self, person: Person, list_id: int, action: str) -> None:
        super()._act(person, list_id, action)
        if action == "unsub":
            self.unsubscribed.add((person.email, list_id))

    def get_contact(self, id_or_email: int | str) -> Subscriber:
        if isinstance(id_or_email, str):
            self.looked.add(id_or_email)
        found = super().get_contact(id_or_email)
        self.looked.add(found.email)
        return found

    def update_contact(
        self, contact_id: int, *, name: str | None = None, excluded: bool | None = None
    ) -> None:
        super().update_contact(contact_id, name=name, excluded=excluded)
        if excluded is not None:
            self.excluded_ms[contact_id] = self.now_ms
            self.included |= not excluded


class WatchedGhl(TinyGhl):
    """Tells whether the contact was read."""

    was_read = False
    is_writing = False

    def get_contact(self, contact_id: str) -> Contact:
        self.was_read |= not self.is_writing
        return super().get_contact(contact_id)

    def list_tasks(self, contact_id: str) -> Listing[Task]:
        return Listing(())

    def list_notes(self, contact_id: str) -> Listing[Note]:
        return Listing(())

    def list_appointments(
        self, contact_id: str, zone: ZoneInfo
    ) -> Listing[Appointment]:
        return Listing(())


@dataclass
class WorldMemory(TinyMemory):
    """A lease's view of the state that the world keeps."""

    found: Callable[[bytes], Evidence] = lambda address: Evidence()
    begun: Callable[[], None] = lambda: None
    is_mass: bool = False

    def evidence(self, address: bytes) -> Evidence:
        return self.found(address)

    def begin(self, *addresses: bytes) -> Evidence:
        """Nobody else is there. From now on what is read is too late to be known."""
        self.begun()
        return self.found(addresses[0])

    def holds_back(self) -> bool:
        return self.is_mass


@dataclass
class State:
    """All that we keep, and may lose."""

    snapshot: Snapshot | None = None
    own: Record = field(default_factory=dict)
    told: dict[bytes, Told] = field(default_factory=dict)
    told_of_contact: Record = field(default_factory=dict)
    in_ghl_set: bool | None = None
    mailjet_set: frozenset[bytes] = frozenset()


class World:
    """Both vendors, our state, and the person."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.ghl = WatchedGhl(
            [
                make_contact(
                    tags=(),
                    values=EVERYTHING_KNOWN,
                    dnd=False,
                    dnd_settings=OTHER_CHANNELS,
                )
            ]
        )
        self.mailjet = DatedMailjet()
        self.oracle = Oracle()
        self.state = State()
        self.events: list[tuple[str | None, Statement]] = []
        self.untold = 0
        self.heard: dict[str | None, int] = {}
        self.hard: set[str] = set()
        self.soft: dict[str, int] = {}
        self.for_bounce: set[str] = set()
        self.left: set[str] = set()
        self.is_exact = True
        self.is_mass = False

    # What people and vendors do.

    def run(self, steps: Sequence[tuple[str, int]]) -> None:
        for name, argument in steps:
            self.now_ms += STEP_MS
            self.mailjet.now_ms = self.oracle.now_ms = self.now_ms
            getattr(self, name)(argument)

    def all_dnd(self, on: int) -> None:
        self._edit(dnd=bool(on))

    def email_dnd(self, status: int) -> None:
        """Somebody sets the channel in GHL, which overwrites what stood there."""
        word = ("inactive", "active", "permanent")[status]
        told = self._evidence(fingerprint(self.email)).told.delivery
        if self.is_dead and not told.bounced_ms(SOFT_BOUNCES):
            # All that was left of what we knew: to a user the address takes mail.
            self.hard.discard(self.email)
            self.soft.pop(self.email, None)
        settings = {**self.contact.dnd_settings, "Email": {"status": word, "code": "1"}}
        self._edit(dnd_settings=settings)
        if status:
            self._happens(None, Source.GHL_EMAIL, "webhook")

    def unsubscribe(self, list_id: int) -> None:
        self._person().unsubscribed[list_id] = True
        self._happens(self.email, Source.MAILJET_LIST, str(list_id))

    def resubscribe(self, list_id: int) -> None:
        """An operator does it by hand, and nobody opted in."""
        self._person().unsubscribed[list_id] = False

    def exclude(self, on: int) -> None:
        person = self._person()
        if person.excluded != bool(on):
            person.excluded = bool(on)
            self.mailjet.excluded_ms[person.id] = self.now_ms

    def complain(self, _: int) -> None:
        self._person()
        self.mailjet.complained.add(self.email)
        self._happens(self.email, Source.MAILJET_SPAM, "")

    def bounce(self, is_hard: int) -> None:
        if is_hard:
            self.hard.add(self.email)
            self._bring(Delivery(hard_ms=self.now_ms))
        else:
            self.soft[self.email] = self.soft.get(self.email, 0) + 1
            self._bring(Delivery(soft={self.now_ms: self.now_ms}))

    def arrive(self, _: int) -> None:
        """Mail arrived: soft bounces are over; a hard one that we know of is not."""
        self.soft.pop(self.email, None)
        if not self._evidence(fingerprint(self.email)).told.delivery.hard_ms:
            self.hard.discard(self.email)
        self._bring(Delivery(alive_ms=self.now_ms))

    def move(self, _: int) -> None:
        self._edit(email=next(one for one in ADDRESSES if one != self.email))
        # Nobody remembers for what an address was excluded that was left since.
        self.is_exact &= self.email not in self.left

    def _bring(self, told: Delivery) -> None:
        self._tell(self.email, Told(delivery=told))

    # What reaches us.

    def hear(self, count: int) -> None:
        """Events come, late; with 0 all that ever happened comes again."""
        first = self.untold if count else 0
        last = min(self.untold + count, len(self.events)) if count else self.untold
        self.untold = max(self.untold, last)
        for address, said in self.events[first:last]:
            self._hear(address, said)

    def opt_in(self, steps_ago: int) -> None:
        """An operator records that the person opted in, so many steps ago."""
        at_ms = self.now_ms - steps_ago * STEP_MS + (STEP_MS // 2 if steps_ago else 0)
        self.state.own = consent.opted_in(self.state.own, at_ms, "proof")
        self.oracle.opt_in(at_ms)
        # It may be older than what we wrote because of the no before it.
        self.is_exact &= not steps_ago

    def read_sets(self, _: int) -> None:
        """The complete sets, which are old as soon as they are read."""
        self.state.in_ghl_set = bool(ghl_dnd.ghl_blocks(self.contact))
        self.state.mailjet_set = frozenset(
            fingerprint(email)
            for email in ADDRESSES
            if consent.mailjet_opt_out(self.mailjet.read(email), account_wide=True)
        )
        self.is_exact = False

    def lose_state(self, _: int) -> None:
        self.state = State()
        self.oracle.forget()
        self.heard = {}
        self.is_exact = False

    def sync(self, how: int) -> None:
        """Sync urgently, or in bulk with the whole row or with a thin one."""
        if self.state.snapshot is None and ghl_dnd.is_bounce_block(self.contact):
            # Who excluded the address is told by this alone.
            self.for_bounce.add(self.email)
        before, was = self._flags(), self.contact
        if self.state.snapshot and self.state.snapshot.opted_out:
            # Of somebody closed our own DND is no news, whenever it is seen.
            ours = {f: 0 for f in before if f[0] == GHL_EMAIL and OURS in str(f[1])}
            self.oracle.shown = {**ours, **self.oracle.shown}
        old = self._old_email()
        self.mailjet.forget_calls()
        self.ghl.was_read = self.ghl.is_writing = False
        self._sync(how)
        places = {GHL_ALL, *self.mailjet.looked}
        if how != THIN or self.ghl.was_read:
            places.add(GHL_EMAIL)
        self.oracle.look(before, places)
        for who in (None, self.email, old):
            self.oracle.hear(self.heard.get(who, NEVER))
            self.oracle.believe(who)
        self._note_writes_for_bounces()
        self.oracle.wrote(before, self._flags())
        for flag in self.mailjet.unsubscribed:
            # It may have been shown before, and nobody can tell any more.
            self.oracle.shown[flag] = 0
        self.oracle.leave({GHL_ALL, GHL_EMAIL, self.email})
        self.left |= self.for_bounce - {self.email}
        self.for_bounce &= {self.email}
        self._must_keep_the_law(was, places, is_live=how == LIVE)

    def _sync(self, how: int) -> None:
        row = None
        if how != LIVE:
            row = self.contact
            row = replace(row, dnd_settings=None) if how == THIN else row
        memory = WorldMemory(
            row=row,
            snapshot=self.state.snapshot,
            trusting=how != LIVE,
            urgent=how == LIVE,
            found=self._evidence,
            is_mass=self.is_mass,
            begun=lambda: setattr(self.ghl, "is_writing", True),
        )
        policy = replace(POLICY, carrying=replace(CARRYING, now_ms=self.now_ms))
        result = sync_contact("gh1", self.ghl, self.mailjet, memory, policy)
        self.state.snapshot, self.state.own = result.snapshot, result.record

    # What must be so after each sync.

    def _must_keep_the_law(
        self, was: Contact, places: Set[str], *, is_live: bool
    ) -> None:
        oracle, snapshot = self.oracle, self.state.snapshot
        assert snapshot is not None
        if not oracle.may_mail:
            assert snapshot.opted_out
            if self.email in places:
                assert not self.is_mailable, "mailed after a no"
            if GHL_EMAIL in places:
                assert ghl_dnd.ghl_blocks(self.contact), "GHL may mail after a no"
        if any(action == "addforce" for _, action in self.mailjet.sent):
            assert oracle.is_reopened, "subscribed again without an opt-in"
        if self.mailjet.included:
            assert oracle.may_mail
            assert oracle.is_reopened or not self.is_dead, "included without a reason"
        if (
            ghl_dnd.email_status(was)
            != "inactive"
            == ghl_dnd.email_status(self.contact)
        ):
            is_over = ghl_dnd.is_bounce_block(was) and not self.is_dead
            assert is_over or oracle.is_reopened, "GHL unblocked without a reason"
            assert oracle.may_mail
        if self.is_exact and is_live and oracle.may_mail:
            assert not snapshot.opted_out, "closed without a reason"
            assert self.is_mailable is not self.is_dead
            if not self.contact.dnd:
                assert ghl_dnd.ghl_blocks(self.contact) is self.is_dead
        channels = dict(self.contact.dnd_settings or {})
        channels.pop("Email", None)
        assert channels == OTHER_CHANNELS

    @property
    def is_mailable(self) -> bool:
        """Whether our campaigns reach the person in Mailjet."""
        subscriber = self.mailjet.read(self.email)
        lists = subscriber.unsubscribed or {}
        active = any(lists.get(list_id) is False for list_id in POLICY.managed_lists)
        return active and not subscriber.excluded

    @property
    def is_dead(self) -> bool:
        """Whether the address takes no mail."""
        return self.email in self.hard or self.soft.get(self.email, 0) >= SOFT_BOUNCES

    # The rest is how it is all kept.

    @property
    def contact(self) -> Contact:
        return self.ghl.contacts["gh1"]

    @property
    def email(self) -> str:
        return self.contact.email or ""

    def _edit(self, **fields: object) -> None:
        self.ghl.contacts["gh1"] = replace(
            self.contact, date_updated_ms=self.now_ms, **fields
        )

    def _person(self) -> Person:
        found = [p for p in self.mailjet.people.values() if p.email == self.email]
        return found[0] if found else self.mailjet.person(self.email)

    def _happens(self, email: str | None, source: Source, detail: str) -> None:
        self.events.append((email, Statement(source, self.now_ms, detail)))

    def _hear(self, email: str | None, said: Statement) -> None:
        record = {said.source: said}
        if email is None:
            # A webhook does not tell the words that GHL shows later.
            self.is_exact = False
            known = self.state.told_of_contact
            self.state.told_of_contact = consent.joined(known, record)
        else:
            self._tell(email, Told(record))
            what = int(said.detail) if said.detail else "spam"
            self.oracle.date((email, what), said.at_ms)
            # Of several lists at once the newest is kept, and the others count anew.
            self.is_exact &= not self.oracle.heard_twice(email)
        self.heard[email] = max(self.heard.get(email, NEVER), said.at_ms)

    def _tell(self, email: str, told: Told) -> None:
        known = self.state.told.get(fingerprint(email), Told())
        self.state.told[fingerprint(email)] = Told(
            consent.joined(known.record, told.record),
            delivery.joined(known.delivery, told.delivery),
        )

    def _evidence(self, address: bytes) -> Evidence:
        state = self.state
        return Evidence(
            in_ghl_set=state.in_ghl_set,
            address_in_ghl_set=bool(state.in_ghl_set),
            in_mailjet_set=address in state.mailjet_set,
            own=state.own,
            told=state.told.get(address, Told()),
            told_of_contact=state.told_of_contact,
        )

    def _old_email(self) -> str:
        """The address before, where we know that it was another."""
        old = self.state.snapshot
        before = old.address if old and old.mailjet_id else b""
        return next((one for one in ADDRESSES if fingerprint(one) == before), "")

    def _flags(self) -> Dated:
        """Every no that a vendor shows; what we wrote for a bounce is none."""
        flags: dict[Flag, int | None] = {}
        if self.contact.dnd:
            flags[GHL_ALL, ""] = None
        channel = (self.contact.dnd_settings or {}).get("Email")
        if (
            isinstance(channel, dict)
            and channel["status"] != "inactive"
            and channel["code"] != ghl_dnd.BOUNCE_CODE
        ):
            flags[GHL_EMAIL, f"{channel['status']} {channel['code']}"] = None
        for person in self.mailjet.people.values():
            for list_id, is_gone in person.unsubscribed.items():
                if is_gone:
                    flags[person.email, list_id] = None
            if person.excluded and person.email not in self.for_bounce:
                flags[person.email, "excluded"] = self.mailjet.excluded_ms[person.id]
            if person.email in self.mailjet.complained:
                flags[person.email, "spam"] = None
        return flags

    def _note_writes_for_bounces(self) -> None:
        """Of somebody whose address is given up the exclusion is for that."""
        snapshot = self.state.snapshot
        if not self.mailjet.read(self.email).excluded:
            self.for_bounce.discard(self.email)
        elif snapshot and snapshot.bounced:
            self.for_bounce.add(self.email)


def fingerprint(email: str) -> bytes:
    return POLICY.fingerprint.address(email)
