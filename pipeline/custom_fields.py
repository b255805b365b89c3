"""GHL's custom fields that a mapping names: which there are, and what they can hold."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches

from pipeline.errors import ConfigError
from pipeline.ghl.client import GhlClient
from pipeline.ghl.records import CustomField
from pipeline.store.setup import SetupRecord
from pipeline.sync.fields import UNWRITABLE, Custom
from pipeline.sync.mapping import Layout


def find_custom_fields(
    ghl: GhlClient, layout: Layout, tell: Callable[[str], None]
) -> Mapping[str, Custom]:
    """The custom fields that rows name, by key; GHL is asked only where there are any.

    Raises:
        ConfigError: GHL lacks some, or a row leads to one that cannot be written.
        ScopeMissing: the token lacks `locations/customFields.readonly`.
    """
    if not (layout.custom_keys or layout.every_custom_field):
        return {}
    known = ghl.list_custom_fields()
    if wrong := custom_field_problems(known, layout):
        raise ConfigError(wrong)
    named = {one.key: Custom(one.id, one.data_type) for one in known}
    tell(f"GHL custom fields: {len(layout.custom_keys)} in place")
    wanted = named if layout.every_custom_field else layout.custom_keys
    return {key: named[key] for key in wanted}


def unknown_to_setup(layout: Layout, record: SetupRecord) -> tuple[str, ...]:
    """Keys that rows name, and that the last setup did not look for."""
    known = record.custom_fields
    return tuple(key for key in layout.custom_keys if key not in known)


def not_carried(keys: Iterable[str]) -> str:
    """What that means for them, in words."""
    return f"{', '.join(keys)}: mapped since the last setup, and not carried yet"


def custom_field_problems(known: Iterable[CustomField], layout: Layout) -> list[str]:
    """What a mapping wants of custom fields, and cannot have."""
    types = {one.key: one.data_type for one in known}
    problems = []
    for key in layout.custom_keys:
        if key not in types:
            near = get_close_matches(key, types, 1)
            hint = f"did you mean {near[0]!r}?" if near else "see `ghl-mailjet fields`"
            problems.append(f"GHL has no custom field {key!r}; {hint}")
    for row in layout.rows:
        if row.to_ghl and types.get(row.ghl) in UNWRITABLE:
            what = f"GHL field {row.ghl!r} is of type {types[row.ghl]}"
            problems.append(f"{what}, which cannot be written from {row.column!r}")
    return problems
