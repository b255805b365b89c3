"""Wire records of tasks, notes, appointments and calendars.

A row fails only where nothing could be built on it: without an id, or without a
readable word on whether a task is done. All else that is missing or strange becomes
"" or None, because a broken due date must not hide a task.
"""

from datetime import datetime, tzinfo
from typing import Any

from marshmallow import fields, missing, post_load

from pipeline.answer import Rows
from pipeline.ghl.activity_records import Calendar
from pipeline.ghl.fields import Flag, Moment, Text
from pipeline.ghl.schemas import AnswerSchema, DoneSchema, id_field
from pipeline.sync.activity import END_OF_TIME_MS, Appointment, Note, Task


class Words(Text):
    """Text of any length; what is no text is "".

    JavaScript counts UTF-16 units, so a text that GHL cut may end in half of an emoji;
    the half becomes U+FFFD, as everything after us would refuse it.
    """

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> Any:
        if isinstance(value, str):
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        known = super().deserialize(value, attr, data, **kw)
        return "" if known is missing else known


class Time(Moment):
    """As Moment; what is missing, nonsense or outside 1970 to 9999 is None."""

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kw: Any
    ) -> Any:
        moment = super().deserialize(value, attr, data, **kw)
        in_reach = moment is not missing and 0 < moment < END_OF_TIME_MS
        return moment if in_reach else None


class TaskSchema(AnswerSchema):
    """A task as the endpoints below a contact show it."""

    id = id_field()
    title = Words()
    body = Words()
    assigned_to = Words(data_key="assignedTo")
    due_ms = Time(data_key="dueDate")
    completed = Flag(allow_none=True, load_default=False)
    contact_id = Words(data_key="contactId")

    @post_load
    def _task(self, data: dict[str, Any], **kw: Any) -> Any:
        return Task(**{**data, "completed": bool(data["completed"])})


class FoundTaskSchema(TaskSchema):
    """A row of `POST /locations/:locationId/tasks/search`, with its `deleted`."""

    id = id_field(data_key="_id")
    deleted = Flag(allow_none=True, load_default=False)

    @post_load
    def _task(self, data: dict[str, Any], **kw: Any) -> tuple[Task, bool]:
        deleted = bool(data.pop("deleted"))
        task: Task = super()._task(data)
        return task, deleted


class NoteSchema(AnswerSchema):
    id = id_field()
    title = Words()
    body = Words()
    added_ms = Time(data_key="dateAdded")
    contact_id = Words(data_key="contactId")

    @post_load
    def _note(self, data: dict[str, Any], **kw: Any) -> Note:
        return Note(**data)


class AppointmentSchema(AnswerSchema):
    """An appointment of a contact or of a calendar.

    Args:
        zone: of times that name none; those of a contact's appointments do not.
    """

    id = id_field()
    title = Words()
    status = Words()
    appointment_status = Words(data_key="appointmentStatus")
    start_text = Words(data_key="startTime")
    end_text = Words(data_key="endTime")
    calendar_id = Words(data_key="calendarId")
    contact_id = Words(data_key="contactId")

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self._zone = zone

    @post_load
    def _appointment(self, data: dict[str, Any], **kw: Any) -> Appointment:
        status = data.pop("appointment_status") or data["status"]
        end_text = data.pop("end_text")
        return Appointment(
            **{**data, "status": status.strip().lower()},
            start_ms=_millis(data["start_text"], self._zone),
            end_ms=_millis(end_text, self._zone),
        )


class CalendarSchema(AnswerSchema):
    id = id_field()
    name = Words()
    active = Flag(data_key="isActive", allow_none=True, load_default=True)

    @post_load
    def _calendar(self, data: dict[str, Any], **kw: Any) -> Calendar:
        return Calendar(data["id"], data["name"], data["active"] is not False)


class TaskListSchema(AnswerSchema):
    tasks = Rows(required=True)


class NoteListSchema(AnswerSchema):
    notes = Rows(required=True)


class EventListSchema(AnswerSchema):
    events = Rows(required=True)


class CalendarListSchema(AnswerSchema):
    calendars = fields.List(fields.Nested(CalendarSchema), required=True)


class OneTaskSchema(AnswerSchema):
    task = fields.Nested(TaskSchema, required=True)


class UpdatedTaskSchema(DoneSchema):
    """A write is no less done where the answer does not repeat the task."""

    task = fields.Nested(TaskSchema, allow_none=True, load_default=None)


class OneNoteSchema(AnswerSchema):
    note = fields.Nested(NoteSchema, required=True)


class UpdatedNoteSchema(DoneSchema):
    note = fields.Nested(NoteSchema, allow_none=True, load_default=None)


TASK = TaskSchema()
TASK_LIST = TaskListSchema()
ONE_TASK = OneTaskSchema()
UPDATED_TASK = UpdatedTaskSchema()
FOUND_TASK = FoundTaskSchema()
NOTE = NoteSchema()
NOTE_LIST = NoteListSchema()
ONE_NOTE = OneNoteSchema()
UPDATED_NOTE = UpdatedNoteSchema()
EVENT_LIST = EventListSchema()
CALENDAR_LIST = CalendarListSchema()
_TIME = Time()


def _millis(text: str, zone: tzinfo) -> int | None:
    """A time as milliseconds, in `zone` where it names none; None if it is no time.

    Of an hour that the clocks repeat, the first is meant.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _checked(text)
    placed = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    try:
        return _checked(placed.timestamp() * 1000)
    except OverflowError:
        return None


def _checked(value: str | float) -> int | None:
    moment: int | None = _TIME.deserialize(value)
    return moment
