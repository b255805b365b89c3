"""Which field becomes which property, and when two values are the same."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sync.aggregates import DATATYPES, LAST_NOTE
from pipeline.sync.mapping import (
    CONTACT_ID,
    EMAIL_STATUS,
    LOCATION_ID,
    NAME,
    NO_TAGS,
    TAGS,
    full_name,
)
from tests.builders import (
    CORE_FIELDS,
    LEAD_LIST,
    VIP_LIST,
    make_contact,
    make_field_map,
    same,
    told,
)

CORE_MAP = make_field_map()
VALUES = st.dictionaries(
    st.sampled_from([*CORE_FIELDS, "website"]), st.text(max_size=20)
)
TAG = st.sampled_from(["vip", "lead", "cold", "hot lead", "ümlaut"])
TAG_ROWS = st.lists(TAG, unique=True)
BARRED = st.lists(st.text("ab|", min_size=1, max_size=4), unique=True)


@given(values=VALUES)
@settings(max_examples=100)
def test_absent_is_unknown_and_what_was_told_is_carried_as_it_is(
    values: dict[str, str],
) -> None:
    contact = told(values)

    wanted = make_field_map().desired(contact, "subscribed")

    for source, target in CORE_FIELDS.items():
        assert (target in wanted) == (source in values)
        assert wanted.get(target) == values.get(source)
    assert TAGS not in wanted
    assert not [column for column in wanted if column.startswith("list:")]


def test_identity_and_status_are_always_wanted() -> None:
    contact = make_contact(id="gh7")

    wanted = make_field_map().desired(contact, "opted_out")

    assert wanted == {
        CONTACT_ID: "gh7",
        LOCATION_ID: "loc1",
        EMAIL_STATUS: "opted_out",
    }


@given(values=VALUES, tags=TAG_ROWS)
@settings(max_examples=100)
def test_everything_wanted_has_a_column_and_every_property_is_created_by_setup(
    values: dict[str, str], tags: list[str]
) -> None:
    field_map = make_field_map()
    contact = told(values, tags)

    wanted = field_map.desired(contact, "subscribed")

    assert wanted.keys() <= set(field_map.columns)
    carried = {c for c in wanted if c != NAME and not c.startswith("list:")}
    assert carried <= field_map.properties.keys()
    assert all(name == name.lower() for name in field_map.properties)


@given(first=st.text(max_size=5), last=st.text(max_size=5))
@settings(max_examples=50)
def test_the_name_is_first_and_last_or_whichever_is_told(first: str, last: str) -> None:
    both = told({"firstName": first, "lastName": last})

    names = [full_name(told({"firstName": first})), full_name(told({"lastName": last}))]

    assert full_name(both) == f"{first} {last}".strip()
    assert names == [first.strip(), last.strip()]
    assert full_name(told({})) is None


@given(tags=TAG_ROWS)
@settings(max_examples=50)
def test_each_tag_stands_between_bars_so_that_a_segment_can_contain_it(
    tags: list[str],
) -> None:
    wanted = make_field_map().desired(make_contact(tags=tuple(tags)), "subscribed")

    for tag in ["vip", "lead", "cold", "hot lead", "ümlaut"]:
        assert (f"|{tag}|" in wanted[TAGS]) == (tag in tags)
    assert wanted[f"list:{VIP_LIST}"] == ("1" if "vip" in tags else "0")
    assert wanted[f"list:{LEAD_LIST}"] == ("1" if "lead" in tags else "0")


@given(tags=BARRED)
@settings(max_examples=50)
def test_a_bar_within_a_tag_never_makes_two_of_it(tags: list[str]) -> None:
    wanted = make_field_map().desired(make_contact(tags=tuple(tags)), "subscribed")

    carried = wanted[TAGS].strip("|").split("|") if tags else []
    assert carried == [tag.replace("|", "/") for tag in tags]


def test_the_list_of_a_tag_with_a_bar_is_found_by_ghls_own_spelling() -> None:
    field_map = make_field_map(tag_lists={"vip|gold": VIP_LIST, "vip/gold": LEAD_LIST})

    wanted = field_map.desired(make_contact(tags=("vip|gold",)), "subscribed")

    assert wanted[TAGS] == "|vip/gold|"
    assert wanted[f"list:{VIP_LIST}"] == "1"
    assert wanted[f"list:{LEAD_LIST}"] == "0"


def test_the_last_tag_gone_is_not_written_as_an_empty_text() -> None:
    wanted = make_field_map().desired(make_contact(tags=()), "subscribed")

    assert wanted[TAGS] == NO_TAGS == "|"


def test_our_own_mark_in_ghl_is_never_carried() -> None:
    field_map = make_field_map(confirmation_tag="in mailjet")

    marked = field_map.desired(make_contact(tags=("vip", "in mailjet")), "subscribed")
    unmarked = field_map.desired(make_contact(tags=("vip",)), "subscribed")

    assert marked == unmarked


def test_two_tags_of_one_list_keep_their_owner_on_it() -> None:
    field_map = make_field_map(tag_lists={"vip": 20, "gold": 20})

    wanted = field_map.desired(make_contact(tags=("gold",)), "subscribed")

    assert wanted["list:20"] == "1"
    assert field_map.columns.count("list:20") == 1


@given(tags=st.lists(TAG, unique=True, min_size=2), seed=st.randoms())
@settings(max_examples=50)
def test_the_order_of_tags_is_nobodys_change(tags: list[str], seed: object) -> None:
    shuffled = tags.copy()
    seed.shuffle(shuffled)  # type: ignore[attr-defined]

    forms = same(TAGS, f"|{'|'.join(tags)}|"), same(TAGS, "|".join(shuffled))

    assert forms[0] == forms[1]
    assert same(TAGS, f"|{'|'.join(tags[1:])}|") != forms[0]


def test_the_order_of_words_of_any_other_column_is_a_change() -> None:
    assert same("city", "b|a") != same("city", "a|b")


def test_nothing_and_null_are_the_same_value_and_numbers_their_digits() -> None:
    assert same("city", None) == same("city", "") == ""
    assert same("city", 30) == "30"


def test_the_digest_changes_with_the_columns_and_not_with_tag_or_location() -> None:
    same = make_field_map(confirmation_tag="x", location_id="other")
    other = make_field_map(tag_lists={"vip": 21, "lead": 30})

    digests = [m.digest for m in (make_field_map(), same, other)]

    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 4


def test_another_main_list_makes_a_snapshot_no_base() -> None:
    digests = {make_field_map(list_id=list_id).digest for list_id in (10, 11)}

    assert len(digests) == 2


MOMENTS = st.datetimes(
    datetime(1971, 1, 1),
    datetime(9998, 1, 1),
    timezones=st.builds(
        timezone, st.integers(-14 * 60, 14 * 60).map(lambda m: timedelta(minutes=m))
    ),
).map(lambda moment: moment.replace(microsecond=0))
DUE, OPEN, TITLE = "ghl_next_task_due", "ghl_open_tasks", "ghl_next_task_title"


def test_what_notes_tasks_and_appointments_come_to_has_its_property_and_datatype() -> (
    None
):
    properties = make_field_map().properties

    assert {n: properties[n] for n in (OPEN, DUE, TITLE)} == {
        OPEN: "int",
        DUE: "datetime",
        TITLE: "str",
    }
    assert DATATYPES.items() - properties.items() == {(LAST_NOTE, "str")}
    assert set(properties.values()) <= {"str", "int", "datetime"}


def test_the_excerpt_is_a_property_only_where_it_is_switched_on() -> None:
    off, on = make_field_map(), make_field_map(note_excerpt=True)

    assert set(on.properties) - set(off.properties) == {LAST_NOTE}
    assert on.digest != off.digest


def test_every_property_is_a_column_once() -> None:
    field_map = make_field_map(note_excerpt=True)

    for name in field_map.properties:
        assert field_map.columns.count(name) == 1


def test_only_what_is_counted_or_next_is_cleared() -> None:
    field_map = make_field_map(note_excerpt=True)

    clearable = {
        column for column in field_map.columns if field_map.is_clearable(column)
    }

    assert clearable == DATATYPES.keys()
    assert clearable.isdisjoint({NAME, TAGS, EMAIL_STATUS, CONTACT_ID, "city"})


@given(number=st.integers(0, 2**40))
@settings(max_examples=50)
def test_a_number_is_written_as_one_and_is_the_same_in_each_of_its_forms(
    number: int,
) -> None:
    assert CORE_MAP.written(OPEN, str(number)) == number
    for form in (number, str(number), float(number), f"{number}.0"):
        assert same(OPEN, form) == str(number)
    assert same(OPEN, number + 1) != same(OPEN, number)


@given(moment=MOMENTS)
@settings(max_examples=100)
def test_a_moment_is_the_same_in_each_of_its_forms(moment: datetime) -> None:
    utc = moment.astimezone(UTC)
    naive = utc.replace(tzinfo=None)
    forms = [
        utc.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0"),
        moment.isoformat(),
        naive.isoformat(),
        naive.isoformat(" "),
        round(moment.timestamp()),
        str(round(moment.timestamp())),
    ]

    assert len({same(DUE, form) for form in forms}) == 1
    later = (moment + timedelta(seconds=1)).isoformat()
    assert same(DUE, later) != same(DUE, forms[0])


@pytest.mark.parametrize("column", [OPEN, DUE, TITLE, "city"])
def test_nothing_is_written_as_null_and_compared_as_nothing(column: str) -> None:
    assert CORE_MAP.written(column, "") is None
    assert same(column, "") == same(column, None) == ""


def test_none_left_is_a_number_and_not_nothing() -> None:
    assert CORE_MAP.written(OPEN, "0") == 0
    assert same(OPEN, "0") == same(OPEN, 0) == "0"
    assert same(OPEN, 0) != same(OPEN, None)


@pytest.mark.parametrize("column", [OPEN, DUE])
@pytest.mark.parametrize(
    "value", ["soon", "inf", "nan", "2026-13-45", "9" * 400, "1e400", "²", True, [1]]
)
def test_nonsense_that_somebody_wrote_differs_and_breaks_nothing(
    column: str, value: object
) -> None:
    assert same(column, value) == same(column, value)
    assert same(column, value) != same(column, "3")
    assert same(column, value) != ""


@given(text=st.text(max_size=20))
@settings(max_examples=50)
def test_a_text_is_written_and_compared_as_it_is(text: str) -> None:
    assert CORE_MAP.written(TITLE, text) == (text or None)
    assert same(TITLE, text) == text
