"""The README's table of what is carried, by example.

Run: python -m tests.carriers

Each carrier is shown on a contact of its own, which the real pipeline syncs between the
local GHL and the local Mailjet, before and after each change. The pipeline's clock is
the real one, so dates are chosen by their distance from today, and are shown as if
today were `TODAY`: only the day is moved, never the hour.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from pipeline.feed import Feed
from pipeline.store.state import connection_key
from pipeline.sync.wishes import NOTE_FEED, TASK_FEED
from tests.driver import FULL_ROW, Driver, dnd
from tests.sandbox import MailjetCaller, Sandbox
from tests.scene import RUN_DAY, Scene, moment
from tests.valkey import Valkey

TODAY = date(2027, 3, 1)
"""What is printed for the day on which this runs."""
HEADING = (
    "| | in GHL | in Mailjet, after the sync |",
    "|---|---|---|",
)

Act = Callable[[Scene], None]


@dataclass(frozen=True)
class Carrier:
    """A row of the table, and the rows of its changes.

    Args:
        shown: beginnings of the keys of either side that its first row shows; the
            others show whatever changed.
        hidden: keys that never are shown: their value is the moment of the run.
        begins: what there is beside the contact before its first sync.
        changes: what then happens, in words and in deeds.
    """

    name: str
    shown: tuple[str, ...]
    begins: Act = lambda scene: None
    changes: tuple[tuple[str, Act], ...] = ()
    hidden: tuple[str, ...] = ()


@dataclass
class Story:
    """A carrier on its contact, and the rows it has come to."""

    carrier: Carrier
    scene: Scene
    rows: list[str] = field(default_factory=list)
    _seen: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def act(self, number: int) -> None:
        """Do what comes before the sync of this number, if anything does."""
        if number == 0:
            self.carrier.begins(self.scene)
        elif number <= len(self.carrier.changes):
            self.carrier.changes[number - 1][1](self.scene)

    def look(self, number: int) -> None:
        """Add the row of the sync of this number."""
        if number > len(self.carrier.changes):
            return
        now = self.scene.in_ghl(), self.scene.in_mailjet()
        if number == 0:
            words, nothing = f"**{self.carrier.name}**", "nothing"
            cells = ["; ".join(self._first(side)) for side in now]
        else:
            words, nothing = self.carrier.changes[number - 1][0], "as before"
            sides = zip(self._seen, now, strict=True)
            cells = ["; ".join(self._changed(*side)) for side in sides]
        self._seen = now
        row = f"| {words} | {' | '.join(cell or nothing for cell in cells)} |"
        for real, printed in self.scene.names.items():
            row = row.replace(real, printed)
        self.rows.append(row)

    def _first(self, side: dict[str, str]) -> Iterator[str]:
        for key, text in side.items():
            if key.startswith(self.carrier.shown) and key not in self.carrier.hidden:
                yield text

    def _changed(self, before: dict[str, str], now: dict[str, str]) -> Iterator[str]:
        for key in before | now:
            if before.get(key) != now.get(key) and key not in self.carrier.hidden:
                yield now.get(key) or f"`{key}` cleared"


def _tasks(scene: Scene) -> None:
    scene.task("task1", title="Send the offer", dueDate=moment(-1))
    scene.task("task2", title="Call back", dueDate=moment(3))


def _another_note(scene: Scene) -> None:
    scene.note("note2", body="Wants a visit.", dateAdded=moment(-2))
    scene.read_notes()


def _edited_note(scene: Scene) -> None:
    scene.note("note2", body="Wants two visits.")
    scene.read_notes()


def _ask_for_task(scene: Scene) -> None:
    wish = {"title": "Send the contract", "due": moment(5)}
    scene.write(TASK_FEED, json.dumps(wish))


def _meetings(scene: Scene) -> None:
    held = {"title": "Viewing", "startTime": moment(-7), "endTime": moment(-7, 11)}
    comes = {"title": "Signing", "startTime": moment(4), "endTime": moment(4, 11)}
    scene.appointment("appointment1", **held, appointmentStatus="showed")
    scene.appointment("appointment2", **comes, appointmentStatus="confirmed")


CARRIERS = (
    Carrier(
        "fields",
        shown=(
            *(key for key in FULL_ROW if key not in {"assignedTo", "tags"}),
            *("name", "firstname", "lastname", "company", "postal_code"),
        ),
        changes=(
            ("a field changes", lambda scene: scene.edit(city="Lisboa")),
            ("a field is emptied", lambda scene: scene.edit(phone="")),
        ),
    ),
    Carrier(
        "id, location, owner",
        shown=("id", "locationId", "assignedTo", "ghl_contact", "ghl_loc", "ghl_ass"),
        changes=(("another owner", lambda scene: scene.edit(assignedTo="user2")),),
    ),
    Carrier(
        "tags",
        shown=("tags", "ghl_tags", "the list"),
        changes=(
            ("a tag more", lambda scene: scene.edit(tags=["lead", "vip"])),
            ("the last tag goes", lambda scene: scene.edit(tags=[])),
        ),
    ),
    Carrier(
        "tasks",
        shown=("task", "ghl_open_tasks", "ghl_overdue_tasks", "ghl_next_task"),
        begins=_tasks,
        changes=(
            ("one is completed", lambda scene: scene.task("task1", completed=True)),
            ("one is put off", lambda scene: scene.task("task2", dueDate=moment(9))),
            ("the last is done", lambda scene: scene.task("task2", completed=True)),
        ),
    ),
    Carrier(
        "notes",
        shown=("note", "ghl_note", "ghl_last_note"),
        begins=lambda scene: scene.note(
            "note1", body="<p>Met at the <b>fair</b>.</p>", dateAdded=moment(-9)
        ),
        changes=(
            ("one more", _another_note),
            ("one is edited", _edited_note),
        ),
    ),
    Carrier(
        "appointments",
        shown=("appointment", "ghl_next_app", "ghl_last_app", "ghl_app"),
        begins=_meetings,
        changes=(
            (
                "the next is cancelled",
                lambda scene: scene.appointment(
                    "appointment2", appointmentStatus="cancelled"
                ),
            ),
        ),
    ),
    Carrier(
        "DND for e-mail",
        shown=("dnd", "our list"),
        changes=(
            ("it is set", lambda scene: scene.edit(**dnd("active"))),
            ("it is cleared", lambda scene: scene.edit(**dnd("inactive"))),
        ),
    ),
    Carrier(
        "the verdict",
        shown=("dnd", "ghl_email_status"),
        changes=(("complains of spam in Mailjet", Scene.complain),),
    ),
    Carrier(
        "back: a note",
        shown=("note", "ghl_note_count"),
        changes=(
            (
                "somebody writes an entry `note` in Mailjet",
                lambda scene: scene.write(NOTE_FEED, "Asked for prices."),
            ),
        ),
        hidden=("ghl_last_note_at",),
    ),
    Carrier(
        "back: a task",
        shown=("task", "ghl_open_tasks", "ghl_overdue_tasks"),
        changes=(
            ("somebody writes an entry `task` in Mailjet", _ask_for_task),
            (
                "it is completed in GHL",
                lambda scene: scene.complete("Send the contract"),
            ),
        ),
    ),
)


def sync(driver: Driver) -> None:
    """What Beat's rings come to: entries that others wrote, and a full run."""
    record = driver.kit.record()
    assert record is not None
    Feed(driver.kit, record).read()
    driver.full_run()


def table() -> str:
    """The table in Markdown, without a line end."""
    with Valkey() as valkey, Sandbox("--contacts", "0") as sandbox:
        mailjet = MailjetCaller(sandbox)
        vip = str(mailjet.new_list())
        mailjet.close()
        with Driver(valkey, sandbox, SYNC_TAG_LISTS=f"vip={vip}") as driver:
            # Fingerprints are shown as the versions of notes.
            setup_key = connection_key("default", "setup")
            driver.pipeline.redis.hset(setup_key, "key", bytes(32))
            driver.setup()
            stories = [
                Story(carrier, Scene(driver, number, {vip: "the list of `vip`"}))
                for number, carrier in enumerate(CARRIERS, start=1)
            ]
            for number in range(1 + max(len(one.changes) for one in CARRIERS)):
                for story in stories:
                    story.act(number)
                sync(driver)
                for story in stories:
                    story.look(number)
    shift = TODAY - RUN_DAY
    rows = "\n".join((*HEADING, *(row for story in stories for row in story.rows)))
    return re.sub(
        r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", lambda found: _moved(found, shift), rows
    )


def _moved(found: re.Match[str], shift: timedelta) -> str:
    return (date.fromisoformat(found[0]) + shift).isoformat()


if __name__ == "__main__":
    print(table())
