"""A short `make chaos`: a few kills in small runs, and a few lost answers."""

import pytest

from tests.chaos.events import with_events
from tests.chaos.kills import with_kills
from tests.chaos.lost_answers import FAULTS, with_kills_while_making, with_lost_answers
from tests.chaos.triggers import with_triggers

pytestmark = pytest.mark.timeout(600)
"""The last one takes 46 s on an idle machine, and 115 s were seen on a busy one."""


def test_nobody_is_lost_when_workers_are_killed_at_random_moments() -> None:
    report = with_kills(seed=7, contacts=100, kills=2, rate="100/10")

    assert report.wrong == []
    assert len(report.kills) == 2
    assert report.edited == 10


def test_what_was_answered_200_is_done_once_whatever_is_killed() -> None:
    report = with_events(seed=3, events=40, kills=3, contacts=40, rate="1000/10")

    assert report.wrong == []
    assert report.events >= 40
    assert sum(report.kills.values()) == 3


def test_nothing_is_made_twice_when_answers_are_lost() -> None:
    seen = list(with_lost_answers(times=4, contacts=4))

    assert len(seen) == 2 * len(FAULTS)
    assert [losses.wrong for losses in seen] == [[]] * len(seen)
    assert {losses.struck for losses in seen} == {4}


def test_nothing_is_made_twice_when_the_worker_dies_while_ghl_makes_it() -> None:
    (losses,) = with_kills_while_making(1)

    assert losses.wrong == []


def test_what_rules_send_goes_once_and_to_nobody_who_said_no() -> None:
    report = with_triggers(seed=7, triggers=50, kills=2, hurries=True)

    assert report.wrong == []
    assert report.triggers == 50
    assert (report.kills, report.resyncs) == (2, 2)
    assert report.mails + report.held == 50
