"""Both vendors read in pages, for a plan of everybody."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipeline.bootstrap import Kit
from pipeline.errors import NotFound, PermanentError
from pipeline.ghl.records import ContactPage
from pipeline.mailjet.calls import LIMIT
from pipeline.permit import Lane, Permit
from pipeline.planning.memory import NoSets
from pipeline.planning.pages import by_cursor, by_offset
from pipeline.planning.patience import patiently
from pipeline.planning.pictured_ghl import PicturedGhl
from pipeline.planning.pictured_mailjet import Person, PicturedMailjet
from pipeline.preferences import OPTOUT_FILTER, Preferences, stops_everything
from pipeline.store.setup import SetupRecord
from pipeline.sync import around, newcomers
from pipeline.sync.activity import Appointment, Task
from pipeline.sync.contact import Contact
from pipeline.sync.mapping import CONTACT_ID

Tell = Callable[[str], object]


@dataclass
class Survey:
    """What was read.

    Args:
        order: everybody to plan, oldest first, those missing in GHL last.
        before: vendor to route to calls that applying makes before the turns.
        remarks, untold: as of `Plan`.
    """

    ghl: PicturedGhl
    mailjet: PicturedMailjet
    sets: NoSets = field(default_factory=NoSets)
    order: list[str] = field(default_factory=list)
    before: dict[str, dict[str, int]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)


def nothing_read(kit: Kit, record: SetupRecord) -> Survey:
    """For a plan of a few contacts: everything is read singly when it is wanted."""
    permit, now_ms = Permit(Lane.LIVE), round(time.time() * 1000)
    knows_enough = kit.policy(record).field_map.knows_enough
    ghl = PicturedGhl(kit.ghl(permit), now_ms, knows_enough)
    return Survey(ghl, PicturedMailjet(kit.mailjet(permit)))


def survey(kit: Kit, record: SetupRecord, tell: Tell) -> Survey:
    """Read everybody on both sides.

    Args:
        tell: gets what is being read.

    Raises:
        VendorError: a vendor is down, or a credential is dead.
    """
    return _Surveyor(kit, record, tell).read()


class _Surveyor:
    def __init__(self, kit: Kit, record: SetupRecord, tell: Tell) -> None:
        self._kit = kit
        self._record = record
        self._tell = tell
        self._policy = kit.policy(record)
        self._ghl = kit.ghl(Permit(Lane.LIVE))
        self._mailjet = kit.mailjet(Permit(Lane.LIVE))
        self._preferences = Preferences(kit, record, Lane.LIVE)
        self._found = nothing_read(kit, record)
        self._began_ms = round(time.time() * 1000)

    def read(self) -> Survey:
        found = self._found
        self._tell("reading Mailjet's contacts")
        no_in_mailjet = self._read_mailjet()
        self._tell("reading who opted out in GHL")
        ids, addresses = self._read_optouts()
        found.sets = NoSets(ids, addresses, no_in_mailjet)
        self._tell("reading GHL's contacts")
        self._read_contacts(ids)
        self._tell("reading tasks and appointments")
        self._read_tasks()
        self._read_appointments()
        return found

    def _read_mailjet(self) -> frozenset[bytes] | None:
        """Everybody in the account; fingerprints of the addresses that said no."""
        mailjet, picture = self._mailjet, self._found.mailjet
        lists: defaultdict[int, dict[int, bool]] = defaultdict(dict)
        is_whole, unsubscribed = True, 0
        for places in by_offset(mailjet.list_recipients):
            for place in places.recipients:
                lists[place.contact_id][place.list_id] = place.unsubscribed
                unsubscribed += place.unsubscribed
            is_whole = is_whole and not places.bad_rows
        pages, picture.is_whole = 0, True
        for people in by_offset(mailjet.list_contacts):
            pages += 1
            for one in people.subscribers:
                person = picture.show(one)
                person.lists = dict(lists[one.contact_id]) if is_whole else None
                person.properties = {}
            picture.is_whole = picture.is_whole and not people.bad_rows
        for held in by_offset(mailjet.list_contact_data):
            for one in held.subscribers:
                if owner := picture.person(one.contact_id):
                    owner.properties = dict(one.properties or {})
            for bad in held.bad_rows:
                if bad.isdecimal() and (owner := picture.person(int(bad))):
                    owner.properties = None
        self._found.before["mailjet"] = {
            "GET /v3/REST/listrecipient": unsubscribed // LIMIT + 1,
            "GET /v3/REST/contact": pages,
        }
        return self._said_no(list(picture)) if is_whole and picture.is_whole else None

    def _said_no(self, people: Sequence[Person]) -> frozenset[bytes]:
        """As `Preferences` finds it, of one page after the other."""
        policy, found = self._policy, set()
        wide, ours = policy.optout_scope_account, policy.managed_lists
        for start in range(0, len(people), LIMIT):
            some = people[start : start + LIMIT]
            addresses = [policy.fingerprint.address(one.email) for one in some]
            bounced = self._kit.consents.are_bounced(addresses, policy.soft_bounces)
            rows = zip(some, addresses, bounced, strict=True)
            for one, address, is_bounced in rows:
                lists = (one.lists or {}).items()
                is_gone = any(gone and (wide or i in ours) for i, gone in lists)
                if is_gone or one.complained or (one.excluded and not is_bounced):
                    found.add(address)
        return frozenset(found)

    def _read_optouts(self) -> tuple[frozenset[str] | None, frozenset[bytes]]:
        if not self._record.optout_filter:
            self._remark("who opted out in GHL is read of each contact: no filter")
            return None, frozenset()
        ids: set[str] = set()
        addresses: set[bytes] = set()
        pages = 0
        try:
            for page in self._searched(OPTOUT_FILTER):
                pages += 1
                said, known = self._preferences.said_no(page)
                ids |= set(said)
                addresses |= set(known)
        except PermanentError as error:
            self._without("the set of who opted out in GHL", error)
            return None, frozenset()
        self._found.before["ghl"] = {"POST /contacts/search": pages}
        return frozenset(ids), frozenset(addresses)

    def _read_contacts(self, optouts: frozenset[str] | None) -> None:
        rows = {row.id: row for row in self._listed()}
        if not self._kit.settings.details_always:
            try:
                for page in self._searched(()):
                    # Search still shows for a while who was deleted.
                    for row in (row for row in page.contacts if row.id in rows):
                        rows[row.id] = row
                        # A row that tells nothing of DND is whole for whom the set
                        # of opted-out people lacks, and for nobody else.
                        is_open = optouts is not None and row.id not in optouts
                        if row.dnd_settings is not None or is_open:
                            self._found.ghl.show(row)
            except PermanentError as error:
                self._without("whole rows of GHL's contacts", error)
        self._found.ghl.emails = {id_: row.email or "" for id_, row in rows.items()}
        oldest_first = sorted(
            (row.date_added_ms or 0, id_) for id_, row in rows.items()
        )
        self._found.order = [id_ for _, id_ in oldest_first]
        self._add_missing(rows)
        self._add_newcomers()

    def _listed(self) -> Iterator[Contact]:
        nameless = 0
        for page in by_cursor(self._ghl.list_contacts):
            yield from page.contacts
            yield from (Contact(id_) for id_ in page.bad_rows if id_)
            nameless += page.bad_rows.count("")
        if nameless:
            self._found.untold.append(f"{nameless:,} rows of GHL's listing have no id")

    def _searched(
        self, filters: Sequence[Mapping[str, Any]]
    ) -> Iterator[ContactPage[list[Any]]]:
        return by_cursor(
            lambda after: self._ghl.search_contacts(filters=filters, search_after=after)
        )

    def _add_missing(self, rows: Mapping[str, Contact]) -> None:
        ids, is_many = self._kit.presence.unlisted(rows, self._began_ms)
        if is_many:
            self._found.untold.append(
                f"{len(ids):,} contacts are missing in GHL, more than ten and one in "
                "twenty: a run would stop and ask, so they are not planned "
                "(ghl-mailjet resync --accept-deletions)"
            )
        else:
            self._found.order += ids

    def _add_newcomers(self) -> None:
        """Members of the list who are no contact yet, where they are to become one."""
        if not self._policy.create_contacts:
            return
        emails = set((self._found.ghl.emails or {}).values())
        self._found.order += [
            newcomers.ledger_id(one.id)
            for one in self._found.mailjet
            if (one.lists or {}).get(self._policy.list_id) is False
            and one.email not in emails
            and not (one.properties or {}).get(CONTACT_ID)
        ]

    def _read_tasks(self) -> None:
        if not self._record.task_search:
            self._remark("tasks are read of each contact: `setup` found no search")
            return
        search = self._ghl.search_tasks
        tasks: defaultdict[str, list[Task]] = defaultdict(list)
        is_whole = True
        try:
            for page in by_cursor(lambda after: search(search_after=after)):
                for task in page.tasks:
                    tasks[task.contact_id].append(task)
                is_whole = is_whole and not page.bad_rows
        except PermanentError as error:
            self._without("the tasks of everybody at once", error)
            return
        if is_whole:
            self._found.ghl.tasks = tasks
        else:
            self._remark("tasks are read of each contact: rows cannot be read")

    def _read_appointments(self) -> None:
        if not self._record.calendars:
            self._remark("appointments are read of each contact: no calendars")
            return
        meetings: defaultdict[str, list[Appointment]] = defaultdict(list)
        now_ms, window_ms = self._policy.carrying.now_ms, around.APPOINTMENT_WINDOW_MS
        read, window = (
            self._ghl.calendar_events,
            (now_ms - window_ms, now_ms + window_ms),
        )
        is_whole = True
        try:
            for calendar in patiently(self._ghl.list_calendars):
                try:
                    found = patiently(partial(read, calendar.id, *window))
                except NotFound:
                    continue
                for one in found.items:
                    meetings[one.contact_id].append(one)
                is_whole = is_whole and not found.bad_rows
        except PermanentError as error:
            self._without("the appointments of everybody at once", error)
            return
        if is_whole:
            self._found.ghl.appointments = meetings
        else:
            self._remark("appointments are read of each contact: rows cannot be read")

    def _without(self, what: str, error: PermanentError) -> None:
        """Go on without; each contact is read singly."""
        if stops_everything(error):
            raise error
        self._remark(f"without {what}, so each contact is read singly: {error}")

    def _remark(self, text: str) -> None:
        self._found.remarks.append(text)
