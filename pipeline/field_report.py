"""Both sides' fields as they are now, and the mapping held against them.

What would fail at the first write is told before it: a field that is not there, a type
that cannot hold the values, a text that may be cut. Nothing is written; values are
counted and measured, never told.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.bootstrap import Kit
from pipeline.custom_fields import (
    custom_field_problems,
    not_carried,
    unknown_to_setup,
)
from pipeline.errors import ConfigError, PermanentError, ScopeMissing
from pipeline.findings import Finding, Level
from pipeline.ghl.client import GhlClient
from pipeline.ghl.records import CustomField
from pipeline.mailjet.records import Property
from pipeline.permit import Lane, Permit
from pipeline.properties import missing_static
from pipeline.sync.contact import Contact
from pipeline.sync.fields import NUMBERS, OPTIONS, Custom, Row
from pipeline.sync.mapping import Layout
from pipeline.wording import plural

SAMPLE = 100
"""Contacts whose values are tried; one call."""
LONG = 255
"""Characters beyond which a text may be cut: Mailjet documents no limit."""
CHOICES = frozenset({*OPTIONS, "RADIO", "SINGLE_OPTIONS"})
FITTING = {
    "int": NUMBERS,
    "float": NUMBERS,
    "bool": CHOICES,
    "datetime": frozenset({"DATE"}),
}
"""Types of custom fields whose values a datatype of Mailjet's can hold for certain."""
MAKES = {"int": "number", "float": "number", "bool": "boolean", "datetime": "date"}
"""The step that makes a value fit."""
SETUP = "run `ghl-mailjet setup`"


@dataclass(frozen=True)
class Field:
    """A field of either side.

    Args:
        name: as a mapping names it.
        kind: the vendor's type.
        mapped: what it is mapped to, with the direction, such as `-> plan`.
    """

    name: str
    label: str
    kind: str
    mapped: tuple[str, ...]


@dataclass(frozen=True)
class FieldReport:
    """All fields, and what was found of the mapping."""

    ghl: tuple[Field, ...]
    mailjet: tuple[Field, ...]
    findings: tuple[Finding, ...]


def field_report(kit: Kit) -> FieldReport:
    """Read the fields of both sides and hold the mapping against them.

    Raises:
        VendorError: a vendor is down, or a credential is dead.
    """
    permit = Permit(Lane.LIVE)
    ghl, layout = kit.ghl(permit), kit.layout
    properties = kit.mailjet(permit).list_properties()
    custom, lacking = _custom_fields(ghl)
    findings = [
        *lacking,
        *_missing(custom, layout),
        *_properties(kit, properties),
        *_unfit_types(custom, layout),
        *_values(kit, ghl, custom),
        *_not_set_up(kit, custom) * (not lacking),
    ]
    if not findings:
        rows = len(layout.rows)
        findings.append(Finding(Level.OK, f"the mapping fits both sides: {rows} rows"))
    return FieldReport(
        tuple(_ghl_fields(custom, layout)),
        tuple(_mailjet_fields(properties, kit)),
        tuple(findings),
    )


def _custom_fields(ghl: GhlClient) -> tuple[tuple[CustomField, ...], list[Finding]]:
    try:
        return ghl.list_custom_fields(), []
    except ScopeMissing:
        what = "GHL's custom fields cannot be read: none can be mapped"
        mend = "add the scope locations/customFields.readonly to the token"
        return (), [Finding(Level.WARNING, what, mend)]


def _missing(custom: Iterable[CustomField], layout: Layout) -> list[Finding]:
    problems = custom_field_problems(custom, layout)
    return [Finding(Level.FAILURE, problem) for problem in problems]


def _properties(kit: Kit, known: Iterable[Property]) -> list[Finding]:
    try:
        missing = missing_static(known, kit.field_map)
    except ConfigError as error:
        return [Finding(Level.FAILURE, problem) for problem in error.problems]
    if not missing:
        return []
    names = ", ".join(missing[:5]) + (", ..." if missing[5:] else "")
    what = f"{len(missing)} properties are not in Mailjet yet: {names}"
    return [Finding(Level.WARNING, what, f"{SETUP}, which makes them")]


def _unfit_types(custom: Iterable[CustomField], layout: Layout) -> Iterator[Finding]:
    types = {one.key: one.data_type for one in custom}
    for row in layout.rows:
        kind = types.get(row.ghl)
        step = MAKES.get(row.datatype)
        if kind is None or step is None or kind in FITTING[row.datatype]:
            continue
        if step in dict(row.transforms):
            continue
        what = f"{row.ghl} is of type {kind}, which may hold what is no {row.datatype}"
        mend = f"add the transform {step!r}, or make {row.column} a str"
        yield Finding(Level.WARNING, what, mend)


def _values(
    kit: Kit, ghl: GhlClient, custom: Iterable[CustomField]
) -> Iterator[Finding]:
    """Try the mapping on some contacts."""
    named = {one.key: Custom(one.id, one.data_type) for one in custom}
    sample = _sample(ghl)
    misfits: Counter[str] = Counter()
    longest: dict[Row, int] = {}
    for contact in sample:
        for row in kit.layout.rows:
            try:
                text = row.text(contact, named) or ""
            except ValueError as error:
                misfits[f"{row.ghl} {error}"] += 1
                continue
            if row.datatype == "str" and not row.list_id:
                longest[row] = max(longest.get(row, 0), len(text))
    for told, count in misfits.items():
        looked_at = plural(len(sample), "contact")
        what = f"{told}: not carried, of {count} in {looked_at}"
        yield Finding(Level.WARNING, what, "add a transform, or another type")
    for row, length in longest.items():
        if length > LONG:
            what = f"{row.ghl} has up to {length} characters"
            mend = "Mailjet documents no limit for a text; it may be cut or refused"
            yield Finding(Level.WARNING, what, mend)


def _sample(ghl: GhlClient) -> tuple[Contact, ...]:
    try:
        return ghl.search_contacts(page_limit=SAMPLE).contacts
    except PermanentError:
        return ghl.list_contacts(None).contacts


def _not_set_up(kit: Kit, custom: Iterable[CustomField]) -> list[Finding]:
    """What setup found of custom fields, where the mapping names others by now."""
    record = kit.setup.read()
    if record is None:
        return []
    there = {one.key for one in custom}
    new = [key for key in unknown_to_setup(kit.layout, record) if key in there]
    return [Finding(Level.FAILURE, not_carried(new), SETUP)] if new else []


def _ghl_fields(custom: Iterable[CustomField], layout: Layout) -> Iterator[Field]:
    """The fields that rows name, and every custom field."""
    by_name: dict[str, list[str]] = {}
    for row in layout.rows:
        by_name.setdefault(row.ghl, []).append(f"{row.direction} {row.column}")
    known = {one.key: one for one in custom}
    for name, mapped in by_name.items():
        if name not in known:
            yield Field(name, "", _kind(name), tuple(mapped))
    for key, one in known.items():
        yield Field(key, one.name, one.data_type, tuple(by_name.get(key, ())))


def _kind(name: str) -> str:
    kind, colon, _ = name.partition(":")
    return kind if colon else "field"


def _mailjet_fields(known: Iterable[Property], kit: Kit) -> Iterator[Field]:
    mapped = _mapped(kit.layout.rows)
    ours = kit.field_map.properties
    for one in known:
        if one.namespace != "static":
            kind = f"{one.namespace} {one.datatype}"
            yield Field(one.name, "", kind, ())
            continue
        rows = mapped.get(one.name, ("ours",) if one.name in ours else ())
        yield Field(one.name, "", one.datatype, rows)


def _mapped(rows: Iterable[Row]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        told = f"{row.ghl} {row.direction}"
        found[row.column] = (*found.get(row.column, ()), told)
    return found
