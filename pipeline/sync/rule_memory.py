"""What rules remember of a contact, to tell what changed: fingerprints, no values."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

COUNTED_MOST = 200
"""Tags and timed changes of one contact that are remembered; the newest stay."""


@dataclass(frozen=True)
class RuleMemory:
    """The contact as rules last saw it.

    Args:
        fields: fingerprint of each field that some rule is about, by name.
        tags: fingerprints of the tags.
        came: fingerprint of a tag, as text, to how often it came.
        truths: rule to whether its condition was true.
        turns: rule to how often it became true.
        told: timed changes that were answered, by digest, to when that is over, in
            milliseconds since 1970 UTC.
        timing: of the rules by which the next moments were worked out; another one has
            tasks and appointments looked at anew.
        fired: rule to the day, counted from 1970, and how often it fired then.
    """

    fields: Mapping[str, int] = field(default_factory=dict)
    tags: frozenset[int] = frozenset()
    came: Mapping[str, int] = field(default_factory=dict)
    truths: Mapping[str, bool] = field(default_factory=dict)
    turns: Mapping[str, int] = field(default_factory=dict)
    told: Mapping[str, int] = field(default_factory=dict)
    timing: str = ""
    fired: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def newest(counted: Mapping[str, int]) -> dict[str, int]:
    """At most so many of them, those that came last."""
    return dict(list(counted.items())[-COUNTED_MOST:])


def pack(memory: RuleMemory) -> bytes:
    """As it is stored; what is empty is left out."""
    facts = {**asdict(memory), "tags": sorted(memory.tags)}
    told = {name: value for name, value in facts.items() if value}
    return json.dumps(told, separators=(",", ":")).encode()


def unpack(packed: bytes) -> RuleMemory | None:
    """As it was stored; None where nothing is."""
    if not packed:
        return None
    facts = json.loads(packed)
    fired = {name: tuple(count) for name, count in facts.pop("fired", {}).items()}
    tags = frozenset(facts.pop("tags", ()))
    return RuleMemory(tags=tags, fired=fired, **facts)
