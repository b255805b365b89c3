"""What GHL offers to this token beyond a contact at a time, and what its lack costs."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

from pipeline.errors import NotFound, PermanentError, ScopeMissing
from pipeline.ghl.client import GhlClient
from pipeline.ghl.records import Location
from pipeline.preferences import OPTOUT_FILTER, is_dead_token
from pipeline.sync.activity import Appointment

DAY_MS = 86_400_000
SAMPLE_DAYS = 60
SAMPLES, CALENDARS = 3, 5
"""Appointments that are compared, and calendars that are looked through for them."""


def find_location(ghl: GhlClient) -> Location:
    """The location; only its id where the token lacks `locations.readonly`."""
    try:
        return ghl.get_location()
    except PermanentError:
        return Location(ghl.location_id, "", "UTC", None)


def lost_without_search(ghl: GhlClient) -> str:
    """What search cannot do and what that costs; "" where it finds who opted out.

    Older accounts do not know its filter, and a token may lack its scope.
    """
    try:
        ghl.search_contacts(filters=OPTOUT_FILTER, page_limit=1)
    except ScopeMissing:
        return (
            "is refused to this token: each contact will be read singly, and changes "
            "in GHL show at the next full run"
        )
    except PermanentError as error:
        if is_dead_token(error):
            raise
        return "cannot find opted-out contacts: each contact will be read singly"
    return ""


def lost_without_task_search(ghl: GhlClient) -> str:
    """What it costs that tasks cannot be read at once; "" where they can."""
    return _lost("tasks", lambda: ghl.search_tasks(completed=False))


def lost_without_calendars(ghl: GhlClient) -> str:
    """What it costs that calendars cannot be read; "" where they can.

    Where there is no calendar, nobody can tell whether its events could be read.
    """
    return _lost("appointments", lambda: read_events(ghl))


def read_events(ghl: GhlClient) -> bool:
    """Read a day of one calendar; False where there is none to read.

    Raises:
        PermanentError: calendars, or their events, are refused.
    """
    now_ms = round(time.time() * 1000)
    for calendar in ghl.list_calendars():
        try:
            ghl.calendar_events(calendar.id, now_ms, now_ms + DAY_MS)
        except NotFound:
            # Deleted since it was listed.
            continue
        return True
    return False


def zone_of_appointments(ghl: GhlClient, location: ZoneInfo) -> ZoneInfo:
    """The zone of a contact's appointments, whose times name none in GHL's own list.

    It is documented nowhere. A calendar tells the same appointments with their offsets,
    so some are read both ways; where none decides it, it is taken for the location's.

    Raises:
        PermanentError: calendars are refused.
    """
    for exact in islice(_telling(ghl, location), SAMPLES):
        try:
            listed = ghl.list_appointments(exact.contact_id, location).items
        except PermanentError:
            continue
        for one in listed:
            if one.id == exact.id and one.start_ms is not None:
                is_utc = _in_utc_ms(one.start_text) == exact.start_ms
                return ZoneInfo("UTC") if is_utc else location
    return location


def _telling(ghl: GhlClient, location: ZoneInfo) -> Iterator[Appointment]:
    """Appointments of contacts, at times at which the location's clock is not UTC's."""
    now_ms, window_ms = round(time.time() * 1000), SAMPLE_DAYS * DAY_MS
    for calendar in ghl.list_calendars()[:CALENDARS]:
        try:
            found = ghl.calendar_events(
                calendar.id, now_ms - window_ms, now_ms + window_ms
            )
        except PermanentError:
            continue
        for one in found.items:
            if one.contact_id and one.start_ms is not None:
                moment = datetime.fromtimestamp(one.start_ms / 1000, location)
                if moment.utcoffset():
                    yield one


def _in_utc_ms(text: str) -> int | None:
    """A time that names no zone, taken for UTC; None for any other text."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo:
        return None
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _lost(what: str, read: Callable[[], object]) -> str:
    try:
        read()
    except PermanentError as error:
        if is_dead_token(error):
            raise
        refused = isinstance(error, ScopeMissing)
        why = "are refused to this token" if refused else "cannot be had"
        return f"of the whole location {why}: {singly(what)}"
    return ""


def singly(what: str) -> str:
    """What the lack of a location-wide read costs, in words."""
    return (
        f"each sync of a contact reads its {what} singly, one call each, and their "
        "changes show at the next full run"
    )
