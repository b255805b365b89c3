"""What GHL offers to this token beyond a contact at a time, and what its lack costs."""

import time
from collections.abc import Callable

from pipeline.errors import NotFound, PermanentError, ScopeMissing
from pipeline.ghl.client import GhlClient
from pipeline.ghl.records import Location
from pipeline.preferences import OPTOUT_FILTER, is_dead_token

DAY_MS = 86_400_000


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
