"""Appointments: a contact's, and those of a calendar within a time.

A contact's have times without a zone, which are the location's own here; a calendar's
have ISO times with an offset. Source: `GetEventSchema` and `CalendarEventDTO` of
HighLevel's OpenAPI files for contacts and calendars, read 2026-11.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.sandbox.ghl.errors import bad_request, unprocessable
from pipeline.sandbox.ghl.listings import number
from pipeline.sandbox.ghl.location import TIMEZONE, Location
from pipeline.sandbox.ghl.times import from_millis, now_iso
from pipeline.sandbox.wire import Answer, Call, Routes, Row

routes: Routes[Location] = Routes()

CALENDAR_VERSION = "2021-04-15"
ZONE = ZoneInfo(TIMEZONE)
TIMES = ("startTime", "endTime", "dateAdded", "dateUpdated")
WINDOW = ("startTime", "endTime")
OWNERS = {"calendarId": "calendarId", "userId": "assignedUserId", "groupId": "groupId"}


@routes("GET", "/contacts/:contactId/appointments")
def list_appointments(location: Location, call: Call) -> Answer:
    """All of them at once, past and future."""
    contact_id = location.contact(call.params["contactId"])["id"]
    rows = location.activities.appointments.of(contact_id)
    events = [{**row, "status": "booked", **_naive_times(row)} for row in rows]
    return Answer(200, {"events": events})


@routes("GET", "/calendars/")
def list_calendars(location: Location, call: Call) -> Answer:
    """All of them, those that take no bookings included."""
    _check(location, call)
    rows = location.activities.calendars.values()
    calendars = [{**row, "locationId": location.id} for row in rows]
    return Answer(200, {"calendars": calendars})


@routes("GET", "/calendars/events")
def list_events(location: Location, call: Call) -> Answer:
    """What begins within the time, ends included, unpaged; of one owner at least."""
    _check(location, call)
    given = {key: call.query[key] for key in OWNERS if call.query.get(key)}
    missing = [f"{k} should not be empty" for k in WINDOW if not call.query.get(k)]
    if not given:
        missing.append("either of calendarId, userId or groupId is required")
    if missing:
        raise unprocessable(missing)
    calendar_id = given.get("calendarId")
    if calendar_id and calendar_id not in location.activities.calendars:
        raise bad_request(f"Calendar not found for id:{calendar_id}")
    low, high = (from_millis(number(call, key, 0)) for key in WINDOW)
    events = [
        {**with_offsets(row), "isRecurring": False}
        for row in location.activities.appointments.rows.values()
        if all(row[OWNERS[key]] == value for key, value in given.items())
        and low <= str(row["startTime"]) <= high
    ]
    return Answer(200, {"events": events})


def new_appointment(location: Location, fields: Row) -> Row:
    """A whole row of some fields, not yet kept."""
    now = now_iso()
    return {
        "id": location.new_id(),
        "calendarId": next(iter(location.activities.calendars)),
        "locationId": location.id,
        "groupId": None,
        "title": "",
        "appointmentStatus": "confirmed",
        "assignedUserId": None,
        "users": [],
        "notes": "",
        "address": "",
        "assignedResources": [],
        "dateAdded": now,
        "dateUpdated": now,
        **fields,
    }


def with_offsets(row: Row) -> Row:
    """A row whose times have the offset that the location's clocks have."""
    return {**row, **{key: _in_zone(row[key], naive=False) for key in TIMES}}


def _check(location: Location, call: Call) -> None:
    """Calendars want a version of their own."""
    version = call.headers.get("Version")
    if version != CALENDAR_VERSION:
        raise bad_request(f"Invalid API version segment '{version}' at position 0")
    if not call.query.get("locationId"):
        raise unprocessable(["locationId should not be empty"])
    location.require(call.query["locationId"])


def _naive_times(row: Row) -> Row:
    return {key: _in_zone(row[key], naive=True) for key in TIMES}


def _in_zone(text: str, *, naive: bool) -> str:
    """`2021-07-16 11:00:00` or `2021-07-16T11:00:00+01:00`; no time stays as it is."""
    try:
        moment = datetime.fromisoformat(text).astimezone(ZONE)
    except (TypeError, ValueError):
        return text
    if naive:
        return moment.strftime("%Y-%m-%d %H:%M:%S")
    return moment.isoformat(timespec="seconds")
