"""What an operator decided, in the domain's words: of the settings and of the setup."""

import time
from dataclasses import replace

from pipeline.config import Connection, Settings
from pipeline.html_text import plain_text
from pipeline.store.setup import SetupRecord
from pipeline.sync.aggregates import NoteText
from pipeline.sync.mapping import FieldMap
from pipeline.sync.orders import Sending
from pipeline.sync.ports import Carrying, Deletions, Policy
from pipeline.sync.rules import Rule
from pipeline.sync.snapshot import Fingerprint
from pipeline.time_zone import zone_of


def policy_of(
    connection: Connection,
    settings: Settings,
    record: SetupRecord,
    field_map: FieldMap,
    rules: tuple[Rule, ...],
) -> Policy:
    """The policy of this moment: its clock is part of it."""
    return Policy(
        list_id=record.list_id,
        field_map=replace(
            field_map, list_id=record.list_id, custom=record.custom_fields
        ),
        fingerprint=Fingerprint(record.key, field_map.layout.datatypes),
        carrying=_carrying(connection, record),
        exclude_opted_out=connection.exclude_opted_out,
        optout_scope_account=settings.optout_scope_account,
        soft_bounces=connection.soft_bounces,
        details_always=settings.details_always,
        deletions=Deletions(connection.deletions),
        create_contacts=connection.create_contacts,
        rules=rules,
        sending=Sending(
            live=connection.live,
            per_day=connection.sends_per_day,
            quiet_hours=connection.quiet_hours,
        ),
        armed_ms=record.armed_ms,
    )


def _carrying(connection: Connection, record: SetupRecord) -> Carrying:
    return Carrying(
        now_ms=round(time.time() * 1000),
        zone=zone_of(record.timezone),
        appointment_zone=zone_of(record.appointment_zone or record.timezone),
        note_text=NoteText(
            plain_text,
            connection.note_length,
            excerpt=connection.note_excerpt,
            bodies=connection.note_bodies,
        ),
        notes_tag=connection.notes_tag,
        task_due_days=connection.task_due_days,
        task_assignee=connection.task_assignee,
        historic=record.historic,
        backfill=record.backfill,
        sweeps_tasks=record.task_search,
        sweeps_appointments=record.calendars,
    )
