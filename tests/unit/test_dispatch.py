"""How many contacts of one connection may be out at a time."""

from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dispatch import SECONDS_IN_FLIGHT, max_out

RATES = st.floats(0.001, 10_000)
SLOTS = st.integers(0, 500)
CONNECTIONS = st.integers(1, 300)


@given(rate=RATES, slots=SLOTS, connections=CONNECTIONS, data=st.data())
@settings(max_examples=100)
def test_at_least_one_and_at_most_a_second_of_budget(
    rate: float, slots: int, connections: int, data: st.DataObject
) -> None:
    busy = data.draw(st.integers(1, connections))

    out = max_out(rate, slots=slots, busy=busy, connections=connections)

    assert 1 <= out <= max(1, ceil(rate * SECONDS_IN_FLIGHT))


@given(rate=RATES, slots=SLOTS, connections=st.integers(2, 300), data=st.data())
@settings(max_examples=100)
def test_while_others_work_too_nobody_has_more_than_the_share(
    rate: float, slots: int, connections: int, data: st.DataObject
) -> None:
    busy = data.draw(st.integers(2, connections))

    out = max_out(rate, slots=slots, busy=busy, connections=connections)

    assert out <= max(1, ceil(slots / busy))
    assert (out - 1) * busy < max(slots, 1)


@given(rate=RATES, slots=SLOTS, connections=st.integers(2, 300))
@settings(max_examples=100)
def test_who_works_alone_among_several_leaves_half_the_slots(
    rate: float, slots: int, connections: int
) -> None:
    out = max_out(rate, slots=slots, busy=1, connections=connections)

    assert out <= max(1, slots // 2)


@given(rate=RATES, slots=SLOTS)
@settings(max_examples=100)
def test_the_only_connection_queues_at_most_twice_the_slots(
    rate: float, slots: int
) -> None:
    out = max_out(rate, slots=slots, busy=1, connections=1)

    assert out == max(1, min(ceil(rate * SECONDS_IN_FLIGHT), 2 * slots))


@given(rate=RATES, slots=SLOTS, connections=st.integers(2, 300), data=st.data())
@settings(max_examples=100)
def test_one_more_at_work_never_gives_anybody_more(
    rate: float, slots: int, connections: int, data: st.DataObject
) -> None:
    busy = data.draw(st.integers(2, connections))

    fewer = max_out(rate, slots=slots, busy=busy, connections=connections + 1)
    more = max_out(rate, slots=slots, busy=busy + 1, connections=connections + 1)

    assert more <= fewer


def test_enough_budget_and_slots_use_them() -> None:
    assert max_out(10.0, slots=16, busy=1, connections=1) == 10
    assert max_out(100.0, slots=16, busy=1, connections=1) == 32
    assert max_out(100.0, slots=16, busy=1, connections=2) == 8
    assert max_out(100.0, slots=16, busy=3, connections=3) == 6
    assert max_out(2.5, slots=16, busy=3, connections=3) == 3
