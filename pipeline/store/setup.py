"""What `setup` found and made: the right of a connection to write at all."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from redis import Redis

from pipeline.store.state import connection_key
from pipeline.sync.fields import Custom


@dataclass(frozen=True)
class SetupRecord:
    """A successful setup.

    Args:
        key: for keyed fingerprints; made once, never leaves Redis.
        list_id: the Mailjet list that this connection keeps.
        location_name, timezone: as GHL told.
        optout_filter: whether GHL's search answers the filter for opted-out contacts.
        task_search, calendars: whether GHL tells tasks and appointments of the whole
            location at once.
        historic: Mailjet's historic properties that are in place.
        backfill: the operator wants what was there before in the history too.
        done_ms: milliseconds since 1970 UTC.
        custom_fields: GHL's custom fields that the mapping names, by key.
        armed_ms: since when rules look at contacts; 0 while none does.
        appointment_zone: of the times in which GHL lists a contact's appointments; ""
            where it is taken for the location's.
    """

    key: bytes
    list_id: int
    location_name: str
    timezone: str
    optout_filter: bool
    done_ms: int
    task_search: bool = False
    calendars: bool = False
    historic: frozenset[str] = frozenset()
    backfill: bool = False
    custom_fields: Mapping[str, Custom] = field(default_factory=dict)
    armed_ms: int = 0
    appointment_zone: str = ""


def setup_record(fields: Mapping[bytes, bytes]) -> SetupRecord | None:
    """The record as its hash holds it; None before the first successful setup."""
    if b"done_ms" not in fields:
        return None
    return SetupRecord(
        key=fields[b"key"],
        list_id=int(fields[b"list_id"]),
        location_name=fields[b"location_name"].decode(),
        timezone=fields[b"timezone"].decode(),
        optout_filter=fields[b"optout_filter"] == b"1",
        done_ms=int(fields[b"done_ms"]),
        task_search=fields.get(b"task_search") == b"1",
        calendars=fields.get(b"calendars") == b"1",
        historic=frozenset(fields.get(b"historic", b"").decode().split()),
        backfill=fields.get(b"backfill") == b"1",
        custom_fields={
            key: Custom(*facts)
            for key, facts in json.loads(fields.get(b"custom_fields", b"{}")).items()
        },
        armed_ms=int(fields.get(b"armed_ms", 0)),
        appointment_zone=fields.get(b"appointment_zone", b"").decode(),
    )


class SetupStore:
    """Where the record and the watermark of one connection live."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._connection = connection

    def _key(self, name: str) -> str:
        return connection_key(self._connection, name)

    def read(self) -> SetupRecord | None:
        """The record; None before the first successful setup."""
        fields = self._redis.hgetall(self._key("setup"))
        return setup_record(cast("dict[bytes, bytes]", fields))

    def fingerprint_key(self) -> bytes:
        """The key for fingerprints, made at the first call."""
        self._redis.hsetnx(self._key("setup"), "key", secrets.token_bytes(32))
        return cast("bytes", self._redis.hget(self._key("setup"), "key"))

    def save(self, record: SetupRecord) -> None:
        self._redis.hset(
            self._key("setup"),
            mapping={
                "list_id": record.list_id,
                "location_name": record.location_name,
                "timezone": record.timezone,
                "appointment_zone": record.appointment_zone,
                "optout_filter": int(record.optout_filter),
                "done_ms": record.done_ms,
                "task_search": int(record.task_search),
                "calendars": int(record.calendars),
                "historic": " ".join(sorted(record.historic)),
                "backfill": int(record.backfill),
                "custom_fields": json.dumps(
                    {k: (one.id, one.type) for k, one in record.custom_fields.items()}
                ),
            },
        )

    def save_drift(self, report: str) -> None:
        """Keep the counts of the last consent report, as JSON."""
        self._redis.set(self._key("drift"), report)

    def drift(self) -> str:
        """The counts of the last consent report; "" before the first."""
        stored = cast("bytes | None", self._redis.get(self._key("drift")))
        return stored.decode() if stored else ""

    def watermark_ms(self) -> int | None:
        """The newest change already seen; None before the first full run began."""
        stored = cast("bytes | None", self._redis.get(self._key("watermark")))
        return int(stored) if stored else None

    def raise_watermark(self, to_ms: int) -> None:
        """Never lowers it: two readers may finish in any order."""
        if to_ms > (self.watermark_ms() or 0):
            self._redis.set(self._key("watermark"), to_ms)

    def full_run_began(self, at_ms: int) -> None:
        """Remember when a full run last began."""
        self._redis.set(self._key("full_run"), at_ms)

    def arm(self, at_ms: int) -> None:
        """Rules look at contacts from now on, unless they did before."""
        self._redis.hsetnx(self._key("setup"), "armed_ms", at_ms)

    def disarm(self) -> None:
        """No rule looks at contacts any more."""
        self._redis.hdel(self._key("setup"), "armed_ms")

    def full_run_ms(self) -> int | None:
        """When a full run last began; None before the first."""
        stored = cast("bytes | None", self._redis.get(self._key("full_run")))
        return int(stored) if stored else None

    def claim_due(self, task: str, interval_seconds: float) -> bool:
        """Whether `task` is due; true for one caller in each interval.

        This, and not Beat's own clock, decides: two Beats, or none for an hour, do no
        harm.
        """
        taken = self._redis.set(
            self._key(f"due:{task}"), 1, nx=True, px=round(interval_seconds * 1000)
        )
        return bool(taken)

    def rest(self, task: str, seconds: float) -> None:
        """Let `task` be due only after this time; what it took tells how long."""
        self._redis.set(self._key(f"due:{task}"), 1, px=round(seconds * 1000))
