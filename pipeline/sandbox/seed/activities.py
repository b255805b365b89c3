"""Invents the tasks, notes and appointments of the contacts.

Each kind has dice of its own: more of one changes nothing about the others.
"""

import random
import string
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from pipeline.sandbox.ghl.activities import CALENDARS, KINDS
from pipeline.sandbox.ghl.appointments import new_appointment
from pipeline.sandbox.ghl.location import Location
from pipeline.sandbox.ghl.notes import new_note
from pipeline.sandbox.ghl.tasks import new_task
from pipeline.sandbox.ghl.times import to_iso
from pipeline.sandbox.seed.people import NEWEST
from pipeline.sandbox.wire import Row

NO_ACTIVITIES: Mapping[str, float] = dict.fromkeys(KINDS, 0.0)
CHARACTERS = string.ascii_letters + string.digits
DONE, WITHOUT_DUE_DATE = 0.5, 0.02
USERS = ("sandboxUser000000001", "sandboxUser000000002", None)
STATUSES = ("confirmed", "confirmed", "new", "showed", "noshow", "cancelled")
TITLES = (
    "Call back",
    "Send the offer",
    "Angebot für Müller & Söhne schicken",
    "見積もりを送る",
    "اتصل بالعميل غدًا",
    "לשלוח חוזה",
    "Ring Żaneta 🐢 about the keys",
    "<b>Urgent</b>: invoice",
)
NOTES = (
    "Prefers to be called in the morning.",
    "<p>Met at the fair.<br>Wants a <b>second</b> offer &amp; a visit.</p>",
    "Wunsch: Küche mit Blick aufs Wasser, Rückruf nach 18 Uhr",
    "طلب مكالمة بعد الظهر",
    "希望者あり 👨‍👩‍👧 家族で見学",
    "Line one\nLine two\n\nLine four",
)
MEETINGS = ("Consultation", "Viewing", "Besichtigung", "内見", "Zoom call 📞")


def keep_busy(location: Location, plenty: Mapping[str, float], seed: int) -> None:
    """Give contacts activities.

    Args:
        plenty: kind to how many for each contact; 0.5 is one for every second contact.
    """
    invent: dict[str, Callable[[Location, random.Random, str], Row]] = {
        "tasks": _task,
        "notes": _note,
        "appointments": _appointment,
    }
    for kind in KINDS:
        dice = random.Random(f"{seed} {kind}")  # noqa: S311 - repeatable on purpose
        shelf = location.activities.shelf(kind)
        shelf.load(
            invent[kind](location, dice, contact_id)
            for contact_id in _owners(location, plenty[kind])
        )


def _owners(location: Location, each: float) -> Iterator[str]:
    """The contacts' ids, each as often as it has something, exactly in the end."""
    for position, contact_id in enumerate(location.book.rows):
        for _ in range(int((position + 1) * each) - int(position * each)):
            yield contact_id


def _task(location: Location, dice: random.Random, contact_id: str) -> Row:
    due = to_iso(_around(dice, 60))
    return new_task(
        location,
        {
            **_born(dice, contact_id),
            "title": dice.choice(TITLES),
            "body": dice.choice(("", "As talked about on the phone.")),
            "assignedTo": dice.choice(USERS),
            "dueDate": None if dice.random() < WITHOUT_DUE_DATE else due,
            "completed": dice.random() < DONE,
        },
    )


def _note(location: Location, dice: random.Random, contact_id: str) -> Row:
    born = _born(dice, contact_id)
    del born["dateUpdated"]
    return new_note(location, {**born, "body": dice.choice(NOTES)})


def _appointment(location: Location, dice: random.Random, contact_id: str) -> Row:
    start = _around(dice, 40).replace(minute=30, second=0, microsecond=0)
    return new_appointment(
        location,
        {
            **_born(dice, contact_id),
            "title": dice.choice(MEETINGS),
            "calendarId": dice.choice(CALENDARS)[0],
            "appointmentStatus": dice.choice(STATUSES),
            "assignedUserId": USERS[0],
            "startTime": to_iso(start),
            "endTime": to_iso(start + timedelta(minutes=30)),
        },
    )


def _born(dice: random.Random, contact_id: str) -> Row:
    added = to_iso(NEWEST - timedelta(seconds=dice.uniform(0, 300 * 86_400)))
    row_id = "".join(dice.choices(CHARACTERS, k=20))
    return {
        "id": row_id,
        "contactId": contact_id,
        "dateAdded": added,
        "dateUpdated": added,
    }


def _around(dice: random.Random, days: int) -> datetime:
    """Some moment within so many days of the newest contact."""
    return NEWEST + timedelta(seconds=dice.uniform(-days, days) * 86_400)
