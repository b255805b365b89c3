"""The hours in which the nightly run may begin."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.runs import in_hours

ALL_DAY = (0, 24)
HOURS = st.tuples(st.integers(0, 24), st.integers(0, 24)).filter(
    lambda hours: hours == ALL_DAY or hours[0] % 24 != hours[1] % 24
)
"""What the settings let through."""


def within(hours: tuple[int, int]) -> list[int]:
    return [hour for hour in range(24) if in_hours(hour, hours)]


@given(hours=HOURS)
@settings(max_examples=100)
def test_the_hours_are_those_that_the_clock_strikes_from_the_first_to_the_last(
    hours: tuple[int, int],
) -> None:
    start, end = hours
    struck = [hour % 24 for hour in range(start, end if start < end else end + 24)]

    found = within(hours)

    assert found == sorted(struck)
    assert found


@given(hours=HOURS.filter(lambda hours: hours != ALL_DAY))
@settings(max_examples=100)
def test_every_hour_of_the_day_lies_in_the_hours_or_in_the_others(
    hours: tuple[int, int],
) -> None:
    others = (hours[1], hours[0])

    assert sorted(within(hours) + within(others)) == list(range(24))


def test_all_day_is_every_hour() -> None:
    assert within(ALL_DAY) == list(range(24))
