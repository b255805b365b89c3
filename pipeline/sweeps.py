"""Tasks and appointments, read for a whole location at a time, and the notes' turn.

A sweep costs pages or calendars, never a call for each contact. A full run keeps the
rows that differ for the contacts that it lists afterwards; between runs a sweep tells
whose tasks or appointments to look at, and nothing more. Notes have no location-wide
read in GHL, so everybody's have their turn once in some days.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from uuid import uuid4
from zlib import crc32

from pipeline.bootstrap import Kit
from pipeline.errors import NotFound, PermanentError, ScopeMissing
from pipeline.paging import Cursor, Found
from pipeline.permit import Lane, Permit
from pipeline.preferences import stops_everything
from pipeline.store.activities import Differing, Item, Kind
from pipeline.store.setup import SetupRecord
from pipeline.store.timeline import FoundBy
from pipeline.sync import around, history
from pipeline.sync.activity import Appointment, Carried

logger = logging.getLogger(__name__)

LAG_MS = 120_000
"""A sweep may show what was true so long before: GHL's searches lag writes."""
DAY_MS = 86_400_000
DAY_SECONDS = 86_400
SHARE_OF_DAY = 0.05
"""Of the day's calls, what the sweeps of a kind between runs may take."""
LIVE_AT_MOST = 100
"""More contacts than this are no person's work of the last minutes: they can wait."""
LETTERS = {"tasks": around.Kind.TASKS, "meetings": around.Kind.APPOINTMENTS}
REST_SECONDS = {"tasks": 300, "meetings": 900}
"""At least, between two sweeps of a kind."""


class Sweeps:
    """The sweeps of one connection; every method is one short piece of work."""

    def __init__(self, kit: Kit, record: SetupRecord, lane: Lane = Lane.BULK) -> None:
        self._kit = kit
        self._record = record
        self._policy = kit.policy(record)
        self._now_ms = self._policy.carrying.now_ms
        self._ghl = kit.ghl(Permit(lane))
        self.stages: dict[str, Callable[[Cursor], Found]] = {
            "tasks": partial(self._stage, "tasks", {"stage": "appointments"}),
            "appointments": partial(self._stage, "meetings", {"stage": "notes"}),
            "notes": self._notes,
        }
        self._pages = {"tasks": self._task_page, "meetings": self._calendar}

    def _stage(self, kind: Kind, onwards: Cursor, cursor: Cursor) -> Found:
        """One page for a full run; a sweep that is refused is done without."""
        if not self._swept[kind]:
            self._kit.activities.forget(kind)
            return Found(onwards)
        try:
            following = self._pages[kind](cursor, for_run=True)
        except PermanentError as error:
            if stops_everything(error):
                raise
            logger.warning("%s are not swept: %s", kind, error)
            self._kit.activities.forget(kind)
            if isinstance(error, ScopeMissing):
                # From now on each contact is read singly, until `setup` finds better.
                self._kit.setup.save(self._without(kind))
            return Found(onwards)
        return Found(onwards if following is None else following)

    def _without(self, kind: Kind) -> SetupRecord:
        if kind == "tasks":
            return replace(self._record, task_search=False)
        return replace(self._record, calendars=False)

    def _notes(self, cursor: Cursor) -> Found:
        """Point at the notes of everybody whose day has come since the last turn."""
        onwards: Cursor = {"stage": "unsubscribed"}
        store, days = self._kit.activities, self._kit.connection.notes_sweep_days
        today, last = self._now_ms // DAY_MS, store.notes_turn()
        come = turns_since(last, today, days)
        for ids in store.with_notes() if come else ():
            theirs = [id_ for id_ in ids if notes_have_turn(id_, come, days)]
            self._kit.ledger.point_at(theirs, around.Kind.NOTES)
        store.notes_had_turn(max(today, last or 0))
        return Found(onwards)

    @property
    def parts(self) -> tuple[Callable[[], object], ...]:
        """Between runs: look whose open tasks or appointments are not as carried.

        Each by itself: what is refused to one does not hold up the other.
        """
        swept: dict[Kind, bool] = self._swept
        return tuple(partial(self._sweep_if_due, kind) for kind in swept if swept[kind])

    @property
    def _swept(self) -> dict[Kind, bool]:
        return {"tasks": self._record.task_search, "meetings": self._record.calendars}

    def _sweep_if_due(self, kind: Kind) -> None:
        name, rest_seconds = f"sweep:{kind}", REST_SECONDS[kind]
        if not self._kit.setup.claim_due(name, rest_seconds):
            return
        cursor: Cursor | None = {}
        # Calendars have to be listed before the first of them can be read.
        calls = 1 if kind == "meetings" else 0
        while cursor is not None:
            cursor = self._pages[kind](cursor, for_run=False)
            calls += 1
        daily = SHARE_OF_DAY * self._kit.connection.ghl_daily
        self._kit.setup.rest(name, max(rest_seconds, calls * DAY_SECONDS / daily))

    def _task_page(self, cursor: Cursor, *, for_run: bool) -> Cursor | None:
        page = self._ghl.search_tasks(
            completed=None if for_run else False, search_after=cursor.get("after")
        )
        rows: dict[str, list[Item]] = defaultdict(list)
        for task in page.tasks:
            rows[task.contact_id].append(history.lean(task))
        following = None if page.next is None else {"after": page.next}
        is_whole = not page.bad_rows
        return self._add(
            "tasks", cursor, rows, following, for_run=for_run, is_whole=is_whole
        )

    def _calendar(self, cursor: Cursor, *, for_run: bool) -> Cursor | None:
        waiting = cursor.get("calendars")
        if waiting is None:
            waiting = [calendar.id for calendar in self._ghl.list_calendars()]
        rows: dict[str, list[Item]] = defaultdict(list)
        found, is_whole = self._meetings(waiting[0]) if waiting else ((), True)
        for meeting in found:
            rows[meeting.contact_id].append(meeting)
        following = {"calendars": waiting[1:]} if waiting[1:] else None
        return self._add(
            "meetings", cursor, rows, following, for_run=for_run, is_whole=is_whole
        )

    def _meetings(self, calendar_id: str) -> tuple[Iterable[Appointment], bool]:
        """A calendar's appointments, and whether each of its rows could be read."""
        window_ms = around.APPOINTMENT_WINDOW_MS
        try:
            found = self._ghl.calendar_events(
                calendar_id, self._now_ms - window_ms, self._now_ms + window_ms
            )
        except NotFound:
            # Deleted since it was listed, with its appointments.
            return (), True
        return around.within(found.items, self._now_ms), not found.bad_rows

    def _add(
        self,
        kind: Kind,
        cursor: Cursor,
        rows: Mapping[str, list[Item]],
        following: Cursor | None,
        *,
        for_run: bool,
        is_whole: bool,
    ) -> Cursor | None:
        """Keep a page; the cursor of the next, None when that was the last."""
        store = self._kit.activities
        reader, first = cursor.get("reader"), "reader" not in cursor
        reader = reader or uuid4().hex[:8]
        # A task or a slot may belong to nobody.
        known = {ghl_id: items for ghl_id, items in rows.items() if ghl_id}
        if not store.add(kind, reader, known, first=first):
            # The pages before have lapsed: from the beginning.
            return {"stage": cursor["stage"]} if "stage" in cursor else {}
        here = {
            **cursor,
            "reader": reader,
            "began": cursor.get("began", self._now_ms),
            "whole": is_whole and cursor.get("whole", True),
        }
        if following is not None:
            return {**here, **following}
        differs = partial(
            history.differs, kind, self._policy.fingerprint, for_run=for_run
        )
        fresh_ms = here["began"] - LAG_MS
        doubts = partial(_doubts, kind, fresh_ms=fresh_ms, is_whole=here["whole"])
        differing = store.differing(kind, reader, differs, doubts)
        if for_run:
            store.keep(kind, reader)
            # Whoever was settled after the comparison and before the rows were kept.
            late = store.doubted(differing.sure, doubts)
            doubtful = (*differing.doubtful, *late)
            self._kit.ledger.point_at(doubtful, LETTERS[kind])
        else:
            self._point_at(kind, differing)
            store.drop(kind, reader)
        return None

    def _point_at(self, kind: Kind, differing: Differing) -> None:
        """Let contacts be looked at, each once for the same rows.

        Where a contact's own list and the sweep disagree for good, looking again and
        again would change nothing.
        """
        ids, lane = news(self._kit, kind, differing.rows)
        self._kit.timeline.found(ids, FoundBy.SWEEP)
        self._kit.ledger.point_at(ids, LETTERS[kind], lane)
        self._kit.activities.point(kind, differing.rows)


def news(kit: Kit, sweep: str, told: Mapping[str, int]) -> tuple[list[str], Lane]:
    """Contacts of whom the sweep before told something else, and their lane.

    Args:
        told: contact id to a checksum of what differs.
    """
    before = kit.activities.pointed(sweep)
    ids = [ghl_id for ghl_id, one in told.items() if before.get(ghl_id) != one]
    return ids, Lane.LIVE if len(ids) <= LIVE_AT_MOST else Lane.BULK


def turns_since(last: int | None, today: int, days: int) -> frozenset[int]:
    """Which parts of everybody have had their day since the last turn of the notes.

    Args:
        last: day of the last turn, since 1970; None before the first.
        days: in so many everybody has a turn.
    """
    if last is None:
        return frozenset()
    first = max(last + 1, today - days + 1)
    return frozenset(day % days for day in range(first, today + 1))


def notes_have_turn(ghl_id: str, come: frozenset[int], days: int) -> bool:
    """Whether the contact is in one of these parts."""
    return crc32(ghl_id.encode()) % days in come


def _doubts(kind: Kind, before: Carried, *, fresh_ms: int, is_whole: bool) -> bool:
    """Whether the contact's own list would tell more than the sweep.

    A row that could not be read looks like one that was deleted.
    """
    known = before.tasks if kind == "tasks" else before.meetings
    return before.looked_ms >= fresh_ms or (known is not None and not is_whole)
