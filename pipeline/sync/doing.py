"""Do in GHL and in Mailjet what rules say, each thing once however often tried."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from pipeline.sync.activity import Note, Task
from pipeline.sync.around import Kind
from pipeline.sync.campaigns import Campaign, campaign_of
from pipeline.sync.case import Case
from pipeline.sync.contact import Contact
from pipeline.sync.deeds import (
    AddTag,
    KeepSummary,
    MakeTask,
    RemoveTag,
    SetProperty,
    WriteNote,
)
from pipeline.sync.making import Refused, make_task, whole
from pipeline.sync.once import make_once
from pipeline.sync.rules import Rule
from pipeline.sync.snapshot import Snapshot
from pipeline.sync.timing import Fired
from pipeline.sync.triggers import DAY_MS, Change

Called = tuple[Rule, list[Change]]


@dataclass(frozen=True)
class Made:
    """What came of it.

    Args:
        again: letters of kinds to read anew.
        wake: the contact, where its tags changed and it has to be looked at again.
    """

    again: str = ""
    wake: tuple[str, ...] = ()


class Doer:
    """Does the deeds of one contact's rules; what is to be sent is not its business.

    Args:
        snapshot: the contact as it was just synced.
    """

    def __init__(self, case: Case, snapshot: Snapshot) -> None:
        self._case = case
        self._contact_id = case.contact_id
        self._snapshot = snapshot
        self._zone = case.policy.carrying.zone
        self._again = ""
        self._wake: tuple[str, ...] = ()

    def do(self, fired: Iterable[Fired]) -> Made:
        """Do it all; what is refused holds up nothing else.

        Raises:
            what `responding.respond` raises.
        """
        by_rule: dict[str, Called] = {}
        for rule, change in fired:
            by_rule.setdefault(rule.name, (rule, []))[1].append(change)
        called, refused = list(by_rule.values()), Refused()
        rules = [rule for rule, _ in called]
        for tag in {deed.tag: 1 for rule in rules for deed in rule.deeds(AddTag)}:
            refused.unless(partial(self._tag, tag))
        for tag in {deed.tag: 1 for rule in rules for deed in rule.deeds(RemoveTag)}:
            refused.unless(partial(self._untag, tag))
        for rule, changes in called:
            for deed in rule.deeds(MakeTask):
                refused.unless(partial(self._task, rule, deed, changes))
            for note in rule.deeds(WriteNote):
                for change in changes:
                    refused.unless(partial(self._note, rule, note, change))
        values = {d.name: d.value for rule in rules for d in rule.deeds(SetProperty)}
        if values and self._snapshot.mailjet_id:
            refused.unless(partial(self._set, values))
        for campaign in self._campaigns(called):
            refused.unless(partial(self._summary, campaign))
        refused.tell()
        return Made(self._again, self._wake)

    @cached_property
    def _contact(self) -> Contact:
        return self._case.ghl.get_contact(self._contact_id)

    @cached_property
    def _tasks(self) -> tuple[Task, ...]:
        return whole(self._case.ghl.list_tasks(self._contact_id), "tasks")

    @cached_property
    def _notes(self) -> tuple[Note, ...]:
        return whole(self._case.ghl.list_notes(self._contact_id), "notes")

    def _tag(self, tag: str) -> None:
        if tag not in (self._contact.tags or ()):
            make_once(lambda: self._case.ghl.add_tags(self._contact_id, [tag]))
            self._wake = (self._contact_id,)
        elif self._case.memory.unsettled:
            # It may be ours, of an attempt that was cut short.
            self._wake = (self._contact_id,)

    def _untag(self, tag: str) -> None:
        if tag in (self._contact.tags or ()):
            self._case.ghl.remove_tags(self._contact_id, [tag])
            self._wake = (self._contact_id,)

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
            self._contact_id,
            title=rule.title(deed.title, newest, self._zone),
            due_ms=carrying.now_ms + deed.due_days * DAY_MS,
            body=rule.body(newest, self._zone),
            assignee=owner or deed.assignee or carrying.task_assignee,
        )
        self._again += Kind.TASKS

    def _note(self, rule: Rule, deed: WriteNote, change: Change) -> None:
        reference = rule.reference(change)
        if any(reference in html.unescape(note.body) for note in self._notes):
            return
        text = f"{rule.filled(deed.text, change, self._zone)}\n\n{reference}"
        make_once(lambda: self._case.ghl.create_note(self._contact_id, text))
        self._again += Kind.NOTES

    def _set(self, values: dict[str, str | int | float | bool]) -> None:
        self._case.mailjet.update_contact_data(self._snapshot.mailjet_id, values)

    def _campaigns(self, called: Iterable[Called]) -> list[Campaign]:
        """Those of which a note is kept, and something is to be told."""
        noted = {
            change.event.campaign_id
            for rule, changes in called
            if rule.deeds(KeepSummary)
            for change in changes
            if change.event
        }
        if not noted:
            return []
        told = self._case.memory.campaigns(self._snapshot.address)
        return [told[campaign_id] for campaign_id in sorted(noted & told.keys())]

    def _summary(self, campaign: Campaign) -> None:
        ghl, contact_id = self._case.ghl, self._contact_id
        text = campaign.text(self._zone)
        found = {campaign_of(note.body): note for note in self._notes}
        note = found.get(campaign.id)
        if note is None:
            make_once(lambda: ghl.create_note(contact_id, text))
        elif note.body != text:
            note_id = note.id
            make_once(lambda: ghl.update_note(contact_id, note_id, text))
        else:
            return
        self._again += Kind.NOTES
