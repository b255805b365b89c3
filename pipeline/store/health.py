"""Whether a connection can work at all: failures in a row, the pause, its probes."""

from dataclasses import dataclass
from typing import cast

from redis import Redis

from pipeline.store import scripts
from pipeline.store.state import connection_key

FAILURES_TO_PAUSE = 3
CONTACTS_TO_BLAME_THE_VENDOR = 5
PROBE_SECONDS = 60.0
FIRST_PROBE_SECONDS = 10.0


@dataclass(frozen=True)
class Pause:
    """Why nothing is synced, since when (milliseconds since 1970 UTC)."""

    reason: str
    since_ms: int
    probe_at_ms: int


class Health:
    """One connection's health."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._keys = [
            connection_key(connection, name)
            for name in ("health", "suspects", "attempts")
        ]
        self._script = scripts.load(redis, "health")

    def pause(self, reason: str) -> None:
        """Nobody can be synced: dead credential, unknown list, missing property."""
        first = round(FIRST_PROBE_SECONDS * 1000)
        self._script(keys=self._keys, args=["pause", reason, first])

    def stumble(self, reason: str) -> None:
        """A vendor failed; several failures in a row pause the connection."""
        first = round(FIRST_PROBE_SECONDS * 1000)
        limits = (FAILURES_TO_PAUSE, CONTACTS_TO_BLAME_THE_VENDOR)
        self._script(keys=self._keys, args=["stumble", reason, first, *limits])

    def claim_probe(self) -> bool:
        """Whether the caller should probe the vendors now; one caller is told so."""
        every = round(PROBE_SECONDS * 1000)
        return bool(self._script(keys=self._keys, args=["claim", every]))

    def resume(self) -> None:
        """The probe succeeded: work again, carefully."""
        self._script(keys=self._keys, args=["resume", FAILURES_TO_PAUSE - 1])

    def still_down(self, reason: str) -> None:
        """The probe failed: no attempt since the pause was a contact's fault."""
        self._script(keys=self._keys, args=["still_down", reason])

    def paused(self) -> Pause | None:
        """The pause, None when the connection works."""
        fields = cast("dict[bytes, bytes]", self._redis.hgetall(self._keys[0]))
        if b"paused_ms" not in fields:
            return None
        return Pause(
            fields[b"reason"].decode(),
            int(fields[b"paused_ms"]),
            int(fields[b"probe_at"]),
        )
