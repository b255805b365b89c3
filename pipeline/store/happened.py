"""Which of Mailjet's events were heard already, and how far its feeds were read."""

from collections import defaultdict
from collections.abc import Iterable
from typing import cast

from redis import Redis

from pipeline.store.state import connection_key
from pipeline.sync.mail_event import MailEvent

KEPT_SECONDS = 10 * 86_400
"""Longer than Mailjet repeats an event (24 hours), and than any window overlaps."""
DAY_MS = 86_400_000
DIGEST_BYTES = 8
FEEDS = ("unsub", "spam", "bounces")
"""Those that are read whatever the rules are."""


class Happened:
    """One connection's events, each as 8 keyed bytes in the set of its day."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._connection = connection

    def _key(self, name: str) -> str:
        return connection_key(self._connection, name)

    def unheard(self, events: Iterable[MailEvent], key: bytes) -> list[MailEvent]:
        """Those not heard before, each once.

        Args:
            key: of fingerprints.
        """
        by_digest = {
            (_day(event), event.digest(DIGEST_BYTES, key)): event for event in events
        }
        pipe = self._redis.pipeline(transaction=False)
        for day, digest in by_digest:
            pipe.sismember(self._key(f"happened:{day}"), cast("str", digest))
        known = pipe.execute() if by_digest else []
        pairs = zip(by_digest.values(), known, strict=True)
        return [event for event, was_heard in pairs if not was_heard]

    def heard(self, events: Iterable[MailEvent], key: bytes) -> None:
        """These were acted on."""
        by_day: dict[int, list[bytes]] = defaultdict(list)
        for event in events:
            by_day[_day(event)].append(event.digest(DIGEST_BYTES, key))
        pipe = self._redis.pipeline()
        for day, digests in by_day.items():
            pipe.sadd(self._key(f"happened:{day}"), *cast("list[str]", digests))
            pipe.expire(self._key(f"happened:{day}"), KEPT_SECONDS)
        pipe.execute()

    def begin_all(self, at_ms: int) -> None:
        """Read what consent hangs on from this time on, where it is not read yet."""
        for feed in FEEDS:
            self.begin(feed, at_ms)

    def begin(self, feed: str, at_ms: int) -> int:
        """Up to when a feed was read; from this time on where it never was."""
        self._redis.set(self._key(f"reading:{feed}"), at_ms, nx=True)
        return int(cast("bytes", self._redis.get(self._key(f"reading:{feed}"))))

    def read_to(self, feed: str, at_ms: int) -> None:
        self._redis.set(self._key(f"reading:{feed}"), at_ms)


def _day(event: MailEvent) -> int:
    return event.at_ms // DAY_MS
