"""Entries that people and programs write into Mailjet's history, as work for GHL.

`note` and `task` are theirs: an entry becomes a note or a task of the GHL contact, and
carries the entry's number there as a visible reference, because GHL knows no
idempotency key: whoever looks for the reference first posts nothing twice.
"""

import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.sync.activity import HistoryEntry
from pipeline.sync.aggregates import TITLE_LENGTH, cut, shorten

TASK_FEED, NOTE_FEED = "task", "note"

REFERENCE = re.compile(r"\[mj:([0-9]{1,20})\]")
BODY_LENGTH = 10_000
DAY_MS = 86_400_000
FIRST_MS, END_MS = 946_684_800_000, 4_102_444_800_000
"""2000 to 2099: a date outside is a slip, and no calendar should be asked for it."""
FIRST_OF_MILLISECONDS = 10**11
"""A number from here on counts milliseconds, as seconds it would be the year 5138."""


@dataclass(frozen=True)
class Wish:
    """A note or a task that somebody asked for in Mailjet.

    Args:
        entry_id: of the history entry; what GHL gets carries it as a reference.
        title, due_ms: None makes it a note.
    """

    entry_id: int
    body: str = field(repr=False)
    title: str | None = field(default=None, repr=False)
    due_ms: int = 0

    @property
    def text(self) -> str:
        """The body with its reference."""
        return f"{self.body}\n\n[mj:{self.entry_id}]".strip()


def references(bodies: Iterable[str]) -> set[int]:
    """The Mailjet entries that notes or tasks with these bodies were made from.

    An editor of HTML may have written the brackets as entities.
    """
    return {
        int(number)
        for body in bodies
        for number in REFERENCE.findall(html.unescape(body))
    }


def wishes(
    entries: Iterable[HistoryEntry], *, due_days: int, now_ms: int
) -> Iterator[Wish]:
    """What people asked for in Mailjet; an entry without any text asks for nothing.

    Broken JSON is what somebody typed: it is taken as the text that it is, and of a
    task's text the first line is the title.

    Args:
        due_days: from the entry to the due date of a task that names none, or one
            that is nonsense; from `now_ms` where the entry has no sane time either.
    """
    for entry in entries:
        facts = _object(entry.data)
        if entry.name == NOTE_FEED:
            if body := _text(entry.data if facts is None else facts.get("body")):
                yield Wish(entry.id, body)
        elif entry.name == TASK_FEED:
            title, body = _task_texts(entry.data, facts)
            if title:
                created_ms = entry.created_ms or 0
                asked_ms = created_ms if _is_sane(created_ms) else now_ms
                by_default = asked_ms + due_days * DAY_MS
                due_ms = _moment((facts or {}).get("due")) or by_default
                yield Wish(entry.id, body, title, due_ms)


def facts_of(data: str) -> dict[str, object]:
    """The object that an entry holds as JSON; empty where it holds anything else."""
    return _object(data) or {}


def _object(data: str) -> dict[str, object] | None:
    try:
        loaded = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return loaded if isinstance(loaded, dict) else None


def _task_texts(data: str, facts: dict[str, object] | None) -> tuple[str, str]:
    """Title and body; what a title cannot hold stands in the body as well."""
    if facts is None:
        first, _, rest = data.strip().partition("\n")
        whole, body = _text(first), _text(rest)
    else:
        body = _text(facts.get("body"))
        whole = _text(facts.get("title")) or body.partition("\n")[0]
    title = shorten(whole, TITLE_LENGTH)
    if len(whole) > TITLE_LENGTH and not body.startswith(whole):
        body = _text(f"{whole}\n\n{body}")
    return title, body


def _text(value: object) -> str:
    """Of a text or a number, as much as GHL gets; "" for anything else.

    JSON may hold half of a surrogate pair, which becomes U+FFFD.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    whole = str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return cut(whole.strip(), BODY_LENGTH).rstrip()


def _moment(value: object) -> int | None:
    """Milliseconds of an ISO date, of Unix seconds or of Unix milliseconds.

    None for anything else, and outside 2000 to 2099.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    for found in (_of_date(str(value)), _of_number(value)):
        if found is not None and _is_sane(found):
            return round(found)
    return None


def _of_date(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    placed = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return placed.timestamp() * 1000


def _of_number(value: str | int | float) -> float | None:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if number >= FIRST_OF_MILLISECONDS else number * 1000


def _is_sane(milliseconds: float) -> bool:
    return FIRST_MS <= milliseconds < END_MS
