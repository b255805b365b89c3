"""Who said no: complete sets, read page by page and put in place whole."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from redis import Redis

from pipeline.store.snapshots import is_opted_out
from pipeline.store.state import connection_key

GHL_SET_SECONDS = 1800
"""A set that was not read again for this long answers nothing any more."""
MASS_LEAST = 10
MASS_SHARE = 0.05
"""More opt-outs of people whom we mail than both in an hour are a mass: a slip of the
pen in GHL looks like one, and an unsubscription in Mailjet cannot be taken back."""
MASS_SECONDS = 3600
CONFIRMED_SECONDS = 86_400
READING_SECONDS = 600
"""Longer than from one page to the next. A set outlives its completion by this, so that
the last page can be repeated after a crash."""


@dataclass
class Mass:
    """Opt-outs in GHL of the last hour, of people whom we mail.

    Args:
        confirmed: an operator said that they are meant.
        held: who waits for that.
        counted: who opted out within the hour.
        contacts: how many contacts there are.
    """

    confirmed: bool
    held: set[str]
    counted: set[str]
    contacts: int

    def holds_back(self, ghl_id: str) -> bool:
        """As `OptOuts.holds_back`, counted here alone."""
        self.counted.add(ghl_id)
        if self.confirmed:
            return False
        too_many = len(self.counted) > max(MASS_LEAST, MASS_SHARE * self.contacts)
        return ghl_id in self.held or too_many


class OptOuts:
    """One connection's sets of opted-out people.

    `optouts:ghl` holds GHL contact ids, `optouts:ghl:addresses` fingerprints of their
    addresses; they lapse when they are not renewed.
    `optouts:mailjet` holds fingerprints of addresses. Each reader fills sets of its own
    (`reader` names it), so that two at a time do not lose each other's pages.
    """

    def __init__(self, redis: "Redis", connection: str) -> None:
        self._redis = redis
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

    def expect(self, ids: Iterable[str]) -> None:
        """These are about to be looked at: a mass is one from its first contact on."""
        if new := list(ids):
            self._redis.sadd(self._mass_key(), *new)
            self._redis.expire(self._mass_key(), 2 * MASS_SECONDS)

    def holds_back(self, ghl_id: str) -> bool:
        """Count an opt-out of somebody whom we mail; whether it is one of a mass.

        Who was held stays so until an operator decides.
        """
        pipe = self._redis.pipeline(transaction=False)
        pipe.exists(self._key("optouts:confirmed"))
        pipe.sismember(self._key("optouts:held"), ghl_id)
        pipe.sadd(self._mass_key(), ghl_id)
        pipe.expire(self._mass_key(), 2 * MASS_SECONDS)
        pipe.scard(self._mass_key())
        pipe.hlen(self._key("snapshots"))
        confirmed, held, _, _, count, contacts = pipe.execute()
        if confirmed:
            return False
        if held or count > max(MASS_LEAST, MASS_SHARE * contacts):
            self._redis.sadd(self._key("optouts:held"), ghl_id)
            return True
        return False

    def mass(self) -> "Mass":
        """What `holds_back` decides from, without counting anything."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.exists(self._key("optouts:confirmed"))
        pipe.smembers(self._key("optouts:held"))
        pipe.smembers(self._mass_key())
        pipe.hlen(self._key("snapshots"))
        confirmed, held, counted, contacts = pipe.execute()
        return Mass(
            bool(confirmed),
            {id_.decode() for id_ in held},
            {id_.decode() for id_ in counted},
            contacts,
        )

    def newcomers(self, ids: Iterable[str]) -> list[str]:
        """Contacts that we may be mailing and that the set in place does not hold."""
        asked = list(ids)
        if not asked:
            return []
        known = self._redis.smismember(self._key("optouts:ghl"), asked)
        pairs = zip(asked, cast("list[int]", known), strict=True)
        new = (id_ for id_, is_known in pairs if not is_known)
        return [id_ for id_ in new if self._is_mailed(id_.encode())]

    def _mass_key(self) -> str:
        return self._key(f"optouts:mass:{int(time.time()) // MASS_SECONDS}")

    def held(self) -> list[str]:
        """Contacts that opted out in a mass: excluded, and not yet unsubscribed."""
        members = cast("set[bytes]", self._redis.smembers(self._key("optouts:held")))
        return sorted(id_.decode() for id_ in members)

    def holds(self, ghl_id: str) -> bool:
        """Whether the contact is one of them."""
        return bool(self._redis.sismember(self._key("optouts:held"), ghl_id))

    def confirm(self) -> None:
        """The mass was meant; what comes within a day passes too."""
        self._redis.set(self._key("optouts:confirmed"), 1, ex=CONFIRMED_SECONDS)

    def release(self, ids: Sequence[str]) -> None:
        """Decided: these are held no more."""
        if ids:
            self._redis.srem(self._key("optouts:held"), *ids)
            self._redis.srem(self._mass_key(), *ids)

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
