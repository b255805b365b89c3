"""Does the address take mail? Counted from events, in whatever order they come."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sync.delivery import SOFT_KEPT, Delivery, joined

TIMES = st.integers(1, 40)
EVENTS = st.lists(
    st.one_of(
        st.builds(Delivery, hard_ms=TIMES),
        st.builds(Delivery, alive_ms=TIMES),
        # A message bounces softly once, whatever second each of Mailjet's ways names.
        st.builds(lambda one, at: Delivery(soft={one: at}), TIMES, TIMES),
    ),
    max_size=8,
)
STREAKS = st.integers(1, 6)
SOFT = [Delivery(soft={number: 10 * number}) for number in range(1, 4)]


def told(events: list[Delivery]) -> Delivery:
    known = Delivery()
    for event in events:
        known = joined(known, event)
    return known


@given(events=EVENTS, data=st.data())
@settings(max_examples=300)
def test_neither_order_nor_repetition_of_events_matters(
    events: list[Delivery], data: st.DataObject
) -> None:
    again = data.draw(st.permutations([*events, *events]))

    assert told(again) == told(events)


@given(events=EVENTS, streak=STREAKS)
@settings(max_examples=300)
def test_an_address_is_given_up_by_a_hard_bounce_or_by_enough_soft_ones_in_a_row(
    events: list[Delivery], streak: int
) -> None:
    delivery = told(events)

    hard = max((event.hard_ms for event in events), default=0)
    alive = max((event.alive_ms for event in events), default=0)
    soft: dict[int, int] = {}
    for event in events:
        for message, at_ms in event.soft.items():
            soft[message] = max(at_ms, soft.get(message, 0))
    row = sorted(at for at in soft.values() if at > alive)
    assert delivery.streak() == len(row)
    if hard:
        assert delivery.bounced_ms(streak) == hard
    elif len(row) >= streak:
        assert delivery.bounced_ms(streak) == row[streak - 1]
    else:
        assert delivery.bounced_ms(streak) == 0


def test_a_mail_that_arrived_ends_the_row_of_soft_bounces() -> None:
    before = told(SOFT)
    after = told([*SOFT, Delivery(alive_ms=20)])

    assert before.bounced_ms(3) == 30
    assert after.streak() == 1
    assert after.bounced_ms(3) == 0
    assert after.bounced_ms(1) == 30


def test_no_sign_of_life_takes_a_hard_bounce_back() -> None:
    delivery = told([Delivery(hard_ms=10), Delivery(alive_ms=20)])

    assert delivery.bounced_ms(5) == 10


def test_of_very_many_soft_bounces_the_newest_are_kept() -> None:
    delivery = told([Delivery(soft={n: n}) for n in range(1, SOFT_KEPT + 10)])

    assert sorted(delivery.soft) == list(range(10, SOFT_KEPT + 10))


@pytest.mark.parametrize("streak", [1, 5, SOFT_KEPT])
def test_the_largest_streak_that_can_be_asked_for_is_remembered(streak: int) -> None:
    delivery = told([Delivery(soft={n: n}) for n in range(1, 100)])

    assert delivery.bounced_ms(streak) > 0
