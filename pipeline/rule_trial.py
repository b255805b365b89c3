"""Try the rules on one contact: which would fire, why, and what would become of it.

The contact is read from both sides as its own sync would, on a picture: nothing is
written, nothing is remembered and nothing is ordered.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pipeline.bootstrap import Kit
from pipeline.errors import CannotTell
from pipeline.planning.memory import Overlay, PlanningMemory
from pipeline.planning.survey import Survey, nothing_read
from pipeline.store.peek import peek
from pipeline.sync import noticing
from pipeline.sync.around import Kind
from pipeline.sync.case import Case, Found
from pipeline.sync.deciding import Decider, deed_of, place
from pipeline.sync.facts import CHANGED_FIELDS, facts_of
from pipeline.sync.mail_event import EventKind, MailEvent
from pipeline.sync.orders import Decision, Order
from pipeline.sync.ports import Policy
from pipeline.sync.reconcile import sync_contact
from pipeline.sync.rules import Rule
from pipeline.sync.timing import Fired, moments, zone_of
from pipeline.sync.triggers import (
    ANSWERED_WITHIN_MS,
    TIMED,
    Change,
    Trigger,
    of_event,
    variables,
)

NOTHING_AHEAD = "nothing ahead"
NO_TAGS = "no tags"
OTHER_MAIL = "another link or campaign; suppose one with --url, --campaign"


@dataclass(frozen=True)
class Supposed:
    """What is supposed to have happened, where the contact itself does not tell it."""

    tag: str = ""
    changed: tuple[str, ...] = ()
    url: str = ""
    campaign: str = ""


@dataclass(frozen=True)
class Trial:
    """One rule and one thing that may happen.

    Args:
        what: a tag, a title, or another word for what happened.
        holds: whether the rule fires then; None where that cannot be told.
        reason: why not, or why it cannot be told; "" where it fires.
        facts: what the condition asks for, by name.
        is_now: it would fire at the next sync, without anything more happening.
        decisions: orders that it would place, and what would become of each.
    """

    rule: Rule
    trigger: str
    what: str
    holds: bool | None
    reason: str = ""
    facts: Mapping[str, object] = field(default_factory=dict, repr=False)
    is_now: bool = False
    decisions: tuple[tuple[Order, Decision], ...] = ()


def try_rules(kit: Kit, contact_id: str, supposed: Supposed) -> tuple[Trial, ...]:
    """Try every rule of a connection on one contact.

    Raises:
        ConfigError: the connection is not set up.
        NotFound: GHL has no such contact.
        VendorError, BudgetSpent: the contact cannot be read.
    """
    return _Trying(kit, contact_id, supposed).run()


class _Trying:
    def __init__(self, kit: Kit, contact_id: str, supposed: Supposed) -> None:
        record = kit.require_record()
        self._policy: Policy = kit.policy(record)
        self._supposed = supposed
        read: Survey = nothing_read(kit, record)
        overlay = Overlay(kit, read.sets)
        before = peek(kit.redis, kit.connection.name, contact_id)
        # Whoever asks wants to know of tasks and appointments as they are now.
        touched = frozenset({Kind.TASKS, Kind.APPOINTMENTS})
        memory = PlanningMemory(
            contact_id,
            overlay,
            before.snapshot,
            before.seen,
            before.unsettled,
            touched,
            (),
            (),
            overlay.rule_memory(contact_id),
        )
        self._case = Case(contact_id, read.ghl, read.mailjet, memory, self._policy)

    def run(self) -> tuple[Trial, ...]:
        case = self._case
        contact = case.ghl.get_contact(case.contact_id)
        # The rules themselves are tried here, and not in that sync.
        plain = replace(self._policy, rules=())
        result = sync_contact(
            case.contact_id, case.ghl, case.mailjet, case.memory, plain
        )
        found = result.found or Found(contact, is_whole=True)
        custom, now_ms = self._policy.field_map.custom, self._policy.carrying.now_ms
        facts = facts_of(found.contact, custom, now_ms, is_whole=True)
        mailjet_id = result.snapshot.mailjet_id if result.snapshot else 0
        noticed = noticing.notice(
            found.contact,
            found.activities,
            case.memory.rule_memory,
            self._policy,
            is_whole=True,
        )
        now = {(one.rule.name, _which(one.change)) for one in noticed.fired}
        trials = []
        for rule in self._policy.rules:
            for change in self._changes(rule, found, facts):
                trial = _trial(rule, change, facts)
                if trial.holds:
                    decider = Decider(case, found, facts, mailjet_id)
                    decisions = self._decided(decider, Fired(rule, change))
                    trial = replace(trial, decisions=decisions)
                is_now = (rule.name, _which(change)) in now
                trials.append(replace(trial, is_now=is_now))
        return tuple(trials)

    def _decided(
        self, decider: Decider, fired: Fired
    ) -> tuple[tuple[Order, Decision], ...]:
        carrying = self._policy.carrying
        orders = place([fired], self._case.contact_id, carrying.now_ms, carrying.zone)
        return tuple((o, decider.decide(o, deed_of(o, [fired.rule]))) for o in orders)

    def _changes(
        self, rule: Rule, found: Found, facts: Mapping[str, object]
    ) -> Iterator[Change]:
        """What may happen to the contact that the rule waits for."""
        now_ms = self._policy.carrying.now_ms
        zone = zone_of(found.contact, self._policy.carrying.zone)
        for trigger in sorted(rule.on):
            if trigger in TIMED:
                only = replace(rule, on=frozenset({trigger}))
                coming = [
                    change for _, change in moments([only], found.activities, zone)
                ]
                ahead = [change for change in coming if change.until_ms > now_ms]
                yield from ahead or [_change(trigger, now_ms, NOTHING_AHEAD)]
            elif trigger == Trigger.TAGGED:
                tags = (self._supposed.tag,) if self._supposed.tag else ()
                for tag in tags or found.contact.tags or ():
                    yield _change(trigger, now_ms, tag, {"change.tag": tag})
                if not (tags or found.contact.tags):
                    yield _change(trigger, now_ms, NO_TAGS)
            elif trigger in set(Trigger):
                every = sorted(name.partition(".")[2] for name in facts)
                changed = list(self._supposed.changed) or every
                told = {CHANGED_FIELDS: changed} if trigger == Trigger.UPDATED else {}
                yield _change(trigger, now_ms, "", told)
            else:
                yield of_event(self._event(EventKind(trigger)))

    def _event(self, kind: EventKind) -> MailEvent:
        return MailEvent(
            kind,
            self._policy.carrying.now_ms,
            campaign=self._supposed.campaign,
            url=self._supposed.url,
        )


def _change(
    trigger: str, now_ms: int, what: str = "", facts: Mapping[str, object] | None = None
) -> Change:
    until_ms = now_ms + ANSWERED_WITHIN_MS
    return Change(
        trigger, f"trial:{trigger}:{what}", now_ms, until_ms, what, facts or {}
    )


def _which(change: Change) -> tuple[str, str]:
    """By what something that was noticed is known among what is supposed."""
    is_timed = change.trigger in TIMED
    return change.trigger, change.key if is_timed else change.what


def _trial(rule: Rule, change: Change, facts: Mapping[str, object]) -> Trial:
    """Whether the rule fires for the change, and why."""
    known = {**facts, **variables(change.facts)}
    mentions = sorted(rule.when.mentions) if rule.when else []
    told = {name: known[name] for name in mentions if name in known}
    trial = Trial(rule, change.trigger, change.what, False, facts=told)
    if change.what in (NOTHING_AHEAD, NO_TAGS):
        return replace(trial, holds=None, reason="there is nothing to try it with")
    if change.event is not None and not rule.wants(change.event):
        return replace(trial, reason=OTHER_MAIL)
    if rule.when is None:
        return replace(trial, holds=True)
    try:
        holds = bool(rule.when(known))
    except CannotTell as error:
        return replace(trial, holds=None, reason=str(error))
    return replace(trial, holds=holds, reason="" if holds else "its condition is false")
