"""What is read from headers and clocks, without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.clock import ClockReading
from pipeline.store.limits import Limits, Reporter


@given(st.dictionaries(st.text(), st.text()))
def test_no_header_breaks_the_reading(headers):
    assert Limits.read(headers) == Limits()


@given(st.text(), st.text(), st.text())
def test_no_value_breaks_the_reading(calls, remaining, daily):
    limits = Limits.read(
        {
            "X-RateLimit-Max": calls,
            "X-RateLimit-Remaining": remaining,
            "X-RateLimit-Daily-Remaining": daily,
        }
    )

    assert all(-1 <= number <= 10**12 for number in limits.for_script())


def test_ghls_headers_are_read():
    limits = Limits.read(
        {
            "x-ratelimit-limit-daily": "200000",
            "X-RateLimit-Daily-Remaining": "199900",
            "X-RATELIMIT-INTERVAL-MILLISECONDS": "10000",
            "X-RateLimit-Max": "100",
            "X-RateLimit-Remaining": "99",
        }
    )

    assert limits == Limits(100, 10_000, 99, 200_000, 199_900)
    assert limits.for_script() == [100, 10_000_000, 99, 199_900, 200_000]


def test_more_remaining_than_allowed_is_no_remaining():
    said = {"X-RateLimit-Max": "10", "X-RateLimit-Remaining": "11"}

    assert Limits.read(said).remaining is None


@pytest.mark.parametrize(
    ("before", "now", "is_news"),
    [(None, None, False), (None, 5, True), (5, None, False), (5, 0, True)],
)
def test_a_day_is_news_when_it_was_told_and_is_another(before, now, is_news):
    reporter = Reporter(lambda: 0.0)
    reporter.reported(Limits(100, 10_000, 99, 200_000, before), explained=99)

    assert reporter.is_due(Limits(100, 10_000, 99, 200_000, now)) is is_news


@given(
    travel=st.floats(0, 5),
    later=st.floats(0, 3600),
    offset=st.floats(-(10**6), 10**6),
)
def test_slow_answers_are_no_step_of_the_clock(travel, later, offset):
    first = ClockReading(0.0, travel, offset + travel)
    then = ClockReading(travel + later, 2 * travel + later, offset + travel + later)

    assert then.lead(first) == 0


@pytest.mark.parametrize("step", [1.0, -1.0, 86_400.0, -86_400.0])
def test_a_step_of_redis_clock_is_seen(step):
    first = ClockReading(0.0, 0.1, 1000.0)
    then = ClockReading(5.0, 5.1, 1005.0 + step)

    assert then.lead(first) == pytest.approx(step, abs=0.2)


@pytest.mark.parametrize(("sent", "replaces"), [(9.0, False), (11.0, True)])
def test_a_reading_is_compared_with_for_ten_seconds(sent, replaces):
    anchor = ClockReading(0.0, 0.1, 1000.0)

    assert ClockReading(sent, sent, 0.0).replaces(anchor) is replaces
