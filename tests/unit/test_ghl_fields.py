from typing import Any

import pytest
from marshmallow import ValidationError, missing

from pipeline.ghl.fields import BirthDate, CustomFields, Email, Moment, Tags, Text


@pytest.mark.parametrize(
    ("raw", "email"),
    [
        (" Ada@Example.COM\n", "ada@example.com"),
        ("", ""),
        (None, ""),
        ("no address", "no address"),
        (missing, missing),
    ],
)
def test_an_email_is_trimmed_and_lower_cased(raw: Any, email: Any) -> None:
    assert Email().deserialize(raw) == email


@pytest.mark.parametrize(
    "raw", [["ada@example.com"], {"email": "x"}, 7, "\ud83d@x.org"]
)
def test_an_email_that_is_no_text_is_refused(raw: Any) -> None:
    with pytest.raises(ValidationError):
        Email().deserialize(raw)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Ada", "Ada"),
        (None, ""),
        (10115, "10115"),
        (10115.0, "10115"),
        (1.5, "1.5"),
        (float("inf"), "inf"),
        (True, "true"),
        ([], missing),
        ({}, missing),
        ("half \ud83d", missing),
        (missing, missing),
    ],
)
def test_text_knows_empty_from_unknown(raw: Any, text: Any) -> None:
    assert Text().deserialize(raw) == text


def test_tags_are_lower_cased_and_each_is_kept_once_in_order() -> None:
    tags = ["VIP", "lead", "vip ", "", 7, "Newsletter"]

    assert Tags().deserialize(tags) == ("vip", "lead", "newsletter")


def test_a_tag_with_half_a_surrogate_pair_is_left_out() -> None:
    assert Tags().deserialize(["vip", "\ud83d", "x\ud83d"]) == ("vip",)


def test_tags_that_are_null_are_known_to_be_none() -> None:
    assert Tags().deserialize(None) == ()
    assert Tags().deserialize(missing) is missing


def test_custom_fields_are_looked_up_by_id() -> None:
    rows = [{"id": "F1", "value": ["a"]}, {"id": "F2"}, {"value": 1}, "x"]

    assert CustomFields().deserialize(rows) == {"F1": ["a"], "F2": None}
    assert CustomFields().deserialize(None) == {}


@pytest.mark.parametrize(
    ("raw", "millis"),
    [
        ("2021-07-02T05:18:26.704Z", 1625203106704),
        ("2021-07-02T05:18:26.704+00:00", 1625203106704),
        ("2021-07-02 05:18:26.704", 1625203106704),
        (1625203106704, 1625203106704),
        ("1625203106704", 1625203106704),
        ("0001-01-01T00:00:00Z", -62135596800000),
        ("0001-01-01T00:00:00+14:00", -62135647200000),
        (1e30, int(1e30)),
        ("yesterday", missing),
        ("9" * 5000, missing),
        (float("inf"), missing),
        (True, missing),
        (None, missing),
        (missing, missing),
    ],
)
def test_a_moment_is_milliseconds_and_utc_where_no_zone_is_named(
    raw: Any, millis: Any
) -> None:
    assert Moment().deserialize(raw) == millis


@pytest.mark.parametrize(
    ("raw", "date"),
    [
        (660787200000, "1990-12-10"),
        (-1000, "1969-12-31"),
        ("1990-12-10T00:00:00.000Z", "1990-12-10"),
        ("1990-12-10", "1990-12-10"),
        ("10.12.", "10.12."),
        (None, ""),
        (1e30, missing),
        (float("nan"), missing),
        (missing, missing),
    ],
)
def test_a_birth_date_is_a_day_in_every_shape_that_ghl_uses(
    raw: Any, date: Any
) -> None:
    assert BirthDate().deserialize(raw) == date
