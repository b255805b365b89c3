"""Steps of a mapping: what they make of a value, and that an echo changes nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sync.fields import Custom, Direction, Row
from pipeline.sync.transforms import OUT, backward, outward, text_of, typed
from tests.builders import make_contact

PAIRS = (("1", "one"), ("2", "two"))
ARGUMENTS = {"join": "; ", "default": "none", "map": PAIRS}
VALUES = (
    st.none()
    | st.text(max_size=12)
    | st.sampled_from(["1", "2", "one", "1,234.50 EUR", "12,5", "2026-11-28", "yes"])
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.lists(st.text(max_size=5), max_size=3)
)
OF_A_TYPE = {"date", "number", "boolean"}
STEPS = (
    st.lists(st.sampled_from(sorted(OUT)), max_size=3, unique=True)
    .filter(lambda names: len(OF_A_TYPE & set(names)) < 2)
    .filter(lambda names: "map" not in names or not OF_A_TYPE & set(names))
    .map(lambda names: tuple((name, ARGUMENTS.get(name)) for name in names))
)
"""As people write them: nobody makes a date of a number, or of what is mapped."""


@given(steps=STEPS, value=VALUES)
@settings(max_examples=1000)
def test_out_back_and_out_again_tells_the_same(steps: tuple, value: object) -> None:
    try:
        told = text_of(outward(steps, value))
    except ValueError:
        return

    again = text_of(outward(steps, backward(steps, told)))

    assert again == told


@given(value=st.sampled_from([old for old, _ in PAIRS]))
def test_a_map_that_is_one_to_one_comes_back_as_it_was(value: str) -> None:
    steps = (("map", PAIRS),)

    assert backward(steps, outward(steps, value)) == value


@given(options=st.lists(st.text("abc", min_size=1), min_size=1))
def test_joined_options_come_back_as_they_were(options: list[str]) -> None:
    steps = (("join", " / "),)

    assert backward(steps, outward(steps, options)) == options


@pytest.mark.parametrize(
    ("steps", "value", "told"),
    [
        ([("trim", None)], "  a b ", "a b"),
        ([("lower", None)], "ANN", "ann"),
        ([("title", None)], "ann o'neil", "Ann O'Neil"),
        ([("title", None)], "ANN", "Ann"),
        ([("title", None)], "Ann McDonald", "Ann McDonald"),
        ([("date", None)], "2026-11-28T23:30:00-05:00", "2026-11-29"),
        ([("date", None)], 1795867200000, "2026-11-28"),
        ([("date", None)], "", ""),
        ([("number", None)], "€ 1,234.50", "1234.5"),
        ([("number", None)], "12,5", "12.5"),
        ([("number", None)], "1,234", "1234"),
        ([("number", None)], 100.0, "100"),
        ([("boolean", None)], "Yes", "true"),
        ([("boolean", None)], ["I agree"], "true"),
        ([("boolean", None)], [], "false"),
        ([("boolean", None)], None, ""),
        ([("join", " | ")], ["a", "b"], "a | b"),
        ([("default", "n/a")], None, "n/a"),
        ([("default", "n/a")], "x", "x"),
        ([("map", PAIRS)], "2", "two"),
        ([("map", PAIRS)], "3", "3"),
        ([("trim", None), ("lower", None), ("map", PAIRS)], " 1 ", "one"),
        ([], ["a", "b"], "a, b"),
        ([], {"u": {"url": "https://x/1", "meta": {}}}, "https://x/1"),
        ([], {"r1": "left", "r2": "right"}, "left, right"),
        ([], True, "true"),
    ],
)
def test_each_step_does_what_its_name_says(
    steps: list, value: object, told: str
) -> None:
    assert text_of(outward(steps, value)) == told


@pytest.mark.parametrize(
    ("value", "datatype", "told"),
    [
        ("42", "int", "42"),
        (42.0, "int", "42"),
        ("1.5", "float", "1.5"),
        ("TRUE", "bool", "true"),
        ("2026-11-28", "datetime", "2026-11-28T00:00:00Z"),
        ("2026-11-28T10:00:00+02:00", "datetime", "2026-11-28T08:00:00Z"),
        (1795867200, "datetime", "2026-11-28T12:00:00Z"),
        ("", "int", ""),
        (None, "datetime", ""),
        (" as it is ", "str", " as it is "),
    ],
)
def test_a_value_takes_the_form_of_its_datatype(
    value: object, datatype: str, told: str
) -> None:
    assert typed(value, datatype) == told


@pytest.mark.parametrize("datatype", ["int", "float", "bool", "datetime"])
@pytest.mark.parametrize("value", ["soon", "nan", "1e999", "1.2.3", "2026-02-30"])
def test_what_a_datatype_cannot_hold_is_an_error_that_does_not_repeat_it(
    value: str, datatype: str
) -> None:
    with pytest.raises(ValueError, match=r"^is n") as caught:
        typed(value, datatype)

    assert value not in str(caught.value)


CUSTOM = {
    f"contact.{name}": Custom(f"id-{name}", name.upper())
    for name in (
        "text",
        "numerical",
        "monetory",
        "checkbox",
        "multiple_options",
        "date",
    )
}
STORED = {
    "contact.text": "Blue",
    "contact.numerical": 12,
    "contact.monetory": 99.5,
    "contact.checkbox": ["a", "b"],
    "contact.multiple_options": ["x"],
    "contact.date": "2026-11-28",
}
CUSTOM = {
    key: Custom(f"id-{key}", key.removeprefix("contact.").upper()) for key in STORED
}


@pytest.mark.parametrize("key", sorted(CUSTOM))
def test_every_writable_type_of_custom_field_comes_back_as_ghl_had_it(key: str) -> None:
    datatype = {"contact.numerical": "int", "contact.monetory": "float"}.get(key, "str")
    steps = (("join", ", "),) if isinstance(STORED[key], list) else ()
    row = Row(key, "x", datatype, Direction.BOTH, transforms=steps)
    contact = make_contact(custom_fields={CUSTOM[key].id: STORED[key]})

    held = row.text(contact, CUSTOM)

    assert held
    assert row.for_ghl(held, CUSTOM) == STORED[key]


def test_a_custom_field_without_a_value_is_empty_and_one_not_told_unknown() -> None:
    row = Row("contact.text", "x")

    assert row.text(make_contact(custom_fields={}), CUSTOM) == ""
    assert row.text(make_contact(), CUSTOM) is None
    assert row.text(make_contact(custom_fields={}), {}) is None


@pytest.mark.parametrize(
    ("ghl", "value", "written"),
    [
        ("city", "", None),
        ("country", "", ""),
        ("postalCode", "", ""),
        ("city", "Faro", "Faro"),
        ("dateOfBirth", "2000-01-05T00:00:00Z", "2000-01-05"),
        ("contact.text", "", ""),
        ("contact.checkbox", "", []),
    ],
)
def test_ghl_is_written_what_its_field_takes(
    ghl: str, value: str, written: object
) -> None:
    row = Row(ghl, "x", direction=Direction.TO_GHL)

    assert row.for_ghl(value, CUSTOM) == written
