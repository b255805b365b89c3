"""`setup`: look at both accounts, make what is missing, read who opted out.

Safe to repeat: it creates only what does not exist, and it changes no contact. Until it
succeeded once, a connection writes nothing.
"""

import time
from dataclasses import dataclass

from pipeline.bootstrap import Kit
from pipeline.custom_fields import find_custom_fields
from pipeline.errors import ConfigError, NotFound
from pipeline.ghl.client import GhlClient
from pipeline.mailjet.client import MailjetClient
from pipeline.offers import (
    DAY_MS,
    find_location,
    lost_without_calendars,
    lost_without_search,
    lost_without_task_search,
    zone_of_appointments,
)
from pipeline.permit import Lane, Permit
from pipeline.preferences import Preferences
from pipeline.properties import Tell, make_historic, make_static, missing_static
from pipeline.store.setup import SetupRecord
from pipeline.sync.history import NOTE_HISTORY, TASK_HISTORY
from pipeline.sync.mapping import CONTACT_ID
from pipeline.time_zone import zone_of
from pipeline.wording import plural

BACKFILL_READS = 5
"""For each contact: its tasks, notes and appointments in GHL, two histories in
Mailjet."""
AT_ONCE = "are read for the whole location at once"


def run(
    kit: Kit, tell: Tell = lambda line: None, *, backfill: bool = False
) -> SetupRecord:
    """Set the connection up, telling each step in one line.

    Args:
        backfill: from the next full run on, Mailjet's history gets what was there
            before as well; a later setup does not take that back.

    Raises:
        ConfigError: something has to be mended by hand; says what.
        VendorError: a vendor refused or did not answer.
        ReadOnly: something has to be created, and `SYNC_MODE=read-only`.
    """
    permit = Permit(Lane.LIVE)
    ghl, mailjet = kit.ghl(permit), kit.mailjet(permit)
    offered = _look_at_ghl(ghl, tell)
    list_id = _list(kit, mailjet, tell)
    make_static(mailjet, kit.field_map, tell)
    custom_fields = find_custom_fields(ghl, kit.layout, tell)
    historic = make_historic(mailjet, tell)
    if backfill:
        _tell_backfill(historic, offered.contacts, tell)
    before = kit.setup.read()
    record = SetupRecord(
        key=kit.setup.fingerprint_key(),
        list_id=list_id,
        location_name=offered.location_name,
        timezone=offered.timezone,
        appointment_zone=offered.appointment_zone,
        optout_filter=offered.optout_filter,
        done_ms=_now_ms(),
        task_search=offered.task_search,
        calendars=offered.calendars,
        historic=historic,
        backfill=backfill or (before is not None and before.backfill),
        custom_fields=custom_fields,
    )
    preferences = Preferences(kit, record, Lane.LIVE)
    if record.optout_filter:
        preferences.read_optouts()
    preferences.read_mailjet_optouts()
    in_ghl, in_mailjet = kit.optouts.counts()
    said_no = plural(in_ghl, "contact"), plural(in_mailjet, "address", "addresses")
    tell(f"Opted out: {said_no[0]} in GHL, {said_no[1]} in Mailjet")
    kit.feed.begin(record.done_ms)
    kit.happened.begin_all(record.done_ms)
    kit.setup.save(record)
    return record


def restore(kit: Kit) -> bool:
    """Set up again a connection whose state was lost, and only such a one.

    Mailjet remembers for us: an account in which all our properties exist was set up
    before. Anything else waits for the operator. Not every account has the historic
    ones, so the others alone decide.
    """
    known = kit.mailjet(Permit(Lane.LIVE)).list_properties()
    if CONTACT_ID not in {one.name for one in known}:
        return False
    if missing_static(known, kit.field_map) or kit.settings.read_only:
        return False
    # What was written in Mailjet while nobody looked; what is in GHL already shows by
    # its reference.
    kit.feed.begin(_now_ms() - DAY_MS)
    kit.happened.begin_all(_now_ms() - DAY_MS)
    run(kit)
    return True


@dataclass(frozen=True)
class _Offered:
    """What GHL has for us; `contacts` is None where it tells no total."""

    contacts: int | None
    location_name: str
    timezone: str
    appointment_zone: str
    optout_filter: bool
    task_search: bool
    calendars: bool


def _look_at_ghl(ghl: GhlClient, tell: Tell) -> _Offered:
    total = ghl.list_contacts(None).total
    location = find_location(ghl)
    tell(f"GHL location {location.name or location.id}: {_contacts(total)}")
    zone = zone_of(location.timezone).key
    if zone != location.timezone:
        tell(f"GHL time zone {location.timezone!r} is unknown: {zone} is used")
    without_search = lost_without_search(ghl)
    tell(f"GHL search {without_search or 'finds opted-out contacts'}")
    without_tasks = lost_without_task_search(ghl)
    tell(f"GHL tasks {without_tasks or AT_ONCE}")
    without_calendars = lost_without_calendars(ghl)
    tell(f"GHL appointments {without_calendars or AT_ONCE}")
    own_zone = zone_of(zone)
    times = own_zone if without_calendars else zone_of_appointments(ghl, own_zone)
    if times != own_zone:
        tell(f"GHL lists a contact's appointments in {times.key}, not in {zone}")
    return _Offered(
        total,
        location.name,
        zone,
        times.key,
        optout_filter=not without_search,
        task_search=not without_tasks,
        calendars=not without_calendars,
    )


def _tell_backfill(historic: frozenset[str], total: int | None, tell: Tell) -> None:
    if not historic & {TASK_HISTORY, NOTE_HISTORY}:
        raise ConfigError(
            [
                "--backfill-history: this Mailjet account has no historic properties "
                "ghl_task and ghl_note to fill; run `ghl-mailjet setup` without it"
            ]
        )
    reads = "some" if total is None else f"{BACKFILL_READS * total:,}"
    tell(
        "Backfill: the next full run adds the tasks and notes that there are to "
        f"Mailjet's history; that takes up to {reads} calls to read them ("
        f"{BACKFILL_READS} for each contact) and one call for each task and note"
    )


def _now_ms() -> int:
    return round(time.time() * 1000)


def _list(kit: Kit, mailjet: MailjetClient, tell: Tell) -> int:
    """The list that is configured; else the one of our name, made if need be."""
    list_id = kit.connection.mailjet_list_id
    if list_id is not None:
        try:
            found = mailjet.get_list(list_id)
        except NotFound:
            raise ConfigError(
                [f"MAILJET_LIST_ID: Mailjet has no list {list_id}; see Contact lists"]
            ) from None
        tell(f"Mailjet list {found.id} ({found.name}): found")
        return found.id
    name = f"GoHighLevel {kit.connection.name}"
    for known in mailjet.list_lists():
        if known.name == name and not known.deleted:
            tell(f"Mailjet list {known.id} ({name}): found")
            return known.id
    made = mailjet.create_list(name)
    tell(f"Mailjet list {made.id} ({name}): created; put MAILJET_LIST_ID={made.id}")
    return made.id


def _contacts(total: int | None) -> str:
    return "some contacts" if total is None else plural(total, "contact")
