"""Runs cost pages, not a call for each contact; `python -m tests.bench.activities` is
the same for 10,000 contacts.
"""

import pytest

from tests.bench.activities import AGAIN, CHANGED, FIRST, GOALS, Figures, measure
from tests.bench.activities import CONTACTS as MANY

CONTACTS = 200
FIRST_PAGES = 16
"""Each listing, each set of opted-out people and each calendar costs a call at least,
however few contacts there are."""
CONTACT = "/contacts/:contactId"
NOTES, TASKS = f"{CONTACT}/notes", f"{CONTACT}/tasks"
SINGLE = (CONTACT, NOTES, TASKS, f"{CONTACT}/appointments")


@pytest.fixture(scope="module")
def figures() -> Figures:
    return measure(CONTACTS)


def single_reads(figures: Figures, name: str) -> dict[str, int]:
    phase = figures.phases[name]
    return {route: phase.at(route) for route in SINGLE if phase.at(route)}


@pytest.mark.parametrize("name", [FIRST, AGAIN, CHANGED])
def test_a_run_stays_within_its_goal(figures: Figures, name: str) -> None:
    in_proportion = GOALS[name] * CONTACTS / MANY

    assert figures.phases[name].of("ghl") <= in_proportion + FIRST_PAGES


def test_at_first_notes_are_read_singly_and_who_is_to_be_blocked(
    figures: Figures,
) -> None:
    reads = single_reads(figures, FIRST)

    # Whom Mailjet has a no from: their DND is read before it is written.
    assert reads.pop(CONTACT) <= CONTACTS / 20
    assert reads.keys() == {NOTES}
    assert 0.9 * CONTACTS < reads[NOTES] <= CONTACTS


def test_where_nothing_changed_nothing_is_read_singly(figures: Figures) -> None:
    assert single_reads(figures, AGAIN) == {}


def test_of_who_changed_only_that_is_read_singly(figures: Figures) -> None:
    reads = single_reads(figures, CHANGED)

    # A sweep may lag, so it is not believed over a look of the last two minutes.
    assert reads.pop(TASKS, 0) <= figures.changed // 3
    assert reads == {NOTES: figures.changed * 2 // 3}


def test_nothing_changed_is_nothing_written_and_every_change_is(
    figures: Figures,
) -> None:
    assert figures.phases[AGAIN].writes == 0
    assert figures.phases[CHANGED].run.outcomes["updated"] == figures.changed
