"""Who said no: complete sets, read page by page and put in place whole."""

from collections.abc import Iterable
from typing import cast

from redis import Redis

from pipeline.store.snapshots import is_opted_out
from pipeline.store.state import connection_key

GHL_SET_SECONDS = 1800
"""A set that was not read again for this long answers nothing any more."""
READING_SECONDS = 3600
BATCH = 1000


class OptOuts:
    """One connection's sets of opted-out people.

    `optouts:ghl` holds GHL contact ids and lapses when it is not renewed;
    `optouts:mailjet` holds fingerprints of addresses.
    """

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
        self._connection = connection

    def _key(self, name: str) -> str:
        return connection_key(self._connection, name)

    def add_ghl(self, ids: Iterable[str], *, first: bool) -> None:
        """One page of GHL's opted-out ids."""
        key = self._key("optouts:ghl:next")
        pipe = self._redis.pipeline()
        if first:
            pipe.delete(key)
        # The set of nobody is complete as well, and Redis keeps no empty set.
        pipe.sadd(key, "", *ids)
        pipe.expire(key, READING_SECONDS)
        pipe.execute()

    def complete_ghl(self) -> list[str]:
        """Put the set just read in place.

        Returns:
            Contacts that we may be mailing and that are new in the set.
        """
        new, old = self._key("optouts:ghl:next"), self._key("optouts:ghl")
        added = cast("set[bytes]", self._redis.sdiff([new, old]))
        pipe = self._redis.pipeline()
        pipe.rename(new, old)
        pipe.expire(old, GHL_SET_SECONDS)
        pipe.execute()
        return [id_.decode() for id_ in added if id_ and self._is_mailed(id_)]

    def _is_mailed(self, ghl_id: bytes) -> bool:
        packed = self._redis.hget(self._key("snapshots"), ghl_id.decode())
        return packed is not None and not is_opted_out(cast("bytes", packed))

    def add_unsubscribed(self, mailjet_ids: Iterable[int], *, first: bool) -> None:
        """One page of Mailjet's unsubscribed ContactIDs; `add_mailjet` needs them."""
        key = self._key("unsubscribed")
        pipe = self._redis.pipeline()
        if first:
            pipe.delete(key)
        pipe.sadd(key, 0, *mailjet_ids)
        pipe.expire(key, READING_SECONDS)
        pipe.execute()

    def are_unsubscribed(self, mailjet_ids: Iterable[int]) -> list[bool]:
        ids = list(mailjet_ids)
        if not ids:
            return []
        key = self._key("unsubscribed")
        return [bool(found) for found in self._redis.smismember(key, ids)]

    def add_mailjet(self, addresses: Iterable[bytes], *, first: bool) -> None:
        """One page of addresses that Mailjet has a no from."""
        key = self._key("optouts:mailjet:next")
        pipe = self._redis.pipeline()
        if first:
            pipe.delete(key)
        pipe.sadd(key, b"", *addresses)
        pipe.expire(key, READING_SECONDS)
        pipe.execute()

    def complete_mailjet(self) -> None:
        """Put the set just read in place; it stays until the next complete one."""
        new, current = self._key("optouts:mailjet:next"), self._key("optouts:mailjet")
        pipe = self._redis.pipeline()
        pipe.rename(new, current)
        pipe.persist(current)
        pipe.delete(self._key("unsubscribed"))
        pipe.execute()

    def counts(self) -> tuple[int, int]:
        """How many said no in GHL and in Mailjet."""
        ghl = self._redis.scard(self._key("optouts:ghl"))
        mailjet = self._redis.scard(self._key("optouts:mailjet"))
        return max(0, ghl - 1), max(0, mailjet - 1)
