"""Snapshots and rows as bytes: about 200 for a snapshot, 500 for a cached row."""

import json
import struct
import zlib
from dataclasses import asdict

from pipeline.sync.contact import Contact
from pipeline.sync.snapshot import ADDRESS_BYTES, Snapshot

HEAD = struct.Struct(f">4sBQQQ{ADDRESS_BYTES}s")
OPTED_OUT, EXCLUDED, COMPLAINED, ADDRESS, ERASED = 1, 2, 4, 8, 16


def pack_snapshot(snapshot: Snapshot) -> bytes:
    flags = (
        OPTED_OUT * snapshot.opted_out
        | EXCLUDED * snapshot.excluded
        | COMPLAINED * snapshot.complained
        | ADDRESS * bool(snapshot.address)
        | ERASED * snapshot.erased
    )
    head = HEAD.pack(
        snapshot.digest,
        flags,
        snapshot.mailjet_id,
        _moment(snapshot.added_ms),
        _moment(snapshot.updated_ms),
        snapshot.address,
    )
    return head + pack_side(snapshot.ghl) + pack_side(snapshot.mailjet)


def _moment(milliseconds: int) -> int:
    """GHL may tell the year 1, or one that no clock reaches."""
    return min(max(milliseconds, 0), 2**63 - 1)


def unpack_snapshot(packed: bytes) -> Snapshot | None:
    """The snapshot; None when there is none."""
    if not packed:
        return None
    digest, flags, mailjet_id, added_ms, updated_ms, address = HEAD.unpack_from(packed)
    sides = unpack_side(packed[HEAD.size :]) or ()
    half = len(sides) // 2
    return Snapshot(
        digest=digest,
        ghl=sides[:half],
        mailjet=sides[half:],
        mailjet_id=mailjet_id,
        address=address if flags & ADDRESS else b"",
        opted_out=bool(flags & OPTED_OUT),
        excluded=bool(flags & EXCLUDED),
        complained=bool(flags & COMPLAINED),
        erased=bool(flags & ERASED),
        added_ms=added_ms,
        updated_ms=updated_ms,
    )


def is_opted_out(packed: bytes) -> bool:
    """The flag alone, for scans over many snapshots."""
    return bool(packed[4] & OPTED_OUT)


def updated_ms(packed: bytes) -> int:
    """GHL's `dateUpdated` alone, for scans over many snapshots."""
    return int(HEAD.unpack_from(packed)[4])


def newest_ms(packed: bytes) -> int:
    """The later of GHL's `dateAdded` and `dateUpdated`."""
    added, updated = HEAD.unpack_from(packed)[3:5]
    return max(int(added), int(updated))


def pack_side(fingerprints: tuple[int, ...]) -> bytes:
    return struct.pack(f">{len(fingerprints)}I", *fingerprints)


def unpack_side(packed: bytes) -> tuple[int, ...] | None:
    return struct.unpack(f">{len(packed) // 4}I", packed) if packed else None


def pack_row(contact: Contact) -> bytes:
    return zlib.compress(json.dumps(asdict(contact)).encode(), level=1)


def unpack_row(packed: bytes) -> Contact | None:
    if not packed:
        return None
    fields = json.loads(zlib.decompress(packed))
    tags = fields.pop("tags")
    return Contact(**fields, tags=None if tags is None else tuple(tags))
