"""What is asked for in Mailjet and not in GHL yet is made there; nothing else is."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pipeline.errors import (
    Ambiguous,
    BadPayload,
    NotFound,
    PermanentError,
    Reach,
    Rejected,
    Unauthorized,
)
from pipeline.sync.activity import HistoryEntry, Listing, Note, Task
from pipeline.sync.case import Case
from pipeline.sync.granting import grant
from pipeline.sync.once import SETTLING_SECONDS
from tests.builders import make_carrying, make_contact, make_policy
from tests.tiny_vendors import NOW_MS, TinyGhl, TinyMailjet

ANN = make_contact(values={"assignedTo": "user1"})


@dataclass
class Asked:
    """All of a memory that is looked at here."""

    incoming: tuple[HistoryEntry, ...]


class Moody(TinyGhl):
    """Fails where `mood` says so, before anything is made.

    Args:
        mood: takes what is to be made, as text, and the assignee.
    """

    def __init__(self, mood: Callable[[str, str], Exception | None]) -> None:
        super().__init__([ANN])
        self.mood = mood

    def create_note(self, contact_id: str, body: str) -> Note:
        if error := self.mood(body, ""):
            raise error
        return super().create_note(contact_id, body)

    def create_task(self, contact_id: str, **facts: object) -> Task:
        if error := self.mood(str(facts["title"]), str(facts["assigned_to"])):
            raise error
        return super().create_task(contact_id, **facts)


def note(number: int, text: str = "Hello") -> HistoryEntry:
    return HistoryEntry(number, 1, "note", text, NOW_MS)


def task(number: int, text: str = "Call") -> HistoryEntry:
    return HistoryEntry(number, 1, "task", text, NOW_MS)


def granted(ghl: TinyGhl, *entries: HistoryEntry, assignee: str = "user2") -> str:
    policy = make_policy(carrying=make_carrying(task_assignee=assignee))
    return grant(Case(ANN.id, ghl, TinyMailjet(), Asked(entries), policy))


def refused(what: str) -> Callable[[str, str], Exception | None]:
    def mood(made: str, assignee: str) -> Exception | None:
        return Rejected("ghl", "POST", 422) if what in made else None

    return mood


def test_without_anything_asked_for_nothing_is_read() -> None:
    ghl = TinyGhl([ANN])

    assert granted(ghl) == ""
    assert granted(ghl, note(1, "  "), task(2, "")) == ""
    assert ghl.reads == []


@pytest.mark.parametrize(
    ("entries", "letters", "reads"),
    [
        ([note(1)], "n", ["notes"]),
        ([task(1)], "t", ["tasks"]),
        ([task(1), note(2), task(3)], "nt", ["notes", "tasks"]),
    ],
)
def test_what_was_made_is_looked_at_again(
    entries: list[HistoryEntry], letters: str, reads: list[str]
) -> None:
    ghl = TinyGhl([ANN])

    assert granted(ghl, *entries) == letters
    assert ghl.reads == reads
    assert granted(ghl, *entries) == letters
    made = [*ghl.notes.get(ANN.id, []), *ghl.tasks.get(ANN.id, [])]
    assert len(made) == len(entries)


def test_who_does_a_task_is_the_contacts_user_then_the_configured_one() -> None:
    ghl = TinyGhl([ANN])
    granted(ghl, task(1))
    ghl.contacts[ANN.id] = make_contact(values={})
    granted(ghl, task(2))
    granted(ghl, task(3), assignee="")

    owners = [made.assigned_to for made in ghl.tasks[ANN.id]]
    assert owners == ["user1", "user2", ""]


def test_a_refused_user_is_left_out() -> None:
    def mood(made: str, assignee: str) -> Exception | None:
        return Rejected("ghl", "POST", 422) if assignee else None

    ghl = Moody(mood)
    granted(ghl, task(1))

    assert [made.assigned_to for made in ghl.tasks[ANN.id]] == [""]


def test_a_refusal_holds_up_nothing_else() -> None:
    ghl = Moody(refused("Bad"))
    entries = [note(1, "Bad"), note(2), task(3, "Bad"), task(4)]

    with pytest.raises(Rejected):
        granted(ghl, *entries)
    assert [made.body for made in ghl.notes[ANN.id]] == ["Hello\n\n[mj:2]"]
    assert [made.body for made in ghl.tasks[ANN.id]] == ["[mj:4]"]


@pytest.mark.parametrize(
    "error",
    [
        NotFound("ghl", "POST", 400),
        Unauthorized("ghl", "POST", 401),
        Rejected("ghl", "POST", 400, reach=Reach.CONNECTION),
    ],
)
def test_what_concerns_more_than_one_entry_stops_all(error: PermanentError) -> None:
    ghl = Moody(lambda made, assignee: error if "Bad" in made else None)

    with pytest.raises(type(error)):
        granted(ghl, note(1, "Bad"), note(2))
    assert ghl.notes == {}


@pytest.mark.parametrize("kind", [Ambiguous, BadPayload])
def test_after_a_lost_answer_nobody_looks_at_once(
    kind: type[Ambiguous] | type[BadPayload],
) -> None:
    ghl = Moody(lambda made, assignee: kind("ghl", "POST", detail="lost"))

    with pytest.raises(Ambiguous) as caught:
        granted(ghl, note(1), note(2))
    assert caught.value.retry_after_seconds == SETTLING_SECONDS


@pytest.mark.parametrize("kind", ["notes", "tasks"])
def test_beside_a_row_that_cannot_be_read_nothing_is_made(kind: str) -> None:
    ghl = TinyGhl([ANN])
    setattr(ghl, f"list_{kind}", lambda contact_id: Listing((), bad_rows=("x",)))

    with pytest.raises(BadPayload):
        granted(ghl, note(1), task(2))
    assert bool(ghl.notes) is (kind == "tasks")
    assert bool(ghl.tasks) is (kind == "notes")
