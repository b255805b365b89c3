"""A short text that is the same for the same settings, secrets and addresses aside."""

import json
from collections.abc import Set
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from typing import Any


def digest(settings: object) -> str:
    """16 hexadecimal digits by which processes see whether they agree.

    Covers what `repr` shows: a secret that was changed is told by its vendor.
    """
    text = json.dumps(_plain(settings), sort_keys=True, default=_plain)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: Any) -> object:
    """What JSON has no form for; sets in an order that every process gives them."""
    if is_dataclass(value):
        return {one.name: getattr(value, one.name) for one in fields(value) if one.repr}
    if isinstance(value, Set):
        return sorted(map(str, value))
    raise TypeError(f"no form for {type(value).__name__}")
