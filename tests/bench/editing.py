"""People who are edited in GHL, and somebody who looks when Mailjet has it."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.consent import people
from tests.bench.crossing import DND, SEED
from tests.sandbox import Row
from tests.system.installation import Installation

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 120.0
EVERY_NTH_IS_CONSENT = 3
LIVE, CONSENT = "field", "consent"


@dataclass
class Edit:
    """One edit; times in monotonic seconds, 0 until then.

    Args:
        kind: `LIVE` or `CONSENT`.
        due: seconds after the first one.
        parcels: which of the sandbox's deliveries tell of it.
        answered: when the receiver was seen to have answered 200 to all of them.
    """

    kind: str
    contact: Row
    subscriber: Row
    due: float
    said: float = 0.0
    parcels: range = range(0)
    answered: float = 0.0
    arrived: float = 0.0

    @property
    def field(self) -> str:
        """What it writes into the last name."""
        return f"Edited {self.contact['id'][-6:]}"


class Editor:
    """Edits contacts in GHL, and looks until Mailjet has it."""

    def __init__(self, running: Installation, edits: list[Edit]) -> None:
        self._sandbox = running.sandbox
        self._list_id = running.list_id
        self._edits = edits

    def watch(self) -> None:
        """Until all have arrived.

        Raises:
            AssertionError: one has not in two minutes.
        """
        began = time.monotonic()
        while not all(edit.arrived for edit in self._edits):
            now = time.monotonic()
            for edit in self._edits:
                if not edit.said and now - began >= edit.due:
                    self._say(edit)
            waiting = [edit for edit in self._edits if edit.said and not edit.arrived]
            late = [edit.kind for edit in waiting if now - edit.said > PATIENCE_SECONDS]
            assert not late, f"not arrived: {Counter(late)}"
            self._look(waiting)
            time.sleep(LOOK_SECONDS)

    def _say(self, edit: Edit) -> None:
        before = len(self._sandbox.deliveries())
        edit.said = time.monotonic()
        is_consent = edit.kind == CONSENT
        change = {"dndSettings": DND} if is_consent else {"lastName": edit.field}
        self._sandbox.put_contact(id=edit.contact["id"], **change)
        edit.parcels = range(before, len(self._sandbox.deliveries()))
        assert edit.parcels, "no webhook was sent"

    def _look(self, waiting: Sequence[Edit]) -> None:
        if unanswered := [edit for edit in waiting if not edit.answered]:
            deliveries = self._sandbox.deliveries()
            for edit in unanswered:
                told = [deliveries[i]["status"] == "delivered" for i in edit.parcels]
                edit.answered = time.monotonic() if all(told) else 0.0
        for edit in waiting:
            if edit.answered and self._has_arrived(edit):
                edit.arrived = time.monotonic()

    def _has_arrived(self, edit: Edit) -> bool:
        # A patch without changes is a look.
        row = self._sandbox.put_subscriber(id=edit.subscriber["id"])
        if edit.kind == CONSENT:
            return bool(row["lists"][self._list_id]["unsubscribed"])
        return bool(row["properties"].get("lastname") == edit.field)


def chosen(running: Installation, count: int, seconds: float) -> list[Edit]:
    """So many different people who are mailed, evenly over so many seconds."""
    dice = random.Random(SEED)
    who = dice.sample(people(running), count)
    gap = seconds / count
    return [
        Edit(
            CONSENT if number % EVERY_NTH_IS_CONSENT == 1 else LIVE,
            *pair,
            due=(number + dice.random()) * gap,
        )
        for number, pair in enumerate(who)
    ]
