"""Who said no: complete sets, read page by page and put in place whole."""

from collections.abc import Iterable, Sequence
from typing import cast

from redis import Redis

from pipeline.store.mass import GuardKeys, MassGuard
from pipeline.store.snapshots import is_opted_out
from pipeline.store.state import connection_key

GHL_SET_SECONDS = 1800
"""A set that was not read again for this long answers nothing any more."""
READING_SECONDS = 600
"""Longer than from one page to the next. A set outlives its completion by this, so that
the last page can be repeated after a crash."""


class OptOuts(MassGuard):
    """One connection's sets of opted-out people, and the guard against a mass of them:
    of people whom we mail, and who opted out in GHL.

    `optouts:ghl` holds GHL contact ids, `optouts:ghl:addresses` fingerprints of their
    addresses; they lapse when they are not renewed.
    `optouts:mailjet` holds fingerprints of addresses. Each reader fills sets of its own
    (`reader` names it), so that two at a time do not lose each other's pages.
    """

    def __init__(self, redis: "Redis", connection: str) -> None:
        keys = GuardKeys(
            snapshots=connection_key(connection, "snapshots"),
            confirmed=connection_key(connection, "optouts:confirmed"),
            held=connection_key(connection, "optouts:held"),
            hour=lambda hour: connection_key(connection, f"optouts:mass:{hour}"),
        )
        super().__init__(redis, keys)
        self._connection = connection

    def _key(self, name: str) -> str:
        return connection_key(self._connection, name)

    def add_ghl(
        self,
        reader: str,
        ids: Iterable[str],
        addresses: Iterable[bytes] = (),
        *,
        first: bool,
    ) -> bool:
        """One page of who opted out in GHL; False where reading has to begin again.

        Args:
            addresses: fingerprints, as far as the rows tell: another contact may have
                the same one, and be synced first.
        """
        # The set of nobody is complete as well, and Redis keeps no empty set.
        key = self._key(f"optouts:ghl:next:{reader}")
        return self._add(key, ["", *ids], first=first) and self._add(
            self._key(f"optouts:ghl:next:{reader}:addresses"),
            [b"", *addresses],
            first=first,
        )

    def complete_ghl(self, reader: str) -> list[str]:
        """Put the set just read in place.

        Returns:
            Contacts that we may be mailing and that are new in the set.
        """
        new, old = self._key(f"optouts:ghl:next:{reader}"), self._key("optouts:ghl")
        addresses = self._key("optouts:ghl:addresses")
        added = cast("set[bytes]", self._redis.sdiff([new, old]))
        pipe = self._redis.pipeline()
        pipe.sunionstore(old, [new])
        pipe.sunionstore(addresses, [self._key(f"optouts:ghl:next:{reader}:addresses")])
        pipe.expire(old, GHL_SET_SECONDS)
        pipe.expire(addresses, GHL_SET_SECONDS)
        pipe.execute()
        return [id_.decode() for id_ in added if id_ and self._is_mailed(id_)]

    def newcomers(self, ids: Iterable[str]) -> list[str]:
        """Contacts that we may be mailing and that the set in place does not hold."""
        asked = list(ids)
        if not asked:
            return []
        known = self._redis.smismember(self._key("optouts:ghl"), asked)
        pairs = zip(asked, cast("list[int]", known), strict=True)
        new = (id_ for id_, is_known in pairs if not is_known)
        return [id_ for id_ in new if self._is_mailed(id_.encode())]

    def forget_ghl(self, ghl_id: str, address: bytes) -> None:
        """What the set was read for has changed: who still opts out is read again."""
        self._redis.srem(self._key("optouts:ghl"), ghl_id)
        addresses = self._key("optouts:ghl:addresses")
        self._redis.srem(addresses, cast("str", address))

    def _is_mailed(self, ghl_id: bytes) -> bool:
        packed = self._redis.hget(self._key("snapshots"), ghl_id.decode())
        return packed is not None and not is_opted_out(cast("bytes", packed))

    def add_unsubscribed(
        self, reader: str, mailjet_ids: Iterable[int], *, first: bool
    ) -> bool:
        """One page of Mailjet's unsubscribed ContactIDs; `add_mailjet` needs them."""
        ids = [0, *mailjet_ids]
        return self._add(self._key(f"unsubscribed:{reader}"), ids, first=first)

    def are_unsubscribed(
        self, reader: str, mailjet_ids: Iterable[int]
    ) -> list[bool] | None:
        """Which of them are; None where reading has to begin again."""
        key = self._key(f"unsubscribed:{reader}")
        known, *found = self._redis.smismember(key, [0, *mailjet_ids])
        return [bool(there) for there in found] if known else None

    def add_mailjet(
        self, reader: str, addresses: Iterable[bytes], *, first: bool
    ) -> bool:
        """One page of addresses that Mailjet has a no from."""
        key = self._key(f"optouts:mailjet:next:{reader}")
        return self._add(key, [b"", *addresses], first=first)

    def complete_mailjet(self, reader: str) -> None:
        """Put the set just read in place; it stays until the next complete one."""
        new = self._key(f"optouts:mailjet:next:{reader}")
        self._redis.sunionstore(self._key("optouts:mailjet"), [new])

    def _add(
        self, key: str, members: Sequence[str | int | bytes], *, first: bool
    ) -> bool:
        return add_to_set_being_read(self._redis, key, members, first=first)

    def without_no_in_mailjet(self, addresses: Iterable[bytes]) -> list[bytes]:
        """Those of whom the set of Mailjet's noes tells none."""
        asked = cast("list[str]", list(addresses))
        if not asked:
            return []
        noes = self._redis.smismember(self._key("optouts:mailjet"), asked)
        pairs = zip(cast("list[bytes]", asked), noes, strict=True)
        return [address for address, says_no in pairs if not says_no]

    def counts(self) -> tuple[int, int]:
        """How many said no in GHL and in Mailjet."""
        ghl = self._redis.scard(self._key("optouts:ghl"))
        mailjet = self._redis.scard(self._key("optouts:mailjet"))
        return max(0, ghl - 1), max(0, mailjet - 1)


def add_to_set_being_read(
    redis: "Redis", key: str, members: Sequence[str | int | bytes], *, first: bool
) -> bool:
    """Add one page to a set; False where reading has to begin again.

    A page that comes after its set has lapsed must not begin another one, which would
    hold this page alone.
    """
    if not first and not redis.exists(key):
        return False
    pipe = redis.pipeline()
    if first:
        pipe.delete(key)
    pipe.sadd(key, *cast("Sequence[str]", members))
    pipe.expire(key, READING_SECONDS)
    pipe.execute()
    return True
