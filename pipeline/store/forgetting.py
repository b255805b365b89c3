"""All that state keeps of one person, taken out key by key of the table.

Every row of `CONNECTION_KEYS` says here how it holds a person, or that it holds nobody;
`tests/integration/test_forgetting.py` finds a new row that does neither.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, cast

from redis import Redis

from pipeline.store.state import connection_prefix

SCAN_COUNT = 1000


class Holds(Enum):
    """How a key holds a person: what its fields or members are, or its name ends in."""

    NOBODY = "nobody"
    ID = "contact ids"
    ADDRESS = "hashes of addresses"
    EITHER = "ids or hashes"
    MAILJET_ID = "Mailjet's ids"
    CROSSING = "a letter and an id"
    SUSPECT = "a vendor and an id"
    NAMED_BY_ID = "the key ends in the id"
    NAMED_BY_ADDRESS = "the key ends in the hash"
    LISTED = "hash to the ids that have it"
    ENTRIES = "entries of Mailjet's subscribers"
    ORDER = "ids of orders"
    NAMED_BY_ORDER = "the key ends in the id of an order"
    PLACED = "orders, by their id"
    FAILURES = "which contacts a vendor failed with"


HOLDS: Mapping[str, Holds] = {
    **dict.fromkeys(
        (
            *("todo:bulk", "todo:live", "todo:consent", "leased", "tokens", "lanes"),
            *("owners", "again", "writing", "attempts", "expiries", "dead", "found"),
            *("open", "consent", "optouts:mass:*", "optouts:held", "seen", "touched"),
            *("emptying:mass:*", "emptying:held"),
            *("swept:tasks", "swept:meetings", "sweep:*", "differing:*", "pointed:*"),
            *("optouts:ghl", "deleted:*", "rules", "orders:of", "orders:day"),
        ),
        Holds.ID,
    ),
    **dict.fromkeys(
        (
            *("held", "alive", "optouts:ghl:addresses", "optouts:mailjet"),
            "optouts:mailjet:next:*",
        ),
        Holds.ADDRESS,
    ),
    **dict.fromkeys(("told", "optouts:ghl:next:*"), Holds.EITHER),
    **dict.fromkeys(("members:*", "unsubscribed:*"), Holds.MAILJET_ID),
    "crossings": Holds.CROSSING,
    "suspects": Holds.SUSPECT,
    **dict.fromkeys(("row:", "incoming:*", "timeline:"), Holds.NAMED_BY_ID),
    **dict.fromkeys(("interactions:*", "engaged:*"), Holds.NAMED_BY_ADDRESS),
    "strangers": Holds.ENTRIES,
    **dict.fromkeys(("orders:ready", "orders:out", "orders:ended"), Holds.ORDER),
    "message:": Holds.NAMED_BY_ORDER,
    "health": Holds.FAILURES,
    **dict.fromkeys(
        (
            # The page of a listing under way may be named by the contact before it.
            *(
                "run",
                "runs",
                "drift",
                "success",
                "callbacks",
                "optouts:confirmed",
                "emptying:confirmed",
                "reading:*",
                "happened:*",
            ),
            *("turn:notes", "feed:*", "listed:*", "fence", "rests", "rests:bulk"),
            *("paused", "calls"),
            *("setup", "watermark", "full_run", "missing", "missing:accepted", "due:*"),
            "campaigns",
        ),
        Holds.NOBODY,
    ),
    # Last: by these whoever was interrupted finds the person, and the orders, again.
    "orders": Holds.PLACED,
    "snapshots": Holds.ID,
    "addresses": Holds.LISTED,
}
CROSSING_LETTERS = "tae"
VENDORS = ("ghl", "mailjet")


@dataclass(frozen=True)
class Traces:
    """By what one person is known here.

    Args:
        ids: in the ledger: GHL's, and `mailjet:ID`.
        addresses: keyed hashes.
        mailjet_ids: of the person's subscribers.
        orders: of the contacts; `Forgetting` finds them.
    """

    ids: Sequence[str]
    addresses: Sequence[bytes]
    mailjet_ids: Sequence[int]
    orders: Sequence[bytes] = ()

    def members(self, holds: Holds) -> list[bytes]:
        """What fields and members of such a key are the person's."""
        ids = [one.encode() for one in self.ids]
        match holds:
            case Holds.ID:
                return ids
            case Holds.ADDRESS:
                return list(self.addresses)
            case Holds.EITHER:
                return [*ids, *self.addresses]
            case Holds.MAILJET_ID:
                return [str(one).encode() for one in self.mailjet_ids]
            case Holds.CROSSING:
                return [letter.encode() + i for letter in CROSSING_LETTERS for i in ids]
            case Holds.ORDER | Holds.PLACED:
                return list(self.orders)
            case Holds.SUSPECT:
                return [
                    f"{vendor}:{i}".encode() for vendor in VENDORS for i in self.ids
                ]
        return []


class Forgetting:
    """Takes persons out of one connection's state."""

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._prefix = connection_prefix(connection)

    def forget(self, traces: Traces) -> int:
        """Take a person out of every key; how many entries there were.

        Only while nobody works on the contacts; what is left after a crash is found
        again, and repeating does no harm.
        """
        traces = replace(traces, orders=self._orders_of(traces.ids))
        taken = self._delete(traces)
        names = self._names()
        for row, holds in HOLDS.items():
            for name in (name for name in names if fnmatchcase(name, row)):
                taken += self._take(self._prefix + name, holds, traces)
        return taken

    def _names(self) -> list[str]:
        """Of all keys but the families with one for each person, which are many."""
        found = self._redis.scan_iter(f"{self._prefix}*", count=SCAN_COUNT)
        names = (key.decode().removeprefix(self._prefix) for key in found)
        own = tuple(row.rstrip("*") for row, how in HOLDS.items() if _is_named(how))
        return [name for name in names if not name.startswith(own)]

    def _delete(self, traces: Traces) -> int:
        """Whole keys of the person's."""
        ends = {
            Holds.NAMED_BY_ID: list(traces.ids),
            Holds.NAMED_BY_ADDRESS: [one.hex() for one in traces.addresses],
            Holds.NAMED_BY_ORDER: [one.decode() for one in traces.orders],
        }
        keys = [
            f"{self._prefix}{row.rstrip('*')}{end}"
            for row, how in HOLDS.items()
            for end in ends.get(how, ())
        ]
        return int(self._redis.delete(*keys)) if keys else 0

    def _take(self, key: str, holds: Holds, traces: Traces) -> int:
        if holds is Holds.LISTED:
            return self._unlist(key, traces)
        if holds is Holds.ENTRIES:
            return self._drop(key, self._entries_of(key, traces.mailjet_ids))
        if holds is Holds.FAILURES:
            return self._forgive(key, traces.ids)
        return self._drop(key, traces.members(holds))

    def _drop(self, key: str, members: Sequence[bytes]) -> int:
        """Fields of a hash, members of a set."""
        some = cast("Sequence[str]", members)
        if not some:
            return 0
        match self._redis.type(key):
            case b"hash":
                return int(self._redis.hdel(key, *some))
            case b"set":
                return int(self._redis.srem(key, *some))
            case b"zset":
                return int(self._redis.zrem(key, *some))
        return 0

    def _unlist(self, key: str, traces: Traces) -> int:
        """Of whom else has the address nothing is forgotten."""
        taken, gone = 0, set(traces.ids)

        def change(pipe: Any) -> None:
            nonlocal taken
            stored = pipe.hmget(key, list(traces.addresses))
            pipe.multi()
            for address, listed in zip(traces.addresses, stored, strict=True):
                ids = [i for i in (listed or b"").decode().split(",") if i]
                stay = [i for i in ids if i not in gone]
                taken += len(ids) - len(stay)
                if stay:
                    pipe.hset(key, address, ",".join(stay))
                else:
                    pipe.hdel(key, address)

        if traces.addresses:
            self._redis.transaction(change, key)
        return taken

    def _entries_of(self, key: str, mailjet_ids: Iterable[int]) -> list[bytes]:
        theirs = set(mailjet_ids)
        found = self._redis.hscan_iter(key, count=SCAN_COUNT)
        return [e for e, kept in found if json.loads(kept)["contact_id"] in theirs]

    def _orders_of(self, ids: Iterable[str]) -> list[bytes]:
        """A campaign's is placed by one contact, and begins with none."""
        theirs = set(ids)
        found = self._redis.hscan_iter(f"{self._prefix}orders", count=SCAN_COUNT)
        return [id_ for id_, kept in found if json.loads(kept)["contact"] in theirs]

    def _forgive(self, key: str, ids: Iterable[str]) -> int:
        """Failures of a vendor's are told by contact; fewer of them pause later."""
        taken = 0
        fields = cast("dict[bytes, bytes]", self._redis.hgetall(key))
        for field, told in fields.items():
            if not field.startswith(b"failures:"):
                continue
            each = [one for one in told.decode().split(";") if one]
            stay = [e for e in each if not e.strip().startswith(_occurrences(ids))]
            taken += len(each) - len(stay)
            self._redis.hset(key, field.decode(), "".join(f"{one};" for one in stay))
        return taken


def _is_named(holds: Holds) -> bool:
    named = (Holds.NAMED_BY_ID, Holds.NAMED_BY_ADDRESS, Holds.NAMED_BY_ORDER)
    return holds in named


def _occurrences(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{one}:" for one in ids)
