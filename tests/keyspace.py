"""What is written in Redis, and which rows of `store/state.py` explain it."""

from fnmatch import fnmatchcase
from types import TracebackType
from typing import Self

from redis import Redis

from pipeline.store.state import CONNECTION_KEYS, PREFIX, PROCESS_KEYS, Key

END = "end of listening"


class Touched:
    """Hears inside `with` of every key that anybody writes, in whichever database."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._listener = redis.pubsub(ignore_subscribe_messages=True)

    def __enter__(self) -> Self:
        self._redis.config_set("notify-keyspace-events", "KA")
        self._listener.psubscribe("__keyspace@*__:*", END)
        self.written()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        self._redis.config_set("notify-keyspace-events", "")

    def written(self) -> set[tuple[int, str]]:
        """Database and name of each that was written since the last call."""
        self._redis.publish(END, "")
        found = set()
        for message in self._listener.listen():
            place, _, key = message["channel"].decode().partition("__:")
            if place == END:
                break
            found.add((int(place.partition("@")[2]), key))
        return found


def rows_of(key: str, connection: str = "default") -> list[Key]:
    """The rows of the table that explain a key."""
    own = f"{PREFIX}{connection}:"
    of_connection = key.startswith(own)
    rows, before = (CONNECTION_KEYS, own) if of_connection else (PROCESS_KEYS, PREFIX)
    return [row for row in rows if fnmatchcase(key, before + pattern(row))]


def pattern(row: Key) -> str:
    """A row whose name ends in a colon is of a family, one key for each id."""
    return f"{row.name}*" if row.name.endswith(":") else row.name
