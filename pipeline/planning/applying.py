"""Do what was planned, and nothing else."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock

from pipeline import work
from pipeline.bootstrap import Kit
from pipeline.errors import ConfigError
from pipeline.permit import Lane
from pipeline.planning.digests import Digests
from pipeline.planning.guard import PlanGuard
from pipeline.planning.writes import Plan, Totals, Turn, Write, totals_of
from pipeline.preferences import Preferences
from pipeline.store.setup import SetupRecord
from pipeline.sync_now import AGAIN, sync_now

THREADS = 8
PATIENCE_SECONDS = 60.0
HELD = ("address held", "lease lost")
HELD_SECONDS = 0.5

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Done:
    """What came of a turn.

    Args:
        sent: the writes that were made.
    """

    turn: Turn
    outcome: str
    sent: tuple[Write, ...] = ()

    @property
    def is_drifted(self) -> bool:
        return self.outcome == work.DRIFTED

    @property
    def is_undone(self) -> bool:
        """Whether it could not be done for another reason."""
        others = ("dead letter", AGAIN, work.PAUSED, "not set up", *HELD)
        return self.outcome.startswith(others)


@dataclass(frozen=True)
class Applied:
    """What applying really did.

    Args:
        done: each turn, in the plan's order.
        calls: vendor to route to how many requests there were.
    """

    done: tuple[Done, ...]
    calls: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def totals(self) -> Totals:
        return totals_of((one.turn, one.outcome, one.sent) for one in self.done)

    @property
    def drifted(self) -> tuple[str, ...]:
        """Contacts that are not as they were, and so were left alone."""
        return _ids(one for one in self.done if one.is_drifted)

    @property
    def undone(self) -> Mapping[str, str]:
        """Contacts that could not be done otherwise, with the reason."""
        return {o.turn.contact_id: o.outcome for o in self.done if o.is_undone}

    @property
    def already(self) -> tuple[str, ...]:
        """Contacts of which all that was planned is so already."""
        return _ids(
            one
            for one in self.done
            if one.turn.writes and not (one.sent or one.is_drifted or one.is_undone)
        )


def _ids(rows: Iterable[Done]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.turn.contact_id for one in rows))


def apply_plan(
    kit: Kit, plan: Plan, progress: Progress = lambda done, total: None
) -> Applied:
    """Sync the plan's contacts; a write that the plan does not hold is refused.

    Args:
        progress: gets how many turns are done, of how many.

    Raises:
        ConfigError: the plan is of something else, or nothing may be written.
        VendorError: who said no cannot be read.
    """
    record = kit.require_record()
    must_fit(kit, record, plan)
    return _Applier(kit, record, plan, progress).run()


def must_fit(kit: Kit, record: SetupRecord, plan: Plan) -> None:
    """Refuse a plan that is not of this connection as it is now."""
    mapping = kit.policy(record).field_map.digest
    problems = [
        words
        for words, planned, now in (
            ("the connection {!r}, and this is {!r}", plan.connection, _name(kit)),
            ("the location {}, and this is {}", plan.location_id, _location(kit)),
            ("Mailjet's list {}, and it is {} now", plan.list_id, record.list_id),
            ("another mapping", plan.map_digest, mapping),
        )
        if planned != now
        for words in [words.format(planned, now)]
    ]
    if problems:
        raise ConfigError([f"the plan is of {', of '.join(problems)}: plan anew"])
    if kit.settings.read_only:
        raise ConfigError(["SYNC_MODE=read-only: no plan can be applied"])


def _name(kit: Kit) -> str:
    return kit.connection.name


def _location(kit: Kit) -> str:
    return kit.connection.ghl_location_id


class _Applier:
    def __init__(
        self, kit: Kit, record: SetupRecord, plan: Plan, progress: Progress
    ) -> None:
        self._calls: dict[str, Counter[str]] = {"ghl": Counter(), "mailjet": Counter()}
        self._kit = replace(
            kit,
            ghl_session=kit.ghl_session.telling(self._count),
            mailjet_session=kit.mailjet_session.telling(self._count),
        )
        self._record = record
        self._plan = plan
        self._turns = plan.needed
        self._progress = progress
        self._fingerprint = kit.policy(record).fingerprint
        self._digests = Digests(self._fingerprint)
        self._done: dict[int, Done] = {}
        self._lock = Lock()
        self._stopped = ""

    def _count(
        self, vendor: str, label: str, status: int | None, seconds: float
    ) -> None:
        with self._lock:
            self._calls[vendor][label] += 1

    def run(self) -> Applied:
        if self._plan.is_whole and self._turns:
            # As every run does: the turns were planned by fresh sets of who said no.
            preferences = Preferences(self._kit, self._record, Lane.LIVE)
            preferences.read_optouts()
            preferences.read_mailjet_optouts()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self._in_order, self._batches()))
        calls = {vendor: dict(n.most_common()) for vendor, n in self._calls.items()}
        return Applied(tuple(done for _, done in sorted(self._done.items())), calls)

    def _batches(self) -> Iterable[Sequence[int]]:
        """Places of turns, by group; each batch keeps its order."""
        batches: defaultdict[object, list[int]] = defaultdict(list)
        for place, turn in enumerate(self._turns):
            batches[turn.group or turn.contact_id].append(place)
        return batches.values()

    def _in_order(self, places: Sequence[int]) -> None:
        for place in places:
            done = self._do(self._turns[place])
            with self._lock:
                self._done[place] = done
                self._progress(len(self._done), len(self._turns))

    def _do(self, turn: Turn) -> Done:
        if self._stopped:
            return Done(turn, self._stopped)
        if turn.letters:
            self._kit.ledger.point_at([turn.contact_id], turn.letters)
        guard = PlanGuard(turn, self._fingerprint, self._digests)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            outcome = sync_now(self._kit, turn.contact_id, guard=guard)
            if outcome not in HELD or time.monotonic() > deadline:
                break
            time.sleep(HELD_SECONDS)
        if outcome.startswith(work.PAUSED):
            # Nobody else would come further.
            self._stopped = outcome
        return Done(turn, outcome, tuple(guard.sent.values()))
