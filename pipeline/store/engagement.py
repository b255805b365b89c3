"""What people did with their mails, as far as a rule wants to know.

By address, which is what Mailjet's events tell: events that wait for their contact's
sync, and marks from which a campaign's note is written. A link may hold a token of its
reader's: it stands here and in GHL, and nowhere else.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any, cast

from redis import Redis

from pipeline.store.state import connection_key
from pipeline.sync.campaigns import Campaign, Mark, campaigns, marks
from pipeline.sync.mail_event import EventKind, MailEvent
from pipeline.sync.rules import Rule, counts, wants

WAITING_SECONDS = 7 * 86_400
"""How long an event waits for its contact."""
WAITING_MOST = 200
"""Mail filters follow every link: more than these of one person are no interest."""
KEPT_SECONDS = 90 * 86_400
MARKS_MOST = 500
URL_LENGTH = 2000


class EngagementStore:
    """One connection's share; without rules nothing is kept."""

    def __init__(
        self, redis: "Redis", connection: str, rules: tuple[Rule, ...] = ()
    ) -> None:
        self._redis = redis
        self._connection = connection
        self._rules = rules

    def _key(self, name: str) -> str:
        return connection_key(self._connection, name)

    def add(self, address: bytes, events: Iterable[MailEvent]) -> bool:
        """Keep what the rules want of these events of one address.

        Returns:
            whether a rule waits for one of them: then the contacts with the address
            are to be pointed at with `rules.EVENT`.
        """
        own = [_without_person(event) for event in events]
        self._mark(address, [event for event in own if counts(self._rules, event)])
        waiting = {
            _field(event): json.dumps(asdict(event))
            for event in own
            if wants(self._rules, event)
        }
        if waiting:
            self._wait(self._key(f"interactions:{address.hex()}"), waiting)
        return bool(waiting)

    def _wait(self, key: str, waiting: dict[str, str]) -> None:
        room = max(WAITING_MOST - self._redis.hlen(key), 0)
        some = dict(list(waiting.items())[:room])
        pipe = self._redis.pipeline()
        if some:
            pipe.hset(key, mapping=cast("Any", some))
        pipe.expire(key, WAITING_SECONDS)
        pipe.execute()

    def _mark(self, address: bytes, events: Iterable[MailEvent]) -> None:
        """Of each mark the newest time counts, and the newest marks stay: so the order
        of events does not matter, nor how often they come."""
        found: dict[str, int] = {}
        for event in events:
            for mark, at_ms in marks(event).items():
                member = json.dumps(mark)
                found[member] = max(at_ms, found.get(member, 0))
        if not found:
            return
        key = self._key(f"engaged:{address.hex()}")
        too_old_ms = round((time.time() - KEPT_SECONDS) * 1000)
        pipe = self._redis.pipeline()
        pipe.zadd(key, cast("Any", found), gt=True)
        pipe.zremrangebyscore(key, "-inf", too_old_ms)
        pipe.zremrangebyrank(key, 0, -MARKS_MOST - 1)
        pipe.expire(key, KEPT_SECONDS)
        pipe.execute()

    def of(self, address: bytes) -> tuple[MailEvent, ...]:
        """Events that wait, oldest first; they do not tell whose they are."""
        stored = self._redis.hvals(self._key(f"interactions:{address.hex()}"))
        events = map(_event, cast("list[bytes]", stored))
        return tuple(sorted(events, key=lambda event: (event.at_ms, event.identity)))

    def handled(self, address: bytes, events: Iterable[MailEvent]) -> None:
        """These were answered; who answered them again would find that in GHL."""
        if fields := [_field(event) for event in events]:
            self._redis.hdel(self._key(f"interactions:{address.hex()}"), *fields)

    def campaigns(self, address: bytes) -> dict[int, Campaign]:
        """What the address' events came to, by campaign."""
        key = self._key(f"engaged:{address.hex()}")
        found = cast(
            "list[tuple[bytes, float]]", self._redis.zrange(key, 0, -1, withscores=True)
        )
        return campaigns({Mark(*json.loads(m)): int(at_ms) for m, at_ms in found})


def _without_person(event: MailEvent) -> MailEvent:
    """The event of whoever has the address, which the key stands for."""
    return replace(event, email="", mailjet_id=0, url=event.url[:URL_LENGTH])


def _field(event: MailEvent) -> str:
    return event.digest(8).hex()


def _event(packed: bytes) -> MailEvent:
    facts = json.loads(packed)
    return MailEvent(**{**facts, "kind": EventKind(facts["kind"])})
