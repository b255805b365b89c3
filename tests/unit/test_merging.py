"""Whose value goes where, a column at a time; laws are in `test_mapping_laws.py`."""

from collections.abc import Iterable

import pytest

from pipeline.sync.contact import Subscriber
from pipeline.sync.fields import Custom, Direction, Owner, Row
from pipeline.sync.merging import Columns, Pair, Way, decide, merge
from pipeline.sync.snapshot import UNKNOWN, Fingerprint
from tests.builders import KEY, make_field_map, make_snapshot

EMPTY, OLD, GHL, MAILJET = 1, 2, 3, 4
NOTHING = frozenset({EMPTY})
BOTH, TO_GHL = Direction.BOTH, Direction.TO_GHL
EQUAL = Pair(OLD, OLD)


def way(row: Row, now: Pair, then: Pair | None, newer: Owner = Owner.GHL) -> Way:
    return decide(row, now, then, NOTHING, newer)[0]


@pytest.mark.parametrize(
    ("owner", "newer", "goes"),
    [
        (Owner.GHL, Owner.MAILJET, Way.TO_MAILJET),
        (Owner.MAILJET, Owner.GHL, Way.TO_GHL),
        (Owner.NEWER, Owner.GHL, Way.TO_MAILJET),
        (Owner.NEWER, Owner.MAILJET, Way.TO_GHL),
    ],
)
def test_where_both_changed_the_owner_wins_or_the_newer(
    owner: Owner, newer: Owner, goes: Way
) -> None:
    row = Row("city", "city", direction=BOTH, owner=owner)

    assert decide(row, Pair(GHL, MAILJET), EQUAL, NOTHING, newer) == (goes, True)
    assert way(row, Pair(GHL, MAILJET), None, newer) is goes


@pytest.mark.parametrize(
    ("direction", "now", "then", "goes"),
    [
        (BOTH, Pair(GHL, OLD), EQUAL, Way.TO_MAILJET),
        (BOTH, Pair(OLD, MAILJET), EQUAL, Way.TO_GHL),
        (BOTH, EQUAL, EQUAL, Way.NOWHERE),
        (BOTH, Pair(GHL, MAILJET), Pair(GHL, MAILJET), Way.NOWHERE),
        (BOTH, Pair(EMPTY, OLD), EQUAL, Way.NOWHERE),
        (BOTH, Pair(OLD, EMPTY), EQUAL, Way.NOWHERE),
        (BOTH, Pair(EMPTY, MAILJET), EQUAL, Way.TO_GHL),
        (BOTH, Pair(EMPTY, MAILJET), None, Way.TO_GHL),
        (BOTH, Pair(GHL, EMPTY), None, Way.TO_MAILJET),
        (BOTH, Pair(GHL, UNKNOWN), EQUAL, Way.TO_MAILJET),
        (BOTH, Pair(OLD, UNKNOWN), EQUAL, Way.NOWHERE),
        (TO_GHL, Pair(GHL, OLD), EQUAL, Way.TO_GHL),
        (TO_GHL, Pair(GHL, EMPTY), None, Way.NOWHERE),
        (TO_GHL, Pair(GHL, UNKNOWN), None, Way.NOWHERE),
        (TO_GHL, Pair(GHL, UNKNOWN), EQUAL, Way.TO_GHL),
    ],
)
def test_what_moved_goes_where_its_row_leads(
    direction: Direction, now: Pair, then: Pair | None, goes: Way
) -> None:
    assert way(Row("city", "city", direction=direction), now, then) is goes


@pytest.mark.parametrize(
    ("now", "goes"),
    [(Pair(EMPTY, OLD), Way.TO_MAILJET), (Pair(OLD, EMPTY), Way.TO_GHL)],
)
def test_a_row_that_clears_carries_nothing_as_well(now: Pair, goes: Way) -> None:
    row = Row("city", "city", direction=BOTH, clears=True)

    assert way(row, now, EQUAL) is goes
    assert way(row, now, None) is not goes


def test_from_one_form_of_nothing_to_another_is_no_change() -> None:
    row = Row("tag:lead", "is_lead", "bool", BOTH, Owner.MAILJET)
    nothing = frozenset({EMPTY, OLD})

    goes, _ = decide(row, Pair(GHL, OLD), Pair(EMPTY, EMPTY), nothing, Owner.GHL)

    assert goes is Way.TO_MAILJET


@pytest.mark.parametrize(("unset", "to_ghl"), [({"site"}, ("site",)), ((), ())])
def test_what_ghl_never_told_is_filled_only_once_it_told_the_whole_contact(
    unset: Iterable[str], to_ghl: tuple[str, ...]
) -> None:
    row = Row("website", "site", direction=BOTH, clears=True)
    field_map = make_field_map(row)
    subscriber = Subscriber(1, properties={"site": "x"}, unsubscribed={})
    fingerprint = Fingerprint(KEY, field_map.layout.datatypes)
    columns = Columns({}, None, subscriber, None, Owner.GHL, frozenset(unset))

    assert merge(columns, field_map, fingerprint).to_ghl == to_ghl


def test_what_ghl_leaves_out_of_a_whole_contact_wipes_nothing() -> None:
    row = Row("website", "site", direction=BOTH, clears=True)
    field_map = make_field_map(row, custom={"contact.x": Custom("x", "TEXT")})
    fingerprint = Fingerprint(KEY, field_map.layout.datatypes)
    subscriber = Subscriber(1, properties={"site": "x"}, unsubscribed={})
    told = fingerprint.subscriber(field_map.columns, subscriber)
    base = make_snapshot(digest=field_map.digest, ghl=told, mailjet=told)

    merged = merge(
        Columns({}, base, subscriber, None, Owner.GHL, frozenset({"site"})),
        field_map,
        fingerprint,
    )

    assert (merged.to_mailjet, merged.to_ghl) == ((), ())
