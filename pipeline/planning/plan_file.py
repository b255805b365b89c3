"""A plan as a file that holds nobody's data: ids, kinds of writes, keyed digests.

The first line tells what it is, then come a version, a keyed checksum under the key of
the setup, and the plan as compressed JSON.
"""

import json
import zlib
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.planning.writes import Effect, Kind, Plan, Turn, Write
from pipeline.sync.snapshot import Fingerprint

MAGIC = b"ghl-mailjet plan\n"
VERSION = 1
CHECK_BYTES = 16
LARGEST_BYTES = 500_000_000
"""Of the JSON; a million contacts are less."""


def save_plan(plan: Plan, path: Path, fingerprint: Fingerprint) -> None:
    """Write what applying needs, for the owner's eyes alone.

    Raises:
        ConfigError: it cannot be written there.
    """
    packed = zlib.compress(json.dumps(_told(plan)).encode(), level=6)
    head = MAGIC + VERSION.to_bytes(2, "big") + _check(packed, fingerprint)
    try:
        path.touch(mode=0o600)
        path.write_bytes(head + packed)
    except OSError as error:
        raise ConfigError([f"--out: {error.strerror}"]) from None


def load_plan(path: Path, fingerprint: Fingerprint) -> Plan:
    """Read it back; its writes have no changes.

    Raises:
        ConfigError: it is no plan, damaged, newer, or made under another setup.
    """
    try:
        held = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"the plan cannot be read: {error.strerror}"]) from None
    if not held.startswith(MAGIC):
        raise ConfigError(["not a plan: make one with `ghl-mailjet plan --out FILE`"])
    start = len(MAGIC)
    version = int.from_bytes(held[start : start + 2], "big")
    if version > VERSION:
        words = f"version {version}, and this program knows up to {VERSION}"
        raise ConfigError([f"the plan is newer than this program: {words}"])
    check, packed = held[start + 2 : start + 2 + CHECK_BYTES], held[start + 18 :]
    if version != VERSION or check != _check(packed, fingerprint):
        raise ConfigError(["the plan is damaged, or was made under another setup"])
    return _plan(json.loads(zlib.decompressobj().decompress(packed, LARGEST_BYTES)))


def _check(packed: bytes, fingerprint: Fingerprint) -> bytes:
    return blake2b(
        packed, key=fingerprint.key, digest_size=CHECK_BYTES, person=b"plan"
    ).digest()


def _told(plan: Plan) -> dict[str, Any]:
    """Routes and names once, in tables: each write is a few numbers and its digest."""
    table = sorted({(w.vendor, w.route, w.kind) for t in plan.needed for w in t.writes})
    routes = sorted({route for turn in plan.needed for route in turn.calls})
    rows = {row: number for number, row in enumerate(table)}
    places = {route: number for number, route in enumerate(routes)}
    return {
        "connection": plan.connection,
        "location": plan.location_id,
        "list": plan.list_id,
        "map": plan.map_digest.hex(),
        "made_ms": plan.made_ms,
        "whole": plan.is_whole,
        "before": plan.before,
        "writes": table,
        "routes": routes,
        "turns": [
            [
                turn.contact_id,
                turn.outcome,
                turn.letters,
                turn.group,
                [
                    [rows[w.vendor, w.route, w.kind], w.digest.hex(), *w.effects]
                    for w in turn.writes
                ],
                [[places[route], number] for route, number in turn.calls.items()],
            ]
            for turn in plan.needed
        ],
    }


def _plan(told: Mapping[str, Any]) -> Plan:
    table: dict[int, list[str]] = dict(enumerate(told["writes"]))
    routes = [(vendor, route) for vendor, route in told["routes"]]
    return Plan(
        connection=told["connection"],
        location_id=told["location"],
        list_id=told["list"],
        map_digest=bytes.fromhex(told["map"]),
        made_ms=told["made_ms"],
        is_whole=told["whole"],
        before=told["before"],
        turns=tuple(
            Turn(
                contact_id,
                outcome,
                letters,
                group,
                tuple(_write(table[row], *write) for row, *write in writes),
                Counter({routes[place]: number for place, number in calls}),
            )
            for contact_id, outcome, letters, group, writes, calls in told["turns"]
        ),
    )


def _write(row: list[str], digest: str, *effects: str) -> Write:
    vendor, route, kind = row
    done = tuple(map(Effect, effects))
    return Write(vendor, route, Kind(kind), bytes.fromhex(digest), done)
