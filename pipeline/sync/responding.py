"""Answer what somebody did with a mail, as the rules say, exactly once in effect.

GHL has no idempotency keys: a task carries its rule and event as a visible reference, a
note its campaign, and whoever comes after a lost answer looks for that before posting.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from pipeline.sync import granting
from pipeline.sync.activity import Note, Task
from pipeline.sync.around import Kind
from pipeline.sync.campaigns import Campaign, campaign_of
from pipeline.sync.case import Case
from pipeline.sync.comparing import has_older
from pipeline.sync.contact import Contact
from pipeline.sync.deeds import AddTag, KeepSummary, MakeTask
from pipeline.sync.mail_event import MailEvent
from pipeline.sync.making import Refused, make_task, whole
from pipeline.sync.once import make_once
from pipeline.sync.rules import EVENT, Rule
from pipeline.sync.snapshot import Snapshot
from pipeline.sync.triggers import Change, of_event
from pipeline.sync.wishes import DAY_MS


@dataclass(frozen=True)
class Response:
    """What came of it.

    Args:
        again: letters of kinds to read anew, or `EVENT` for a turn of its own.
        wake: the contact, where it got a tag and has to be looked at again.
        events: those that were answered.
    """

    again: str = ""
    wake: tuple[str, ...] = ()
    events: tuple[MailEvent, ...] = ()


def work_in_ghl(case: Case, snapshot: Snapshot | None) -> Response:
    """Make what was asked for in Mailjet, and what its events call for.

    Neither holds up the other.

    Raises:
        what `granting.grant` and `respond` raise.
    """
    if snapshot is None:
        return Response()
    refused = Refused()
    granted = refused.unless(partial(granting.grant, case)) or ""
    response = refused.unless(partial(respond, case, snapshot)) or Response()
    refused.tell()
    return replace(response, again=granted + response.again)


def respond(case: Case, snapshot: Snapshot) -> Response:
    """Do what the rules say about the events of the contact's address.

    Args:
        snapshot: the contact as it was just synced.

    Raises:
        AddressHeld: somebody with the same address is at it.
        NotFound: the contact is gone.
        Ambiguous: something may have been made.
        PermanentError: something was refused; everything else is there.
    """
    memory, address = case.memory, snapshot.address
    before = memory.snapshot
    is_new = before is None or before.address != address
    is_due = EVENT in memory.touched
    if not (case.policy.rules and address and (is_due or is_new)) or memory.urgent:
        return Response()
    if not memory.interactions(address):
        return Response()
    if not is_due:
        # The letter keeps a contact waiting whose worker died while it made something.
        return Response(again=EVENT)
    sharers = memory.begin(*case.addresses(address)).sharers
    if has_older(case.contact_id, snapshot.added_ms, sharers):
        return Response()
    return _Answer(case, address, memory.interactions(address)).run()


class _Answer:
    def __init__(
        self, case: Case, address: bytes, events: tuple[MailEvent, ...]
    ) -> None:
        self._case = case
        self._address = address
        self._events = events
        self._made = ""
        self._wake: tuple[str, ...] = ()

    def run(self) -> Response:
        refused = Refused()
        called = [
            (rule, [of_event(event) for event in wanted])
            for rule in self._case.policy.rules
            if (wanted := [event for event in self._events if rule.wants(event)])
        ]
        tags = [deed.tag for rule, _ in called for deed in rule.deeds(AddTag)]
        for tag in dict.fromkeys(tags):
            refused.unless(partial(self._tag, tag))
        for rule, changes in called:
            for deed in rule.deeds(MakeTask):
                refused.unless(partial(self._task, rule, deed, changes))
        noted = {
            change.event.campaign_id
            for rule, changes in called
            if rule.deeds(KeepSummary)
            for change in changes
            if change.event
        }
        told = self._case.memory.campaigns(self._address) if noted else {}
        for campaign_id in sorted(noted & told.keys()):
            refused.unless(partial(self._note, told[campaign_id]))
        refused.tell()
        return Response(self._made, self._wake, self._events)

    @cached_property
    def _contact(self) -> Contact:
        return self._case.ghl.get_contact(self._case.contact_id)

    @cached_property
    def _tasks(self) -> tuple[Task, ...]:
        return whole(self._case.ghl.list_tasks(self._case.contact_id), "tasks")

    @cached_property
    def _notes(self) -> dict[int, Note]:
        """Our notes by campaign."""
        listing = self._case.ghl.list_notes(self._case.contact_id)
        found = {campaign_of(note.body): note for note in whole(listing, "notes")}
        return {id_: note for id_, note in found.items() if id_ is not None}

    def _tag(self, tag: str) -> None:
        ghl, contact_id = self._case.ghl, self._case.contact_id
        if tag not in (self._contact.tags or ()):
            make_once(lambda: ghl.add_tags(contact_id, [tag]))
            self._wake = (contact_id,)
        elif self._case.memory.unsettled:
            # It may be ours, of an attempt that was cut short.
            self._wake = (contact_id,)

    def _task(self, rule: Rule, deed: MakeTask, changes: Sequence[Change]) -> None:
        """A task for the newest change, unless one is open or was made for it.

        Older ones are answered with it.
        """
        tasks = [task for task in self._tasks if rule.changes_of(task)]
        known = {one for task in tasks for one in rule.changes_of(task)}
        newest = max(changes, key=lambda change: (change.at_ms, change.key))
        if newest.digest in known or any(not task.completed for task in tasks):
            return
        carrying = self._case.policy.carrying
        owner = self._contact.values.get("assignedTo")
        make_task(
            self._case.ghl,
            self._case.contact_id,
            title=rule.title(deed.title, newest, carrying.zone),
            due_ms=carrying.now_ms + deed.due_days * DAY_MS,
            body=rule.body(newest, carrying.zone),
            assignee=owner or deed.assignee or carrying.task_assignee,
        )
        self._made += Kind.TASKS

    def _note(self, campaign: Campaign) -> None:
        ghl, contact_id = self._case.ghl, self._case.contact_id
        text = campaign.text(self._case.policy.carrying.zone)
        note = self._notes.get(campaign.id)
        if note is None:
            make_once(lambda: ghl.create_note(contact_id, text))
        elif note.body != text:
            note_id = note.id
            make_once(lambda: ghl.update_note(contact_id, note_id, text))
        else:
            return
        self._made += Kind.NOTES
