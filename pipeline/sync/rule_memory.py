"""What rules remember of a contact, to tell what changed: fingerprints, no values."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

COUNTED_MOST = 200
"""Tags and timed changes of one contact that are remembered; the newest stay."""


@dataclass(frozen=True)
class RuleMemory:
    """The contact as rules last saw it.

    Args:
        fields: fingerprint of each field that some rule is about, by name.
        tags: fingerprints of the tags; None before they were told.
        came: fingerprint of a tag, as text, to how often it came.
        truths: rule and condition to whether that was true.
        turns: rule to how often it became true.
        told: timed changes that were answered, by digest, to when that is over, in
            milliseconds since 1970 UTC.
        timing: of the rules by which the next moments were worked out; another one has
            tasks and appointments looked at anew.
        fired: rule to the day, counted from 1970, and how often it fired then.
        armed_ms: of the policy then. By another one rules looked at nobody in between,
            and what happened meanwhile is no news.
    """

    fields: Mapping[str, int] = field(default_factory=dict)
    tags: frozenset[int] | None = None
    came: Mapping[str, int] = field(default_factory=dict)
    truths: Mapping[str, bool] = field(default_factory=dict)
    turns: Mapping[str, int] = field(default_factory=dict)
    told: Mapping[str, int] = field(default_factory=dict)
    timing: str = ""
    fired: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    armed_ms: int = 0


def newest(counted: Mapping[str, int]) -> dict[str, int]:
    """At most so many of them, those that came last."""
    return dict(list(counted.items())[-COUNTED_MOST:])


def counts_of(before: RuleMemory | None) -> RuleMemory:
    """What keeps what fires now apart from what fired before."""
    if before is None:
        return RuleMemory()
    return replace(before, fields={}, tags=None, truths={}, timing="")


def pack(memory: RuleMemory) -> bytes:
    """As it is stored; what is empty is left out."""
    told = {name: value for name, value in asdict(memory).items() if value}
    if memory.tags is not None:
        told["tags"] = sorted(memory.tags)
    return json.dumps(told, separators=(",", ":")).encode()


def unpack(packed: bytes) -> RuleMemory | None:
    """As it was stored; None where nothing is."""
    if not packed:
        return None
    facts = json.loads(packed)
    fired = {name: tuple(count) for name, count in facts.pop("fired", {}).items()}
    tags = facts.pop("tags", None)
    known = None if tags is None else frozenset(tags)
    return RuleMemory(tags=known, fired=fired, **facts)
