"""When a connection is looked at: by default as `SYNC_*` says, or as its own table."""

from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, fields, validate

from pipeline.settings.words import ExactSchema


@dataclass(frozen=True)
class Schedule:
    """The rhythm of one connection.

    Args:
        changes_interval_seconds: between two looks for changes in GHL.
        optouts_interval_seconds: between two looks for opted-out contacts.
        feedback_interval_seconds: between two looks at Mailjet's mails.
        bulk_hours: first hour and end (UTC) of nightly full runs; may span midnight.
        report_hour: hour (UTC) of the report on consent.
    """

    changes_interval_seconds: int = 60
    optouts_interval_seconds: int = 300
    feedback_interval_seconds: int = 300
    bulk_hours: tuple[int, int] = (1, 5)
    report_hour: int = 6


class HoursField(fields.Field[tuple[int, int]]):
    """`1-5` is from 01:00 to 05:00 UTC; `22-4` runs over midnight."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kw: Any
    ) -> tuple[int, int]:
        start, _, end = str(value).partition("-")
        try:
            hours = int(start), int(end)
        except ValueError:
            raise ValidationError("not a pair of hours; write 1-5") from None
        if not all(0 <= hour <= 24 for hour in hours) or (
            hours[0] % 24 == hours[1] % 24 and hours != (0, 24)
        ):
            raise ValidationError("needs two different hours of 0-24; write 1-5")
        return hours


class ScheduleSchema(ExactSchema):
    """The fields of `Schedule`; what is left out is absent."""

    what = "a schedule"
    changes_interval_seconds = fields.Integer(validate=validate.Range(5, 86_400))
    optouts_interval_seconds = fields.Integer(validate=validate.Range(30, 86_400))
    feedback_interval_seconds = fields.Integer(validate=validate.Range(30, 86_400))
    bulk_hours = HoursField()
    report_hour = fields.Integer(validate=validate.Range(0, 23))
