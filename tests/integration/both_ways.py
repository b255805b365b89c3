"""One connection of ours between two vendors of a few lines, in both directions.

The work of a lease, the sweeps and the feeds are the product's own; what fails is told
to the vendors beforehand, answer by answer.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from redis import Redis

from pipeline import work
from pipeline.bootstrap import Kit, build
from pipeline.config import from_env
from pipeline.errors import Ambiguous, BadPayload, VendorDown
from pipeline.feed import Feed
from pipeline.ghl.activity_records import Calendar, TaskPage
from pipeline.mailjet.history import HistoryPage
from pipeline.permit import Lane, Lease, Permit
from pipeline.store.dead_letters import worker_lost
from pipeline.store.setup import SetupRecord
from pipeline.sweeps import Sweeps
from pipeline.sync.activity import HistoryEntry, Note, Task
from pipeline.sync.contact import Subscriber
from pipeline.sync.history import HISTORIC
from pipeline.sync.ports import Policy
from pipeline.sync.wishes import references
from tests.builders import KEY, MAIN_LIST, make_environ
from tests.driver import expire_all, make_due
from tests.integration.tiny_pipeline import CONNECTION, TinyPipeline
from tests.tiny_vendors import NOW_MS, TinyGhl, TinyMailjet

DOWN, LOST, GARBAGE, KILLED = "down", "lost", "garbage", "killed"
FATES = (DOWN, LOST, GARBAGE, KILLED)
BEGAN_MS = NOW_MS - 1_000
LATER_MS = 200_000


class Killed(BaseException):
    """Nothing of ours catches it, as nothing survives `kill -9`."""


class Fates:
    """What happens to the next calls that make something."""

    def __init__(self) -> None:
        self.waiting: deque[str] = deque()

    def strike(self, vendor: str, make: object) -> object:
        """Make it, or not, and answer, or not."""
        fate = self.waiting.popleft() if self.waiting else ""
        if fate == DOWN:
            raise VendorDown(vendor, "POST", 503)
        made = make()
        if fate == LOST:
            raise Ambiguous(vendor, "POST")
        if fate == GARBAGE:
            raise BadPayload(vendor, "POST", 200)
        if fate == KILLED:
            raise Killed
        return made


class LosingGhl(TinyGhl):
    """Counts, by entry of Mailjet's, what was made of it."""

    def __init__(self, fates: Fates) -> None:
        super().__init__()
        self.made: Counter[int] = Counter()
        self._fates = fates

    def create_note(self, contact_id: str, body: str) -> Note:
        def make() -> Note:
            self.made.update(references([body]))
            return TinyGhl.create_note(self, contact_id, body)

        return self._fates.strike("ghl", make)

    def create_task(self, contact_id: str, **facts: object) -> Task:
        def make() -> Task:
            self.made.update(references([facts["body"]]))
            return TinyGhl.create_task(self, contact_id, **facts)

        return self._fates.strike("ghl", make)

    def search_tasks(self, **query: object) -> TaskPage:
        wanted = query.get("completed")
        rows = [task for tasks in self.tasks.values() for task in tasks]
        found = tuple(t for t in rows if wanted in (None, t.completed))
        return TaskPage(found, deleted=(), next=None)

    def list_calendars(self) -> tuple[Calendar, ...]:
        return ()


class LosingMailjet(TinyMailjet):
    def __init__(self, fates: Fates) -> None:
        super().__init__()
        self._fates = fates

    def create_history(self, contact_id: int, name: str, data: str) -> HistoryEntry:
        def make() -> HistoryEntry:
            return TinyMailjet.create_history(self, contact_id, name, data)

        return self._fates.strike("mailjet", make)

    def manage_contact(self, *args: object, **facts: object) -> Subscriber:
        def make() -> Subscriber:
            return TinyMailjet.manage_contact(self, *args, **facts)

        return self._fates.strike("mailjet", make)

    def list_history(self, offset: int, *, name: str, **query: object) -> HistoryPage:
        return HistoryPage(tuple(e for e in self.entries if e.name == name), None)


@dataclass(frozen=True)
class TinyKit(Kit):
    """A kit whose vendors are tiny."""

    tiny: "BothWays"

    def ghl(self, permit: Permit) -> LosingGhl:
        # As if its first call were paid for: what begins to write is no more untouched.
        permit.calls += 1
        return self.tiny.ghl

    def mailjet(self, permit: Permit) -> LosingMailjet:
        return self.tiny.mailjet

    def policy(self, record: SetupRecord) -> Policy:
        return self.tiny.policy


class BothWays(TinyPipeline):
    """Runs, live syncs and feeds; failures are carried out as the product does."""

    def __init__(
        self, redis: Redis, ghl: LosingGhl, mailjet: LosingMailjet, policy: Policy
    ) -> None:
        super().__init__(redis, ghl, mailjet, policy)
        kwargs = redis.connection_pool.connection_kwargs
        url = f"redis://{kwargs['host']}:{kwargs['port']}/{kwargs.get('db', 0)}"
        kit = build(from_env(make_environ(REDIS_URL=url))).kit(CONNECTION)
        joined = {each.name: getattr(kit, each.name) for each in fields(kit)}
        self.kit = TinyKit(**joined, tiny=self)
        self.forget()

    def forget(self) -> None:
        """Lose all state and set up again; the feeds begin a little earlier then."""
        super().forget()
        record = SetupRecord(
            KEY, MAIN_LIST, "", "UTC", True, NOW_MS, True, True, frozenset(HISTORIC)
        )
        self.kit.setup.fingerprint_key()
        self.kit.setup.save(record)
        self.kit.feed.begin(BEGAN_MS)

    @property
    def record(self) -> SetupRecord:
        record = self.kit.record()
        assert record is not None
        return record

    def read_feeds(self) -> None:
        Feed(self.kit, self.record).read()

    def full_run(self) -> None:
        """With its sweeps; a run that is under way comes to its end first."""
        run = self.ledger.run()
        if run is not None and run.is_active:
            self.work_to_the_end()
        self._pass_time()
        stages, cursor = Sweeps(self.kit, self.record).stages, {"stage": "tasks"}
        while cursor["stage"] in stages:
            cursor = stages[cursor["stage"]](cursor).next
        super().full_run()

    def _pass_time(self) -> None:
        """A little, so that a sweep is newer than what was looked at singly."""
        carrying = self.policy.carrying
        later = replace(carrying, now_ms=carrying.now_ms + LATER_MS)
        self.policy = replace(self.policy, carrying=later)

    def look(self, contact_id: str, kinds: str = "tna") -> None:
        """An event, or an operator, names the contact."""
        self.ledger.point_at([contact_id], kinds, Lane.LIVE)
        self.work()

    def work(self) -> None:
        """Until nothing is due; whoever was leased by a killed worker comes back."""
        super().work()
        expire_all(self.ledger, self.redis)
        self.ledger.expire(worker_lost(1), ())
        make_due(self.ledger, self.redis)
        self.kit.health.resume()

    def work_to_the_end(self) -> None:
        """Until nothing waits for anything."""
        while self.ledger.backlog().waiting + self.ledger.backlog().leased:
            self.work()

    def rest(self) -> None:
        """Look at everything, the dead letters too, as long as there is work."""
        self.work_to_the_end()
        self.ledger.replay(self.dead())
        self.work_to_the_end()
        self.full_run()
        self.work_to_the_end()
        self.ledger.point_at(self.ghl.contacts, "tna", Lane.LIVE)
        self.work_to_the_end()

    def run(self, lease: Lease) -> None:
        try:
            work.run_lease(self.kit, lease.ghl_id, lease.token)
        except Killed:
            return

    def dead(self) -> Iterable[str]:
        return [i.decode() for i in self.redis.hkeys(self.ledger.key("dead"))]
