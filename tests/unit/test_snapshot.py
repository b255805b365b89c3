"""What is remembered: no value, few bytes, and the same after the way to Redis."""

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.store.snapshots import (
    carried_of,
    is_opted_out,
    newest_ms,
    pack_row,
    pack_side,
    pack_snapshot,
    unpack_row,
    unpack_side,
    unpack_snapshot,
    updated_ms,
)
from pipeline.sync.activity import Carried
from pipeline.sync.contact import Contact, Subscriber
from pipeline.sync.mapping import NAME, TAGS
from pipeline.sync.snapshot import ADDRESS_BYTES, UNKNOWN, Fingerprint, Snapshot
from tests.builders import EMAIL, KEY, VIP_LIST, make_field_map, make_snapshot

COLUMNS = make_field_map().columns
TEXT = st.text(max_size=30)
MOMENT = st.integers(0, 2**53)
SIDE = st.tuples(*[st.integers(0, 2**32 - 1)] * len(COLUMNS))
IDS = st.text("abcXYZ0189", min_size=20, max_size=20) | st.text(max_size=400)
STATES = st.none() | st.dictionaries(IDS, st.integers(0, 2**32 - 1), max_size=20)
LOOKED = {"looked_ms": 1_795_449_600_000}
CARRIED = st.just(Carried()) | st.builds(
    Carried,
    tasks=STATES,
    notes=STATES,
    meetings=st.integers(0, 2**32 - 1),
    backfilled=st.booleans(),
    looked_ms=st.integers(0, 2**32 - 1).map(lambda seconds: seconds * 1000),
)
MANY = {f"{number:020}": number * 21_474_836 for number in range(200)}
SNAPSHOTS = st.builds(
    Snapshot,
    digest=st.binary(min_size=4, max_size=4),
    ghl=SIDE,
    mailjet=SIDE,
    mailjet_id=st.integers(0, 2**64 - 1),
    address=st.just(b"") | st.binary(min_size=ADDRESS_BYTES, max_size=ADDRESS_BYTES),
    opted_out=st.booleans(),
    excluded=st.booleans(),
    complained=st.booleans(),
    erased=st.booleans(),
    added_ms=MOMENT,
    updated_ms=MOMENT,
    carried=CARRIED,
)
JSON = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT
CONTACTS = st.builds(
    Contact,
    id=TEXT,
    values=st.dictionaries(TEXT, TEXT, max_size=4),
    email=st.none() | TEXT,
    email_valid=st.booleans(),
    tags=st.none() | st.lists(TEXT, max_size=4).map(tuple),
    dnd=st.none() | st.booleans(),
    dnd_settings=st.none()
    | st.dictionaries(TEXT, st.dictionaries(TEXT, JSON, max_size=2), max_size=3),
    custom_fields=st.none()
    | st.dictionaries(TEXT, JSON | st.lists(TEXT, max_size=2), max_size=3),
    business_id=st.none() | TEXT,
    date_added_ms=st.none() | MOMENT,
    date_updated_ms=st.none() | MOMENT,
)


@given(snapshot=SNAPSHOTS)
@example(make_snapshot(carried=Carried(MANY, MANY, 5, True, **LOOKED)))
@example(make_snapshot(carried=Carried({"\u20ac" * 100: 1}, {"\ud83d": 3})))
@example(make_snapshot(carried=Carried({"": 0}, {"x" * 60_000: 2**32 - 1}, 0)))
@example(make_snapshot(carried=Carried({}), ghl=(), mailjet=()))
@settings(max_examples=100, deadline=None)
def test_a_snapshot_comes_back_from_redis_as_it_went(snapshot: Snapshot) -> None:
    packed = pack_snapshot(snapshot)

    assert unpack_snapshot(packed) == snapshot
    assert carried_of(packed) == snapshot.carried
    assert is_opted_out(packed) is snapshot.opted_out
    assert updated_ms(packed) == snapshot.updated_ms
    assert newest_ms(packed) == max(snapshot.added_ms, snapshot.updated_ms)


def test_of_no_snapshot_nothing_was_carried() -> None:
    assert carried_of(b"") == carried_of(None) == Carried()


def test_a_task_or_a_note_takes_26_bytes() -> None:
    idle = len(pack_snapshot(make_snapshot(carried=Carried({}, {}, 1, **LOOKED))))
    with_two = Carried({"0123456789" * 2: 7}, {"abcdefghij" * 2: 8}, 1, **LOOKED)

    assert idle - len(pack_snapshot(make_snapshot())) == 13
    assert len(pack_snapshot(make_snapshot(carried=with_two))) - idle == 52


@given(added=st.integers(), updated=st.sampled_from([-62135596800000, -1, 10**30]))
@settings(max_examples=50)
def test_a_date_that_no_clock_tells_can_be_remembered(added: int, updated: int) -> None:
    snapshot = make_snapshot(added_ms=added, updated_ms=updated)

    unpacked = unpack_snapshot(pack_snapshot(snapshot))

    assert unpacked is not None
    assert unpacked.added_ms == min(max(added, 0), 2**63 - 1)
    assert unpacked.updated_ms in (0, 2**63 - 1)


@given(snapshot=SNAPSHOTS)
@settings(max_examples=20)
def test_both_sides_take_160_bytes_where_they_agree_and_270_where_none_does(
    snapshot: Snapshot,
) -> None:
    sides = replace(snapshot, carried=Carried())

    assert len(pack_snapshot(replace(sides, mailjet=sides.ghl))) <= 160
    assert len(pack_snapshot(sides)) <= 270


def test_no_snapshot_is_none() -> None:
    assert unpack_snapshot(b"") is None
    assert unpack_side(b"") is None
    assert unpack_row(b"") is None


@given(side=SIDE)
@settings(max_examples=20)
def test_a_side_comes_back_from_redis_as_it_went(side: tuple[int, ...]) -> None:
    assert unpack_side(pack_side(side)) == side


@given(contact=CONTACTS)
@settings(max_examples=100)
def test_a_row_comes_back_from_redis_as_it_went(contact: Contact) -> None:
    assert unpack_row(pack_row(contact)) == contact


@given(
    column=st.sampled_from(COLUMNS),
    value=TEXT,
    keys=st.lists(st.binary(min_size=16, max_size=64), min_size=2, max_size=2),
)
@settings(max_examples=100)
def test_a_fingerprint_is_a_number_that_is_never_the_unknown_one(
    column: str, value: str, keys: list[bytes]
) -> None:
    fingerprints = [Fingerprint(key).of(column, value) for key in keys]

    assert all(0 < number < 2**32 for number in fingerprints)
    assert UNKNOWN not in fingerprints
    assert Fingerprint(keys[0]).of(column, value) == fingerprints[0]


def test_another_key_gives_other_fingerprints() -> None:
    one, other = Fingerprint(KEY), Fingerprint(b"o" * 32)

    assert one.address(EMAIL) != other.address(EMAIL)
    assert [one.of(column, "x") for column in COLUMNS] != [
        other.of(column, "x") for column in COLUMNS
    ]


def test_equal_values_of_two_columns_have_two_fingerprints() -> None:
    fingerprint = Fingerprint(KEY)

    assert fingerprint.of("city", "Rome") != fingerprint.of("state", "Rome")


def test_an_address_is_eight_bytes_that_do_not_hold_it() -> None:
    address = Fingerprint(KEY).address(EMAIL)

    assert len(address) == ADDRESS_BYTES
    assert EMAIL.encode() not in address
    assert address != Fingerprint(KEY).address("bob@example.com")


def test_what_a_subscriber_record_does_not_tell_is_unknown() -> None:
    fingerprint = Fingerprint(KEY)

    nothing = fingerprint.subscriber(COLUMNS, Subscriber(1))
    properties_only = fingerprint.subscriber(COLUMNS, Subscriber(1, properties={}))

    assert set(nothing) == {UNKNOWN}
    known = {c for c, n in zip(COLUMNS, properties_only, strict=True) if n != UNKNOWN}
    assert known == make_field_map().properties.keys()
    assert NAME not in known


def test_only_an_active_place_on_a_list_is_membership() -> None:
    column = (f"list:{VIP_LIST}",)
    states = ({VIP_LIST: False}, {VIP_LIST: True}, {})

    numbers = [
        Fingerprint(KEY).subscriber(column, Subscriber(1, unsubscribed=state))
        for state in states
    ]

    assert numbers[0] == Fingerprint(KEY).wanted(column, {column[0]: "1"})
    assert numbers[1] == numbers[2]
    assert numbers[1] == Fingerprint(KEY).wanted(column, {column[0]: "0"})


def test_both_sides_of_equal_values_have_equal_fingerprints() -> None:
    fingerprint = Fingerprint(KEY)
    values = {TAGS: "|vip|lead|", "city": "Rome"}
    theirs = Subscriber(1, properties={TAGS: "|lead|vip|", "city": "Rome"})

    ghl = fingerprint.wanted((TAGS, "city", "phone"), values)
    mailjet = fingerprint.subscriber((TAGS, "city"), theirs)

    assert ghl == (*mailjet, UNKNOWN)


def test_the_snapshot_holds_no_value() -> None:
    secret = "+1555000111"
    side = tuple(Fingerprint(KEY).of(column, secret) for column in COLUMNS)

    packed = pack_snapshot(replace(make_snapshot(), ghl=side, mailjet=side))

    assert secret.encode() not in packed
