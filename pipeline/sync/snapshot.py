"""Both sides as they were when last equal: the base of the three-way diff.

A snapshot holds no value, only 4-byte keyed fingerprints, two for each column: what GHL
said and what Mailjet holds. They differ where a vendor rewrites (lower-cased tags, cut
strings), and comparing each side with its own fingerprint is what keeps an echo silent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

from pipeline.sync.activity import Carried
from pipeline.sync.contact import Subscriber
from pipeline.sync.fields import LIST
from pipeline.sync.mapping import CORE, NAME, canonical

UNKNOWN = 0
"""The fingerprint of a value that nobody has told us."""
ADDRESS_BYTES = 8


@dataclass(frozen=True)
class Fingerprint:
    """Keyed hashes: without the key nobody can try addresses or phones against them.

    Args:
        datatypes: Mailjet's, by column; the values of a type have several forms.
    """

    key: bytes
    datatypes: Mapping[str, str] = field(default_factory=lambda: CORE.datatypes)

    def of(self, column: str, value: object) -> int:
        """1 to 2**32-1; equal values of one column give equal numbers."""
        text = "" if value is None else str(value)
        return _fingerprint(self.key, column, text, self.datatypes.get(column, "str"))

    def address(self, email: str) -> bytes:
        """8 bytes that stand for a normalised address."""
        return blake2b(
            email.encode(), key=self.key, digest_size=ADDRESS_BYTES, person=b"address"
        ).digest()

    def subscriber(
        self, columns: tuple[str, ...], subscriber: Subscriber
    ) -> tuple[int, ...]:
        """Mailjet's side of every column; unknown where the record does not tell."""
        return tuple(
            UNKNOWN if value is None else self.of(column, value)
            for column, value in (
                (column, subscriber_value(column, subscriber)) for column in columns
            )
        )

    def wanted(
        self, columns: tuple[str, ...], values: Mapping[str, str]
    ) -> tuple[int, ...]:
        """GHL's side of every column; unknown where GHL's record does not tell."""
        return tuple(
            self.of(column, values[column]) if column in values else UNKNOWN
            for column in columns
        )


@dataclass(frozen=True)
class Snapshot:
    """What we remember of one contact.

    Args:
        digest: of the field map it was made under; another map makes it no base.
        mailjet_id: Mailjet's ContactID, 0 when Mailjet has never had the contact.
        address: fingerprint of the address, empty when there was none.
        opted_out: a no was seen; only a proven opt-in ever clears it.
        excluded: we excluded the contact from campaigns.
        erased: Mailjet had the contact, and somebody deleted it there.
        bounced: we gave the address up, in Mailjet and in GHL.
        held: opted out in a mass: excluded, and not unsubscribed before that is
            confirmed.
        ghl, mailjet: fingerprints by column.
        carried: what was carried of tasks, notes and appointments.
        added_ms, updated_ms: GHL's dates, 0 when unknown.
    """

    digest: bytes
    ghl: tuple[int, ...]
    mailjet: tuple[int, ...]
    mailjet_id: int = 0
    address: bytes = b""
    opted_out: bool = False
    excluded: bool = False
    complained: bool = False
    erased: bool = False
    bounced: bool = False
    held: bool = False
    added_ms: int = 0
    updated_ms: int = 0
    carried: Carried = field(default_factory=Carried)


def bare_snapshot(mailjet_id: int) -> Snapshot:
    """A contact of which we know its ContactID in Mailjet, and not its address."""
    return Snapshot(digest=bytes(4), ghl=(), mailjet=(), mailjet_id=mailjet_id)


@lru_cache(maxsize=1024)
def _fingerprint(key: bytes, column: str, text: str, datatype: str) -> int:
    """Asked for many times in one sync: of what is wanted, written and answered."""
    canon = f"{column}\n{canonical(column, text, datatype)}".encode()
    digest = blake2b(canon, key=key, digest_size=4).digest()
    return int.from_bytes(digest, "big") or 1


def subscriber_value(column: str, subscriber: Subscriber) -> object | None:
    """Mailjet's side of one column; None where the record does not tell."""
    if column == NAME:
        return subscriber.name
    if column.startswith(LIST):
        if subscriber.unsubscribed is None:
            return None
        active = subscriber.unsubscribed.get(int(column.removeprefix(LIST))) is False
        return "1" if active else "0"
    if subscriber.properties is None:
        return None
    value = subscriber.properties.get(column)
    return "" if value is None else value
