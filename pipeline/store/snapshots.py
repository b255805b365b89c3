"""Snapshots and rows as bytes: about 160 for a snapshot, 500 for a cached row."""

import json
import struct
import zlib
from collections.abc import Mapping

from pipeline.sync.activity import Carried
from pipeline.sync.contact import Contact
from pipeline.sync.snapshot import ADDRESS_BYTES, Snapshot

HEAD = struct.Struct(f">4sBQQQ{ADDRESS_BYTES}s")
OPTED_OUT, EXCLUDED, COMPLAINED, ADDRESS, ERASED, BOUNCED, HELD = 1, 2, 4, 8, 16, 32, 64
COLUMNS = struct.Struct(">H")
AROUND = struct.Struct(">BIII")
"""Flags, the state of the meetings, seconds of the last look, bytes of the tasks."""
TASKS, NOTES, MEETINGS, BACKFILLED = 1, 2, 4, 8
STATE = struct.Struct(">HI")
"""Bytes of an id, its state; the id follows."""


def pack_snapshot(snapshot: Snapshot) -> bytes:
    flags = (
        OPTED_OUT * snapshot.opted_out
        | EXCLUDED * snapshot.excluded
        | COMPLAINED * snapshot.complained
        | ADDRESS * bool(snapshot.address)
        | ERASED * snapshot.erased
        | BOUNCED * snapshot.bounced
        | HELD * snapshot.held
    )
    head = HEAD.pack(
        snapshot.digest,
        flags,
        snapshot.mailjet_id,
        _moment(snapshot.added_ms),
        _moment(snapshot.updated_ms),
        snapshot.address,
    )
    return (
        head
        + _pack_sides(snapshot.ghl, snapshot.mailjet)
        + _pack_carried(snapshot.carried)
    )


def _moment(milliseconds: int) -> int:
    """GHL may tell the year 1, or one that no clock reaches."""
    return min(max(milliseconds, 0), 2**63 - 1)


def unpack_snapshot(packed: bytes) -> Snapshot | None:
    """The snapshot; None when there is none."""
    if not packed:
        return None
    digest, flags, mailjet_id, added_ms, updated_ms, address = HEAD.unpack_from(packed)
    ghl, mailjet, rest = _unpack_sides(packed[HEAD.size :])
    return Snapshot(
        digest=digest,
        ghl=ghl,
        mailjet=mailjet,
        mailjet_id=mailjet_id,
        address=address if flags & ADDRESS else b"",
        opted_out=bool(flags & OPTED_OUT),
        excluded=bool(flags & EXCLUDED),
        complained=bool(flags & COMPLAINED),
        erased=bool(flags & ERASED),
        bounced=bool(flags & BOUNCED),
        held=bool(flags & HELD),
        added_ms=added_ms,
        updated_ms=updated_ms,
        carried=_unpack_carried(rest),
    )


def _pack_sides(ghl: tuple[int, ...], mailjet: tuple[int, ...]) -> bytes:
    """Both sides; of Mailjet's only what differs, behind a bit for each column."""
    differing = [theirs != ours for ours, theirs in zip(ghl, mailjet, strict=True)]
    bits = sum(1 << at for at, is_other in enumerate(differing) if is_other)
    others = (one for one, is_other in zip(mailjet, differing, strict=True) if is_other)
    mask = bits.to_bytes((len(ghl) + 7) // 8, "big")
    return COLUMNS.pack(len(ghl)) + pack_side(ghl) + mask + pack_side(tuple(others))


def _unpack_sides(packed: bytes) -> tuple[tuple[int, ...], tuple[int, ...], bytes]:
    """Both sides, and the bytes behind them."""
    count = COLUMNS.unpack_from(packed)[0]
    mask_at = COLUMNS.size + 4 * count
    others_at = mask_at + (count + 7) // 8
    ghl = unpack_side(packed[COLUMNS.size : mask_at]) or ()
    bits = int.from_bytes(packed[mask_at:others_at], "big")
    end = others_at + 4 * bits.bit_count()
    others = iter(unpack_side(packed[others_at:end]) or ())
    mailjet = tuple(
        next(others) if bits >> at & 1 else ours for at, ours in enumerate(ghl)
    )
    return ghl, mailjet, packed[end:]


def _pack_carried(carried: Carried) -> bytes:
    """26 bytes for each task and note, 13 for the rest; empty for nothing."""
    flags = (
        TASKS * (carried.tasks is not None)
        | NOTES * (carried.notes is not None)
        | MEETINGS * (carried.meetings is not None)
        | BACKFILLED * carried.backfilled
    )
    if not flags:
        return b""
    tasks, notes = _pack_states(carried.tasks or {}), _pack_states(carried.notes or {})
    seconds = carried.looked_ms // 1000
    return (
        AROUND.pack(flags, carried.meetings or 0, seconds, len(tasks)) + tasks + notes
    )


def _unpack_carried(packed: bytes) -> Carried:
    if not packed:
        return Carried()
    flags, meetings, seconds, size = AROUND.unpack_from(packed)
    notes_at = AROUND.size + size
    return Carried(
        tasks=_unpack_states(packed[AROUND.size : notes_at]) if flags & TASKS else None,
        notes=_unpack_states(packed[notes_at:]) if flags & NOTES else None,
        meetings=meetings if flags & MEETINGS else None,
        backfilled=bool(flags & BACKFILLED),
        looked_ms=seconds * 1000,
    )


def _pack_states(states: Mapping[str, int]) -> bytes:
    parts = []
    for item_id, state in states.items():
        name = item_id.encode("utf-8", "surrogatepass")
        parts.append(STATE.pack(len(name), state) + name)
    return b"".join(parts)


def _unpack_states(packed: bytes) -> dict[str, int]:
    states, at = {}, 0
    while at < len(packed):
        size, state = STATE.unpack_from(packed, at)
        start = at + STATE.size
        at = start + size
        states[packed[start:at].decode("utf-8", "surrogatepass")] = state
    return states


def is_opted_out(packed: bytes) -> bool:
    """The flag alone, for scans over many snapshots."""
    return bool(packed[4] & OPTED_OUT)


def is_of_other_map(packed: bytes, digest: bytes) -> bool:
    """Whether it has an address and was made under another field map than this one."""
    made_under, flags = HEAD.unpack_from(packed)[:2]
    return bool(flags & ADDRESS) and made_under != digest


def unsubscribed_id(packed: bytes) -> int:
    """Mailjet's id of a contact that we unsubscribed; 0 of all others."""
    flags, mailjet_id = HEAD.unpack_from(packed)[1:3]
    return int(mailjet_id) if flags & OPTED_OUT and not flags & HELD else 0


def updated_ms(packed: bytes) -> int:
    """GHL's `dateUpdated` alone, for scans over many snapshots."""
    return int(HEAD.unpack_from(packed)[4])


def newest_ms(packed: bytes) -> int:
    """The later of GHL's `dateAdded` and `dateUpdated`."""
    added, updated = HEAD.unpack_from(packed)[3:5]
    return max(int(added), int(updated))


def carried_of(packed: bytes | None) -> Carried:
    """What was carried alone, for scans over many snapshots; empty for no snapshot."""
    return (
        _unpack_carried(_unpack_sides(packed[HEAD.size :])[2]) if packed else Carried()
    )


def pack_side(fingerprints: tuple[int, ...]) -> bytes:
    return struct.pack(f">{len(fingerprints)}I", *fingerprints)


def unpack_side(packed: bytes) -> tuple[int, ...] | None:
    return struct.unpack(f">{len(packed) // 4}I", packed) if packed else None


def pack_row(contact: Contact) -> bytes:
    # `asdict` would copy all of it first, which costs ten times the rest.
    return zlib.compress(json.dumps(vars(contact)).encode(), level=1)


def unpack_row(packed: bytes) -> Contact | None:
    if not packed:
        return None
    fields = json.loads(zlib.decompress(packed))
    tags = fields.pop("tags")
    return Contact(**fields, tags=None if tags is None else tuple(tags))
