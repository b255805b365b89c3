"""What rules call for is made once, whatever the order of events, and however often."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from pipeline.sync.campaigns import Campaign, Mark, campaigns, marks
from pipeline.sync.case import Case, Outcome, Result
from pipeline.sync.deeds import AddTag, KeepSummary, MakeTask
from pipeline.sync.mail_event import EventKind, MailEvent
from pipeline.sync.once import SETTLING_SECONDS
from pipeline.sync.orders import Order
from pipeline.sync.ports import Evidence
from pipeline.sync.responding import Response, respond, work_in_ghl
from pipeline.sync.rules import EVENT, Rule, wants
from pipeline.sync.snapshot import Snapshot
from pipeline.sync.triggers import of_event
from pipeline.sync.wishes import DAY_MS
from tests.builders import (
    make_carrying,
    make_contact,
    make_event,
    make_policy,
    make_rule,
    make_snapshot,
)
from tests.tiny_vendors import NOW_MS, TinyGhl, TinyMailjet

ADDRESS = b"8 bytes."
ANN = make_contact(values={"assignedTo": "user1"}, tags=("lead",))
SYNCED = make_snapshot(address=ADDRESS, added_ms=5)
RESULT = Result(Outcome.UNCHANGED, SYNCED)
TAGS = make_rule(AddTag("opened"), name="tags", on=frozenset({EventKind.OPEN}))
CALLS = make_rule(MakeTask("Call: clicked {url}"), name="calls")
PRICES = make_rule(
    MakeTask("Prices!", assignee="user9"), name="prices", url_contains="PRIC"
)
NOTES = make_rule(
    KeepSummary(), name="notes", on=frozenset({EventKind.OPEN, EventKind.CLICK})
)
RULES = (TAGS, CALLS, PRICES, NOTES)
OPENED = make_event(kind=EventKind.OPEN, url="")


@dataclass
class Heard:
    """All of a memory that is looked at here."""

    events: list[MailEvent] = field(default_factory=list)
    snapshot: Snapshot | None = SYNCED
    touched: frozenset[str] = frozenset({EVENT})
    urgent: bool = False
    trusting: bool = False
    orders: tuple[Order, ...] = ()
    unsettled: bool = False
    incoming: tuple[HistoryEntry, ...] = ()
    sharers: dict[str, Snapshot] = field(default_factory=dict)
    begun: list[tuple[bytes, ...]] = field(default_factory=list)
    found: dict[Mark, int] = field(default_factory=dict)

    def hear(self, events: Iterable[MailEvent]) -> None:
        for event in events:
            if wants(RULES, event) and event not in self.events:
                self.events.append(event)
            for mark, at_ms in marks(event).items():
                self.found[mark] = max(at_ms, self.found.get(mark, 0))

    def interactions(self, address: bytes) -> tuple[MailEvent, ...]:
        assert address == ADDRESS
        return tuple(sorted(self.events, key=lambda e: (e.at_ms, e.identity)))

    def campaigns(self, address: bytes) -> dict[int, Campaign]:
        assert address == ADDRESS
        return campaigns(self.found)

    def evidence(self, address: bytes) -> Evidence:
        return Evidence(sharers=self.sharers)

    def begin(self, *addresses: bytes) -> Evidence:
        self.begun.append(addresses)
        return self.evidence(addresses[0])


class Ghl(TinyGhl):
    """Remembers tags on the contact, and what was written.

    Args:
        mood: takes what is to be made, as text, and the assignee; an error that it
            returns is raised before anything is made.
    """

    def __init__(
        self, mood: Callable[[str, str], Exception | None] = lambda made, who: None
    ) -> None:
        super().__init__([ANN])
        self.mood = mood
        self.written: list[str] = []

    def _write(self, what: str, made: str, who: str = "") -> None:
        if error := self.mood(made, who):
            raise error
        self.written.append(what)

    def add_tags(self, contact_id: str, tags: Any) -> tuple[str, ...]:
        self._write("tag", tags[0])
        contact = self.contacts[contact_id]
        self.contacts[contact_id] = replace(contact, tags=(*contact.tags, *tags))
        return super().add_tags(contact_id, tags)

    def create_note(self, contact_id: str, body: str) -> Note:
        self._write("note", body)
        return super().create_note(contact_id, body)

    def update_note(self, contact_id: str, note_id: str, body: str) -> None:
        self._write("edit", body)
        super().update_note(contact_id, note_id, body)

    def create_task(self, contact_id: str, **facts: Any) -> Task:
        self._write("task", facts["title"], facts["assigned_to"])
        return super().create_task(contact_id, **facts)

    def complete(self) -> None:
        tasks = self.tasks[ANN.id]
        self.tasks[ANN.id] = [replace(task, completed=True) for task in tasks]

    def left(self) -> tuple[Any, ...]:
        """What is there, whichever ids it has."""
        tasks = [(t.title, t.assigned_to) for t in self.tasks.get(ANN.id, [])]
        notes = [note.body for note in self.notes.get(ANN.id, [])]
        return sorted(tasks), sorted(notes), self.contacts[ANN.id].tags


def case_of(memory: Heard, ghl: TinyGhl, rules: tuple[Rule, ...] = RULES) -> Case:
    policy = make_policy(rules=rules, carrying=make_carrying(task_assignee="user2"))
    return Case(ANN.id, ghl, TinyMailjet(), memory, policy)


def answer(memory: Heard, ghl: TinyGhl, *events: MailEvent) -> Response:
    """Hear of these, answer, and drop what was answered."""
    memory.hear(events)
    response = respond(case_of(memory, ghl), SYNCED)
    memory.events = [e for e in memory.events if e not in response.events]
    return response


def test_each_rule_does_what_it_is_for() -> None:
    ghl, click = Ghl(), make_event()

    response = answer(Heard(), ghl, click, OPENED)

    assert set(response.events) == {click, OPENED}
    assert (set(response.again), response.wake) == ({"t", "n"}, (ANN.id,))
    assert sorted(ghl.written) == ["note", "tag", "task", "task"]
    calls, prices = ghl.tasks[ANN.id]
    assert calls.title == "Call: clicked https://example.com/pricing"
    assert calls.body == (
        "Mailjet: click, https://example.com/pricing, Spring, 2026-11-23 16:00\n\n"
        f"[mj:calls:{of_event(click).digest}]"
    )
    assert (calls.due_ms, calls.assigned_to) == (NOW_MS + DAY_MS, "user1")
    assert (prices.title, prices.assigned_to) == ("Prices!", "user1")
    (note,) = ghl.notes[ANN.id]
    assert note.body.startswith("Mailjet campaign Spring: opened 1 of 1, clicked https")
    assert ghl.contacts[ANN.id].tags == ("lead", "opened")


def test_who_gets_a_task_is_the_owner_then_the_rules_user_then_the_settings() -> None:
    ghl = Ghl()
    ghl.contacts[ANN.id] = replace(ANN, values={})
    answer(Heard(), ghl, make_event())

    assert [task.assigned_to for task in ghl.tasks[ANN.id]] == ["user2", "user9"]


@pytest.mark.parametrize(
    ("memory", "rules", "address"),
    [
        (Heard(), (), ADDRESS),
        (Heard(), RULES, b""),
        (Heard(urgent=True), RULES, ADDRESS),
        (Heard(touched=frozenset("tn")), RULES, ADDRESS),
    ],
)
def test_where_nobody_waits_for_it_nothing_is_read(
    memory: Heard, rules: tuple[Rule, ...], address: bytes
) -> None:
    ghl = Ghl()
    memory.hear([make_event()])

    response = respond(case_of(memory, ghl, rules), replace(SYNCED, address=address))

    assert response == Response()
    assert (ghl.reads, ghl.written, memory.begun) == ([], [], [])


@pytest.mark.parametrize("before", [None, replace(SYNCED, address=b"another.")])
def test_what_an_address_did_before_we_knew_it_gets_a_turn_of_its_own(
    before: Snapshot | None,
) -> None:
    ghl, memory = Ghl(), Heard(snapshot=before, touched=frozenset())
    assert answer(memory, ghl) == Response()

    assert answer(memory, ghl, make_event()) == Response(again=EVENT)
    assert ghl.written == []


def test_of_contacts_with_one_address_the_oldest_answers() -> None:
    for added_ms, is_answered in ((4, False), (6, True)):
        ghl = Ghl()
        other = replace(SYNCED, added_ms=added_ms)
        memory = Heard(sharers={"gh2": other})
        assert bool(answer(memory, ghl, make_event()).events) is is_answered
        assert bool(ghl.written) is is_answered
        assert memory.begun == [(ADDRESS,)]


def test_one_task_is_open_at_a_time_and_another_click_makes_another() -> None:
    ghl, memory = Ghl(), Heard()
    first, second, third = (make_event(at_ms=NOW_MS + i * 1000) for i in range(3))
    answer(memory, ghl, first)
    for again in (first, second, second):
        assert answer(memory, ghl, again).again.count("t") == 0
    assert len(ghl.tasks[ANN.id]) == 2

    ghl.complete()
    answer(memory, ghl, first)
    assert len(ghl.tasks[ANN.id]) == 2
    assert "t" in answer(memory, ghl, third).again
    assert len(ghl.tasks[ANN.id]) == 4


def test_of_several_clicks_the_newest_makes_the_task() -> None:
    ghl = Ghl()
    clicks = [make_event(url=f"https://x/{i}", at_ms=NOW_MS + i) for i in (1, 3, 2)]
    answer(Heard(), ghl, *clicks)

    assert [task.title for task in ghl.tasks[ANN.id]] == ["Call: clicked https://x/3"]


def test_a_click_that_was_there_when_the_task_was_made_asks_for_no_other() -> None:
    """The answer was lost, and the task is completed by the time of another try."""
    ghl, memory = Ghl(), Heard()
    clicks = [make_event(at_ms=NOW_MS + i) for i in (0, 1)]
    memory.hear(clicks)
    respond(case_of(memory, ghl), SYNCED)
    ghl.complete()

    assert set(answer(memory, ghl).events) == set(clicks)
    assert len(ghl.tasks[ANN.id]) == 2


def test_a_note_is_rewritten_and_anothers_note_left_alone() -> None:
    ghl, memory = Ghl(), Heard()
    TinyGhl.create_note(ghl, ANN.id, "Theirs")
    answer(memory, ghl, OPENED)
    assert answer(memory, ghl, OPENED).again == ""
    answer(memory, ghl, replace(OPENED, message_id=2))
    answer(memory, ghl, replace(OPENED, message_id=3, campaign_id=8))

    assert ghl.written == ["tag", "note", "edit", "note"]
    theirs, spring, other = ghl.notes[ANN.id]
    assert theirs.body == "Theirs"
    assert spring.body.startswith("Mailjet campaign Spring: opened 2 of 2 (last")
    assert other.body.endswith("[mj:campaign:8]")


def test_what_is_about_no_campaign_is_answered_without_a_note() -> None:
    ghl, event = Ghl(), replace(OPENED, campaign_id=0)

    assert answer(Heard(), ghl, event).events == (event,)
    assert ghl.written == ["tag"]


def test_after_an_attempt_that_was_cut_short_a_tag_is_looked_at_again() -> None:
    ghl = Ghl()
    assert answer(Heard(), ghl, OPENED).wake == (ANN.id,)

    assert answer(Heard(), ghl, OPENED).wake == ()
    assert answer(Heard(unsettled=True), ghl, OPENED).wake == (ANN.id,)


def refused(what: str) -> Callable[[str, str], Exception | None]:
    def mood(made: str, who: str) -> Exception | None:
        return Rejected("ghl", "POST", 422) if made.startswith(what) else None

    return mood


@pytest.mark.parametrize("what", ["opened", "Call:", "Prices!", "Mailjet campaign"])
def test_a_refusal_holds_up_nothing_else(what: str) -> None:
    ghl = Ghl(refused(what))

    with pytest.raises(Rejected):
        answer(Heard(), ghl, OPENED, make_event())
    assert len(ghl.written) == 3


def test_what_was_asked_for_in_mailjet_and_rules_do_not_hold_up_each_other() -> None:
    asked = HistoryEntry(1, 1, "note", "Hello", NOW_MS)
    for what in ("Hello", "Prices!"):
        ghl, memory = Ghl(refused(what)), Heard(incoming=(asked,))
        memory.hear([make_event()])
        with pytest.raises(Rejected):
            work_in_ghl(case_of(memory, ghl), RESULT)
        assert len(ghl.written) == 3

    ghl = Ghl()
    made = work_in_ghl(case_of(memory, ghl), RESULT)
    assert set(made.again) == {"n", "t"}
    assert (
        work_in_ghl(case_of(memory, ghl), replace(RESULT, snapshot=None)) == Response()
    )


@pytest.mark.parametrize(
    "error",
    [
        NotFound("ghl", "POST", 400),
        Unauthorized("ghl", "POST", 401),
        Rejected("ghl", "POST", 400, reach=Reach.CONNECTION),
    ],
)
def test_what_concerns_more_than_one_rule_stops_all(error: PermanentError) -> None:
    ghl = Ghl(lambda made, who: error if made == "opened" else None)

    with pytest.raises(type(error)):
        answer(Heard(), ghl, OPENED, make_event())
    assert ghl.written == []


@pytest.mark.parametrize("kind", [Ambiguous, BadPayload])
@pytest.mark.parametrize("event", [OPENED, make_event()])
def test_after_a_lost_answer_nobody_looks_at_once(
    event: MailEvent, kind: type[Ambiguous] | type[BadPayload]
) -> None:
    ghl = Ghl(lambda made, who: kind("ghl", "POST", detail="lost"))

    with pytest.raises(Ambiguous) as caught:
        answer(Heard(), ghl, event)
    assert caught.value.retry_after_seconds == SETTLING_SECONDS


@pytest.mark.parametrize("kind", ["notes", "tasks"])
def test_beside_a_row_that_cannot_be_read_nothing_is_made(kind: str) -> None:
    ghl = Ghl()
    setattr(ghl, f"list_{kind}", lambda contact_id: Listing((), bad_rows=("x",)))

    with pytest.raises(BadPayload):
        answer(Heard(), ghl, make_event())
    assert ghl.written == (["task", "task"] if kind == "notes" else ["note"])


@given(data=st.data())
@settings(max_examples=200)
def test_order_repetition_and_pauses_change_nothing_of_what_is_made(
    data: st.DataObject,
) -> None:
    """While tasks stay open; of several clicks any may be the one that is told."""
    kinds = st.sampled_from([EventKind.SENT, EventKind.OPEN, EventKind.CLICK])
    event = st.builds(
        make_event,
        kind=kinds,
        at_ms=st.integers(0, 3).map(lambda seconds: NOW_MS + seconds * 1000),
        message_id=st.integers(1, 3),
        campaign_id=st.integers(0, 2),
        url=st.just("https://x/pricing"),
    )
    events = data.draw(st.lists(event, max_size=6))
    again = data.draw(st.lists(st.sampled_from(events))) if events else []
    mixed = data.draw(st.permutations([*events, *again]))
    at_once, one_by_one, memory = Ghl(), Ghl(), Heard()
    answer(Heard(), at_once, *events)
    for turn in mixed:
        memory.hear([turn])
        if data.draw(st.booleans()):
            answer(memory, one_by_one)
    answer(memory, one_by_one)
    # What came last is told by whoever came last; a sent mail alone rewrites nothing.
    opened = [e for e in events if e.kind is not EventKind.SENT]
    memory.hear(opened)
    answer(memory, one_by_one)

    assert one_by_one.left() == at_once.left()
