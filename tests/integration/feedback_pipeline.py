"""Our pipeline, with its feedback from Mailjet, on vendors that tell what happened."""

import time
import weakref
from collections.abc import Callable
from dataclasses import fields, replace

from redis import Redis

from pipeline import consent_report, work
from pipeline.bootstrap import build
from pipeline.config import from_env
from pipeline.feedback import Feedback
from pipeline.permit import Lane, Lease
from pipeline.preferences import Preferences
from pipeline.store.setup import SetupRecord
from pipeline.sync.fields import Row
from pipeline.sync.history import HISTORIC
from tests.builders import KEY, MAIN_LIST, make_environ, make_field_map, make_policy
from tests.driver import make_due
from tests.feedback_vendors import Clock, FeedbackGhl, FeedbackMailjet
from tests.integration.both_ways import TinyKit
from tests.integration.tiny_pipeline import CONNECTION, TinyPipeline

STEP_MS = 300
"""Several things happen in one second of Mailjet's."""
ROUNDS = 100
"""Any work that there is has come to its end long before."""


class FeedbackPipeline(TinyPipeline):
    """The product's own leases, sets, feeds and events; a clock that steps.

    Args:
        env: settings, such as `SYNC_RULES`.
    """

    rows: tuple[Row, ...] = ()
    """Of the mapping, beside the default ones."""
    make_ghl: Callable[[Clock], FeedbackGhl] = FeedbackGhl
    make_mailjet: Callable[[Clock], FeedbackMailjet] = FeedbackMailjet

    def __init__(self, redis: Redis, **env: str) -> None:
        # Behind the real clock, which bounds opt-ins, however many steps there are.
        self.now_ms = (round(time.time()) - 86_400) * 1000
        ghl, mailjet = (
            type(self).make_ghl(self._now),
            type(self).make_mailjet(self._now),
        )
        kwargs = redis.connection_pool.connection_kwargs
        url = f"redis://{kwargs['host']}:{kwargs['port']}/{kwargs.get('db', 0)}"
        kit = build(from_env(make_environ(REDIS_URL=url, **env))).kit(CONNECTION)
        # Worlds are made by the hundred, and end wherever they are collected.
        weakref.finalize(self, kit.redis.close)
        policy = make_policy(
            field_map=make_field_map(*self.rows),
            soft_bounces=kit.connection.soft_bounces,
            rules=kit.rules,
        )
        mailjet.defined |= policy.field_map.properties.keys()
        super().__init__(redis, ghl, mailjet, policy)
        joined = {each.name: getattr(kit, each.name) for each in fields(kit)}
        self.kit = TinyKit(**joined, tiny=self)
        self.outcomes: list[str] = []
        self.tick()
        self.forget()

    def _now(self) -> int:
        return self.now_ms

    def tick(self) -> None:
        """A moment passes."""
        self.now_ms += STEP_MS
        carrying = replace(self.policy.carrying, now_ms=self.now_ms)
        self.policy = replace(self.policy, carrying=carrying)

    def forget(self) -> None:
        """Lose all state and set up again."""
        if keys := list(self.redis.scan_iter(f"gm:{CONNECTION}:*", count=1000)):
            self.redis.delete(*keys)
        self.kit.setup.fingerprint_key()
        self.kit.setup.save(
            SetupRecord(
                KEY, MAIN_LIST, "", "UTC", True, self.now_ms, True, True,
                frozenset(HISTORIC),
            )
        )  # fmt: skip
        self.read_optouts()

    @property
    def record(self) -> SetupRecord:
        record = self.kit.record()
        assert record is not None
        return record

    @property
    def feedback(self) -> Feedback:
        return Feedback(self.kit, self.record)

    def read_optouts(self) -> None:
        preferences = Preferences(self.kit, self.record)
        preferences.read_optouts()
        preferences.read_mailjet_optouts()

    def report(self) -> consent_report.Report:
        return consent_report.compare(self.kit, self.record)

    def sync(self, contact_id: str, lane: Lane = Lane.LIVE) -> None:
        self.ledger.mark(lane, [contact_id])
        self.work()

    def run(self, lease: Lease) -> None:
        outcome = work.run_lease(self.kit, lease.ghl_id, lease.token)
        assert not outcome.startswith(("dead letter", "paused")), outcome
        self.outcomes.append(outcome)

    def work(self) -> None:
        """Until nothing waits for anything."""
        for _ in range(ROUNDS):
            super().work()
            backlog = self.ledger.backlog()
            if not backlog.waiting + backlog.leased:
                return
            make_due(self.ledger, self.redis)
        raise AssertionError("it never came to rest")
