"""What a plan remembers: state as it is, and above it what the plan would settle."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

from pipeline.bootstrap import Kit
from pipeline.store.mass import Mass
from pipeline.store.peek import Peeked, peek
from pipeline.sync import around
from pipeline.sync.activity import Activities, HistoryEntry
from pipeline.sync.campaigns import Campaign
from pipeline.sync.case import Result
from pipeline.sync.consent import Record, joined
from pipeline.sync.contact import Contact
from pipeline.sync.mail_event import MailEvent
from pipeline.sync.orders import Order, State
from pipeline.sync.ports import Evidence
from pipeline.sync.rule_memory import RuleMemory
from pipeline.sync.snapshot import Snapshot

COUNT = frozenset({State.READY, State.DONE, State.REHEARSED})


@dataclass(frozen=True)
class NoSets:
    """Who said no, read for the plan; None where a set was not to be had.

    Args:
        ghl: contact ids; `ghl_addresses`, `mailjet`: fingerprints of addresses.
    """

    ghl: frozenset[str] | None = None
    ghl_addresses: frozenset[bytes] = frozenset()
    mailjet: frozenset[bytes] | None = None


class Overlay:
    """State, read only, under what earlier turns of the plan settled."""

    def __init__(self, kit: Kit, sets: NoSets) -> None:
        self._kit = kit
        self._sets = sets
        self._mass: Mass = kit.optouts.mass()
        self._mass.counted |= set(kit.optouts.newcomers(sets.ghl or ()))
        self._settled: dict[str, Snapshot | None] = {}
        self._by_address: defaultdict[bytes, set[str]] = defaultdict(set)
        self._records: dict[str, Record] = {}
        self._touched: dict[str, frozenset[str]] = {}
        self._answered: defaultdict[str, set[int]] = defaultdict(set)
        self._responded: defaultdict[bytes, set[bytes]] = defaultdict(set)
        self._outlived: dict[bytes, Record] = {}
        self._rules: dict[str, RuleMemory] = {}
        self._decided: set[str] = set()
        self._sent: Counter[tuple[str, str]] = Counter()
        self._deleted = kit.presence.deletions()
        self._emptied = kit.emptying.mass()

    def peek(self, ghl_id: str) -> Peeked:
        """What a sync of the contact would start from."""
        if ghl_id not in self._settled:
            return peek(self._kit.redis, self._kit.connection.name, ghl_id)
        touched = self._touched.get(ghl_id, frozenset())
        return Peeked(self._settled[ghl_id], None, False, touched)

    def settle(self, ghl_id: str, result: Result, before: Peeked) -> None:
        """As the ledger does; a record without statements leaves what there was."""
        old, new = before.snapshot, result.snapshot
        self._by_address[old.address if old else b""].discard(ghl_id)
        self._by_address[new.address if new else b""].add(ghl_id)
        self._settled[ghl_id] = new
        if result.snapshot is None:
            self._records[ghl_id] = {}
        elif result.record:
            self._records[ghl_id] = result.record
        kept = frozenset() if result.looked else before.touched
        doubt = around.DOUBT if before.unsettled and not result.looked else ""
        self._touched[ghl_id] = kept | frozenset(result.again) | frozenset(doubt)
        self._answered[ghl_id] |= {entry.id for entry in result.answered}
        if result.rule_memory is not None:
            self._rules[ghl_id] = result.rule_memory
        self._decided |= result.decisions.keys()
        states = (decision.state for decision in result.decisions.values())
        self._sent[ghl_id, result.day] += sum(state in COUNT for state in states)
        if result.snapshot:
            done = {event.digest(8) for event in result.responded}
            self._responded[result.snapshot.address] |= done

    def evidence(self, ghl_id: str, address: bytes) -> Evidence:
        """What would be known of a contact and an address by now."""
        known, sets = self._kit.ledger.evidence(ghl_id, address), self._sets
        old = {id_: one for id_, one in known.sharers.items() if not self._is_done(id_)}
        said = {
            id_: one for id_, one in known.records.items() if not self._is_done(id_)
        }
        new = sorted(self._by_address[address] - {ghl_id}) if address else []
        sharers = {**old, **{id_: one for id_ in new if (one := self._settled[id_])}}
        records = {**said, **{id_: self._said(id_) for id_ in new if self._said(id_)}}
        told = replace(
            known,
            sharers=sharers,
            records=records,
            own=self._records.get(ghl_id, known.own),
        )
        if sets.ghl is not None:
            is_out = address in sets.ghl_addresses
            told = replace(
                told, in_ghl_set=ghl_id in sets.ghl, address_in_ghl_set=is_out
            )
        if left := self._outlived.get(address):
            said_of_it = joined(told.told.record, left)
            told = replace(told, told=replace(told.told, record=said_of_it))
        if sets.mailjet is not None:
            told = replace(told, in_mailjet_set=address in sets.mailjet)
        return told

    def _is_done(self, ghl_id: str) -> bool:
        return ghl_id in self._settled

    def _said(self, ghl_id: str) -> Record:
        """A settled contact's own statements."""
        if ghl_id not in self._records:
            self._records[ghl_id] = self._kit.consents.own(ghl_id)
        return self._records[ghl_id]

    def rule_memory(self, ghl_id: str) -> RuleMemory | None:
        return self._rules.get(ghl_id) or self._kit.orders.rule_memory(ghl_id)

    def orders(self, ghl_id: str) -> tuple[Order, ...]:
        waiting = self._kit.orders.waiting(ghl_id)
        return tuple(order for order in waiting if order.id not in self._decided)

    def sent_today(self, ghl_id: str, day: str) -> int:
        return self._kit.orders.sent_today(ghl_id, day) + self._sent[ghl_id, day]

    def holds_back(self, ghl_id: str) -> bool:
        return self._mass.holds_back(ghl_id)

    def holds_emptying(self, ghl_id: str) -> bool:
        return self._emptied.holds_back(ghl_id)

    def holds_deletion(self, ghl_id: str) -> bool:
        return self._deleted.holds_back(ghl_id)

    def outlive(self, address: bytes, record: Record) -> None:
        self._outlived[address] = record

    def incoming(self, ghl_id: str) -> tuple[HistoryEntry, ...]:
        done = self._answered[ghl_id]
        entries = self._kit.feed.incoming(ghl_id)
        return tuple(entry for entry in entries if entry.id not in done)

    def interactions(self, address: bytes) -> tuple[MailEvent, ...]:
        done = self._responded[address]
        events = self._kit.engagement.of(address)
        return tuple(event for event in events if event.digest(8) not in done)

    def campaigns(self, address: bytes) -> dict[int, Campaign]:
        return self._kit.engagement.campaigns(address)


@dataclass
class PlanningMemory:
    """One turn's memory; see `pipeline.sync.ports.Memory`.

    It is that of a live sync, so that applying a plan, which reads each contact singly
    to see what drifted, takes the same path and makes the same calls.
    """

    ghl_id: str
    overlay: Overlay
    snapshot: Snapshot | None
    seen: tuple[int, ...] | None
    unsettled: bool
    touched: frozenset[str]
    incoming: tuple[HistoryEntry, ...]
    orders: tuple[Order, ...]
    rule_memory: RuleMemory | None
    row: Contact | None = None
    trusting: bool = False
    urgent: bool = False
    swept: Activities = field(default_factory=Activities)
    addresses: set[bytes] = field(default_factory=set)

    def sent_today(self, day: str) -> int:
        return self.overlay.sent_today(self.ghl_id, day)

    def evidence(self, address: bytes) -> Evidence:
        self.addresses |= {address} - {b""}
        return self.overlay.evidence(self.ghl_id, address)

    def holds_back(self) -> bool:
        return self.overlay.holds_back(self.ghl_id)

    def holds_emptying(self) -> bool:
        return self.overlay.holds_emptying(self.ghl_id)

    def holds_deletion(self) -> bool:
        return self.overlay.holds_deletion(self.ghl_id)

    def outlive(self, address: bytes, record: Record) -> None:
        self.overlay.outlive(address, record)

    def interactions(self, address: bytes) -> tuple[MailEvent, ...]:
        return self.overlay.interactions(address)

    def campaigns(self, address: bytes) -> dict[int, Campaign]:
        return self.overlay.campaigns(address)

    def begin(self, *addresses: bytes) -> Evidence:
        """Marks nothing, leases nothing."""
        self.addresses |= set(addresses)
        return self.overlay.evidence(self.ghl_id, addresses[0])
