"""Appointments: those of a contact, and those of a calendar within a time."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

from pipeline.answer import Answer
from pipeline.errors import Reach
from pipeline.ghl import activity_schemas as schemas
from pipeline.ghl.activity_records import Calendar
from pipeline.ghl.schemas import load_rows
from pipeline.session import ApiSession, QueryValue
from pipeline.sync.activity import Appointment, Listing

CALENDAR_HEADERS = {"Version": "2021-04-15"}


class AppointmentCalls:
    """The calls about appointments and calendars."""

    session: ApiSession
    location_id: str

    def list_appointments(
        self, contact_id: str, zone: ZoneInfo
    ) -> Listing[Appointment]:
        """Read all appointments of a contact, past and future.

        `GET /contacts/:contactId/appointments`, GHL OpenAPI contacts.json, read
        2026-11. Its times name no zone, and which it is, is documented nowhere.

        Args:
            zone: of those times; of an hour that its clocks repeat, the first counts.

        Raises:
            NotFound: the contact is gone.
            BadPayload: with the reach of a contact.
        """
        answer = self.session.send(
            "GET", "/contacts/:contactId/appointments", path={"contactId": contact_id}
        )
        rows = answer.load(schemas.EVENT_LIST)["events"]
        found, bad_rows = load_rows(schemas.AppointmentSchema(zone), rows)
        own = tuple(replace(one, contact_id=contact_id) for one in found)
        return Listing(own, bad_rows)

    def list_calendars(self) -> tuple[Calendar, ...]:
        """Read the calendars of the location, drafts included.

        `GET /calendars/`, GHL OpenAPI calendars.json (`Version: 2021-04-15`), read
        2026-11.

        Raises:
            Unauthorized: also where the token lacks `calendars.readonly`.
            BadPayload: with the reach of a call.
        """
        answer = self._of_calendars("/calendars/", {})
        page = answer.load(schemas.CALENDAR_LIST, reach=Reach.CALL)
        return tuple(page["calendars"])

    def calendar_events(
        self, calendar_id: str, start_ms: int, end_ms: int
    ) -> Listing[Appointment]:
        """Read the appointments of a calendar that begin within a time, all at once.

        `GET /calendars/events`, GHL OpenAPI calendars.json (`Version: 2021-04-15`),
        read 2026-11.

        Args:
            start_ms, end_ms: milliseconds since 1970 UTC; whether the ends count is
                documented nowhere, so let windows overlap.

        Raises:
            Unauthorized: also where the token lacks `calendars/events.readonly`.
            NotFound: the calendar is gone.
            BadPayload: with the reach of a call.
        """
        window = {"startTime": start_ms, "endTime": end_ms}
        answer = self._of_calendars(
            "/calendars/events", {"calendarId": calendar_id, **window}
        )
        rows = answer.load(schemas.EVENT_LIST, reach=Reach.CALL)["events"]
        found, bad_rows = load_rows(schemas.AppointmentSchema(UTC), rows)
        return Listing(found, bad_rows)

    def _of_calendars(self, route: str, query: Mapping[str, QueryValue]) -> Answer:
        query = {"locationId": self.location_id, **query}
        return self.session.send("GET", route, query=query, headers=CALENDAR_HEADERS)
