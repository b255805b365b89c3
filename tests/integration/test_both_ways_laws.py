"""Laws of tasks and notes in both directions, whatever fails in between."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from pipeline.sync.activity import HistoryEntry, Note, Task
from pipeline.sync.wishes import NOTE_FEED, TASK_FEED, references
from tests.builders import make_policy, told
from tests.integration.both_ways import (
    FATES,
    LOST,
    BothWays,
    Fates,
    LosingGhl,
    LosingMailjet,
)
from tests.tiny_vendors import NOW_MS

IDS = ("ana", "bo")
FULL = {"phone": "1", "companyName": "c", "state": "s", "country": "PT"}
FULL |= {"postalCode": "4", "timezone": "UTC", "source": "w", "assignedTo": "u"}
FULL |= {"lastName": "Lee", "city": "Rome"}
DAY_MS = 86_400_000
ids = st.sampled_from(IDS)
words = st.sampled_from(["Call", "Write", "<b>Call</b>"])
dues = st.sampled_from([None, NOW_MS - 1, NOW_MS + DAY_MS])
picks = st.integers(0, 3)


def email(contact_id: str) -> str:
    return f"{contact_id}@example.com"


def asked(entry: HistoryEntry) -> bool:
    return entry.name in (NOTE_FEED, TASK_FEED)


class BothWaysMachine(RuleBasedStateMachine):
    """Two contacts, users on both sides, and vendors whose answers get lost."""

    redis: Redis

    @initialize()
    def begin(self) -> None:
        self.fates = Fates()
        self.ghl, self.mailjet = LosingGhl(self.fates), LosingMailjet(self.fates)
        for contact_id in IDS:
            self.ghl.contacts[contact_id] = told(
                {**FULL, "firstName": contact_id},
                tags=[],
                id=contact_id,
                email=email(contact_id),
                date_added_ms=1,
                date_updated_ms=1,
                dnd=False,
                dnd_settings={},
            )
        self.pipeline = BothWays(self.redis, self.ghl, self.mailjet, make_policy())
        self.pipeline.full_run()
        self.numbers = iter(range(1, 1_000))
        self.deleted: Counter[int] = Counter()
        """How often users deleted in GHL what an entry of Mailjet's had become."""
        self.eras = [0]
        """How many entries there were whenever state was lost."""

    # GHL

    @rule(contact_id=ids, title=words, due_ms=dues, done=st.booleans())
    def put_task(
        self, contact_id: str, title: str, due_ms: int | None, done: bool
    ) -> None:
        tasks = self.ghl.tasks.setdefault(contact_id, [])
        name = f"user-task{next(self.numbers)}"
        tasks.append(Task(name, title, "", "", due_ms, done, contact_id))

    @rule(contact_id=ids, pick=picks, title=words, due_ms=dues)
    def edit_task(
        self, contact_id: str, pick: int, title: str, due_ms: int | None
    ) -> None:
        self._change(contact_id, pick, title=title, due_ms=due_ms)

    @rule(contact_id=ids, pick=picks, done=st.booleans())
    def complete_or_reopen(self, contact_id: str, pick: int, done: bool) -> None:
        self._change(contact_id, pick, completed=done)

    def _change(self, contact_id: str, pick: int, **fields: object) -> None:
        tasks = self.ghl.tasks.get(contact_id, [])
        if pick < len(tasks):
            tasks[pick] = replace(tasks[pick], **fields)

    @rule(contact_id=ids, pick=picks)
    def delete_task(self, contact_id: str, pick: int) -> None:
        self._delete(self.ghl.tasks.get(contact_id, []), pick)

    @rule(contact_id=ids, body=words)
    def put_note(self, contact_id: str, body: str) -> None:
        number = next(self.numbers)
        notes = self.ghl.notes.setdefault(contact_id, [])
        notes.append(Note(f"user-note{number}", body, NOW_MS + number, contact_id))
        self.edit_contact(contact_id)

    @rule(contact_id=ids, pick=picks, body=words)
    def edit_note(self, contact_id: str, pick: int, body: str) -> None:
        """Whoever edits a note leaves the reference alone."""
        notes = self.ghl.notes.get(contact_id, [])
        if pick < len(notes):
            origin = "".join(f"[mj:{i}]" for i in references([notes[pick].body]))
            notes[pick] = replace(notes[pick], body=f"{body} {origin}")

    @rule(contact_id=ids, pick=picks)
    def delete_note(self, contact_id: str, pick: int) -> None:
        self._delete(self.ghl.notes.get(contact_id, []), pick)

    def _delete(self, items: list[Task] | list[Note], pick: int) -> None:
        if pick < len(items):
            self.deleted.update(references([items.pop(pick).body]))

    @rule(contact_id=ids)
    def edit_contact(self, contact_id: str) -> None:
        contact = self.ghl.contacts[contact_id]
        self.ghl.contacts[contact_id] = replace(
            contact, date_updated_ms=(contact.date_updated_ms or 0) + 1
        )

    @rule(contact_id=ids)
    def opt_out(self, contact_id: str) -> None:
        self.ghl.contacts[contact_id] = replace(
            self.ghl.contacts[contact_id],
            dnd_settings={"Email": {"status": "active"}},
        )
        self.edit_contact(contact_id)

    # Mailjet

    @rule(contact_id=ids, body=words)
    def ask_for_note(self, contact_id: str, body: str) -> None:
        self._write(contact_id, NOTE_FEED, body)

    @rule(contact_id=ids, title=words)
    def ask_for_task(self, contact_id: str, title: str) -> None:
        self._write(contact_id, TASK_FEED, json.dumps({"title": title}))

    def _write(self, contact_id: str, name: str, data: str) -> None:
        """Somebody else writes; a person whom Mailjet does not know has no history."""
        if person := self.mailjet.read(email(contact_id)).contact_id:
            entry = HistoryEntry(
                1_000_000 + next(self.numbers), person, name, data, NOW_MS
            )
            self.mailjet.entries.append(entry)

    # We, and what goes wrong

    @rule(contact_id=ids, kinds=st.sampled_from(["", "t", "n", "tna"]))
    def look(self, contact_id: str, kinds: str) -> None:
        self.pipeline.look(contact_id, kinds)

    @rule()
    def full_run(self) -> None:
        self.pipeline.full_run()

    @rule()
    def read_feeds(self) -> None:
        self.pipeline.read_feeds()

    @rule()
    def work(self) -> None:
        self.pipeline.work()

    @rule(fates=st.lists(st.sampled_from(["", *FATES]), min_size=1, max_size=3))
    def lose(self, fates: list[str]) -> None:
        self.fates.waiting.extend(fates)

    @rule()
    def forget(self) -> None:
        self.pipeline.forget()
        self.eras.append(len(self.mailjet.entries))

    @rule()
    def come_to_rest(self) -> None:
        self.fates.waiting.clear()
        self.pipeline.read_feeds()
        self.pipeline.rest()
        self.check_aggregates()
        self.check_everything_asked_for_is_there()
        self.check_ends_are_told()
        writes, made = self.mailjet.writes, self.ghl.made.copy()
        self.pipeline.read_feeds()
        self.pipeline.full_run()
        assert (self.mailjet.writes, self.ghl.made) == (writes, made), "not at rest"

    def teardown(self) -> None:
        if hasattr(self, "pipeline"):
            self.come_to_rest()

    # Laws

    @property
    def entries(self) -> list[HistoryEntry]:
        return [entry for entry in self.mailjet.entries if not asked(entry)]

    def in_ghl(self) -> Counter[int]:
        """How often each entry of Mailjet's is in GHL."""
        shelves = [*self.ghl.tasks.values(), *self.ghl.notes.values()]
        bodies = [item.body for items in shelves for item in items]
        return Counter(i for body in bodies for i in references([body]))

    @invariant()
    def nothing_is_in_ghl_twice(self) -> None:
        if hasattr(self, "pipeline"):
            assert max(self.in_ghl().values(), default=1) == 1
            for number, times in self.ghl.made.items():
                assert times <= 1 + self.deleted[number], f"made {times} times"

    @invariant()
    def no_state_is_told_twice_in_a_row(self) -> None:
        if not hasattr(self, "pipeline"):
            return
        for start, end in zip(self.eras, [*self.eras[1:], None], strict=True):
            last: dict[str, dict[str, object]] = {}
            for entry in filter(
                lambda e: not asked(e), self.mailjet.entries[start:end]
            ):
                facts = json.loads(entry.data)
                assert last.get(facts["id"]) != facts, "told twice in a row"
                last[facts["id"]] = facts

    @invariant()
    def what_came_from_mailjet_is_not_told_again(self) -> None:
        """But for the end of a task, which is told once."""
        if hasattr(self, "pipeline"):
            ours = [json.loads(entry.data) for entry in self.entries]
            made = [facts for facts in ours if not facts["id"].startswith("user-")]
            assert all(facts.get("status") == "completed" for facts in made)
            assert len({facts["closes"] for facts in made}) == len(made)

    def check_aggregates(self) -> None:
        for contact_id in IDS:
            properties = self.mailjet.read(email(contact_id)).properties or {}
            carried = {name: properties.get(name) for name in self.oracle(contact_id)}
            assert carried == self.oracle(contact_id)

    def oracle(self, contact_id: str) -> dict[str, object]:
        """What Mailjet should hold, in words of its own."""
        waiting = [t for t in self.ghl.tasks.get(contact_id, []) if not t.completed]
        notes = self.ghl.notes.get(contact_id, [])
        due = [t.due_ms for t in waiting if t.due_ms is not None]
        return {
            "ghl_open_tasks": len(waiting),
            "ghl_overdue_tasks": sum(moment < NOW_MS for moment in due),
            "ghl_next_task_due": moment(min(due, default=None)),
            "ghl_note_count": len(notes),
            "ghl_last_note_at": moment(max((n.added_ms for n in notes), default=None)),
        }

    def check_everything_asked_for_is_there(self) -> None:
        there = self.in_ghl()
        for entry in filter(asked, self.mailjet.entries):
            assert there[entry.id] or self.deleted[entry.id], "asked for, and not made"

    def check_ends_are_told(self) -> None:
        closed = {json.loads(entry.data).get("closes") for entry in self.entries}
        done = [t for tasks in self.ghl.tasks.values() for t in tasks if t.completed]
        for number in references(task.body for task in done):
            assert number in closed, "completed, and not closed"


def moment(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def world(redis: Redis) -> BothWaysMachine:
    machine = type("Machine", (BothWaysMachine,), {"redis": redis})()
    machine.begin()
    return machine


@pytest.mark.parametrize("turn", ["live", "consent"])
def test_what_may_have_been_told_is_looked_up_whatever_turn_comes_next(
    world: BothWaysMachine, turn: str
) -> None:
    # A task that is done changes no property: the entry is all there is to write.
    world.put_task("ana", "Call", None, done=True)
    world.lose([LOST])
    world.full_run()
    if turn == "consent":
        world.opt_out("ana")
        world.pipeline.read_optouts()
    else:
        world.ask_for_note("ana", "Call")
    world.come_to_rest()

    assert [json.loads(e.data)["status"] for e in world.entries] == ["completed"]


def test_what_is_over_is_cleared_although_state_was_lost_meanwhile(
    world: BothWaysMachine,
) -> None:
    world.put_task("ana", "Call", NOW_MS - 1, done=False)
    world.full_run()
    world.delete_task("ana", 0)
    world.forget()
    world.full_run()
    world.full_run()
    world.check_aggregates()


def test_both_ways_obey_their_laws(redis: Redis) -> None:
    machine = type("Machine", (BothWaysMachine,), {"redis": redis})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
