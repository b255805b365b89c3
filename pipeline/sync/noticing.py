"""What changed about a contact since its rules last looked, and which of them fire.

A rule for `updated` fires when its condition becomes true; the other triggers are
things that happen, of which its condition has to be true. A contact that is met for the
first time tells nothing new, unless GHL made it since rules look at contacts.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pipeline.errors import CannotTell
from pipeline.sync.activity import Activities
from pipeline.sync.contact import Contact
from pipeline.sync.facts import CHANGED_FIELDS, CONTACT, CUSTOM_FIELDS, facts_of
from pipeline.sync.newcomers import SOURCE
from pipeline.sync.ports import Policy
from pipeline.sync.questions import about, fields_of, is_of_each_change, question
from pipeline.sync.rule_memory import RuleMemory, counts_of, newest
from pipeline.sync.rules import Rule
from pipeline.sync.timing import (
    Fired,
    crossings,
    moments,
    timing,
    unread_kinds,
    zone_of,
)
from pipeline.sync.triggers import (
    ANSWERED_WITHIN_MS,
    DAY_MS,
    Change,
    Trigger,
    variables,
)

CLOCKS_DIFFER_MS = 300_000
FIRES_A_DAY = 10
"""Of one rule and contact: rules that undo each other's tags would go on for ever."""
TAGS = "tags"


@dataclass(frozen=True)
class Noticed:
    """What came of looking.

    Args:
        memory: what to remember once what fired was answered; None is nothing.
        unread: kinds of activities that have to be read for the rules' sake.
        crossings: kinds to when a rule waits for something of theirs, in milliseconds.
        too_often: rules that fired as often as they may today.
    """

    fired: tuple[Fired, ...] = ()
    memory: RuleMemory | None = None
    unread: str = ""
    crossings: Mapping[str, int] = field(default_factory=dict)
    too_often: tuple[str, ...] = ()


def watches(rules: Iterable[Rule]) -> bool:
    """Whether some rule is about the contact itself, not only about its mails."""
    return any(rule.on & set(Trigger) for rule in rules)


def is_true(rule: Rule, facts: Mapping[str, object]) -> bool | None:
    """Whether the condition holds; None where that cannot be told."""
    if rule.when is None:
        return True
    try:
        return bool(rule.when(facts))
    except CannotTell:
        return None


def is_first(before: RuleMemory | None, policy: Policy) -> bool:
    """Whether rules meet the contact, or look at it again after a time without them."""
    return before is None or before.armed_ms != policy.armed_ms


def notice(
    contact: Contact,
    activities: Activities,
    before: RuleMemory | None,
    policy: Policy,
    *,
    is_whole: bool,
) -> Noticed:
    """Compare the contact with what its rules remember.

    Args:
        activities: what was read of them; None is unchanged or unknown.
        before: None where the rules meet the contact for the first time.
        is_whole: the contact was read singly.
    """
    return _Looking(contact, activities, before, policy, is_whole=is_whole).run()


class _Looking:
    def __init__(
        self,
        contact: Contact,
        activities: Activities,
        before: RuleMemory | None,
        policy: Policy,
        *,
        is_whole: bool,
    ) -> None:
        self._contact = contact
        self._activities = activities
        self._is_first = is_first(before, policy)
        self._before = counts_of(before) if self._is_first else before or RuleMemory()
        self._policy = policy
        self._rules = [rule for rule in policy.rules if rule.on & set(Trigger)]
        self._now_ms = policy.carrying.now_ms
        self._facts = facts_of(
            contact, policy.field_map.custom, self._now_ms, is_whole=is_whole
        )
        zone = zone_of(contact, policy.carrying.zone)
        self._moments = moments(self._rules, activities, zone)
        self._wanted = {n for one in self._on(Trigger.UPDATED) for n in fields_of(one)}
        self._after = replace(
            self._before, timing=timing(self._rules), armed_ms=policy.armed_ms
        )

    def run(self) -> Noticed:
        found = [*self._created(), *self._tagged(), *self._updated(), *self._timed()]
        fired, too_often = self._not_too_often(found)
        unread = ""
        if self._before.timing != self._after.timing:
            unread = unread_kinds(self._rules, self._activities)
        if unread:
            self._after = replace(self._after, timing=self._before.timing)
        coming = crossings(self._moments, self._now_ms)
        return Noticed(tuple(fired), self._after, unread, coming, tuple(too_often))

    def _on(self, trigger: Trigger) -> list[Rule]:
        return [rule for rule in self._rules if trigger in rule.on]

    @property
    def _is_new(self) -> bool:
        """Whether GHL made the contact since rules look at contacts.

        Whom we made of a subscriber there was before, which may be a whole list.
        """
        since_ms, added_ms = self._policy.armed_ms, self._contact.date_added_ms
        if not (self._is_first and since_ms and added_ms):
            return False
        if self._contact.values.get("source") == SOURCE:
            return False
        return since_ms <= added_ms <= self._now_ms + CLOCKS_DIFFER_MS

    def _created(self) -> Iterator[Fired]:
        if not self._is_first:
            return
        added_ms = self._contact.date_added_ms if self._is_new else None
        change = self._change(Trigger.CREATED, str(Trigger.CREATED), added_ms)
        for rule in self._on(Trigger.CREATED):
            if (self._is_new or rule.existing) and self._holds(rule, change):
                yield Fired(rule, change)

    def _tagged(self) -> Iterator[Fired]:
        if self._contact.tags is None:
            return
        of = self._policy.fingerprint.of
        now = {of(TAGS, tag): tag for tag in self._contact.tags}
        came = dict(self._before.came)
        before = self._before.tags
        new = now.keys() - (before or frozenset())
        if self._is_new or not (self._is_first or before is None):
            for digest in sorted(new):
                count = came.pop(f"{digest:08x}", 0) + 1
                change = self._change(
                    Trigger.TAGGED,
                    f"tagged:{digest:08x}:{count}",
                    what=now[digest],
                    facts={"change.tag": now[digest]},
                )
                rules = [r for r in self._on(Trigger.TAGGED) if self._holds(r, change)]
                yield from (Fired(rule, change) for rule in rules)
                if rules:
                    came[f"{digest:08x}"] = count
        known = {**self._before.came, **came}
        self._after = replace(self._after, tags=frozenset(now), came=newest(known))

    def _updated(self) -> Iterator[Fired]:
        now = self._fingerprints()
        changed = {
            name
            for name in now.keys() & self._before.fields.keys()
            if now[name] != self._before.fields[name]
        }
        kept = {n: v for n, v in self._before.fields.items() if self._is_watched(n)}
        self._after = replace(self._after, fields={**kept, **now})
        asked = {question(rule) for rule in self._on(Trigger.UPDATED)}
        truths = {q: held for q, held in self._before.truths.items() if q in asked}
        turns = dict(self._before.turns)
        for rule in self._on(Trigger.UPDATED):
            count = turns.get(rule.name, 0) + 1
            change = self._change(
                Trigger.UPDATED,
                f"updated:{rule.name}:{count}",
                facts={CHANGED_FIELDS: sorted(changed)},
            )
            holds = is_true(rule, {**self._facts, **variables(change.facts)})
            if holds is None:
                continue
            if holds and not self._is_first and self._is_turn(rule, changed):
                turns[rule.name] = count
                yield Fired(rule, change)
            truths[question(rule)] = holds and not is_of_each_change(rule)
        self._after = replace(self._after, truths=truths, turns=turns)

    def _is_turn(self, rule: Rule, changed: set[str]) -> bool:
        """Whether a condition that holds did not before.

        Of one that was never asked that is told by what it is about.
        """
        if is_of_each_change(rule):
            return bool(changed)
        before = self._before.truths.get(question(rule))
        return bool(changed & about(rule, changed)) if before is None else not before

    def _timed(self) -> Iterator[Fired]:
        told = {k: ms for k, ms in self._before.told.items() if ms > self._now_ms}
        # What began before the rules met the contact is no news of it.
        is_news = self._is_new or self._before.timing == self._after.timing
        for rule, change in self._moments:
            known = f"{rule.name}:{change.digest}"
            if known in told or not change.at_ms <= self._now_ms < change.until_ms:
                continue
            told[known] = change.until_ms
            if is_news and self._holds(rule, change):
                yield Fired(rule, change)
        self._after = replace(self._after, told=newest(told))

    def _not_too_often(self, found: list[Fired]) -> tuple[list[Fired], list[str]]:
        day, counts = self._now_ms // DAY_MS, dict(self._before.fired)
        fired, too_often = [], []
        for one in found:
            on, count = counts.get(one.rule.name, (day, 0))
            count = count + 1 if on == day else 1
            if count > FIRES_A_DAY:
                too_often.append(one.rule.name)
                continue
            counts[one.rule.name] = (day, count)
            fired.append(one)
        names = {rule.name for rule in self._rules}
        today = {k: v for k, v in counts.items() if v[0] == day and k in names}
        self._after = replace(self._after, fired=today)
        return fired, too_often

    def _holds(self, rule: Rule, change: Change) -> bool:
        return bool(is_true(rule, {**self._facts, **variables(change.facts)}))

    def _change(
        self,
        trigger: Trigger,
        key: str,
        at_ms: int | None = None,
        what: str = "",
        facts: Mapping[str, object] | None = None,
    ) -> Change:
        at_ms = self._now_ms if at_ms is None else at_ms
        until_ms = at_ms + ANSWERED_WITHIN_MS
        return Change(trigger, key, at_ms, until_ms, what, facts or {})

    def _fingerprints(self) -> dict[str, int]:
        """Of each field that is told and that some rule is about."""
        values: dict[str, object] = {}
        for variable, value in self._facts.items():
            name = variable.removeprefix(CONTACT)
            if not (variable.startswith(CONTACT) and self._is_watched(name)):
                continue
            if variable == CUSTOM_FIELDS and isinstance(value, Mapping):
                values |= {f"custom.{key}": text for key, text in value.items()}
            else:
                values[name] = sorted(value) if isinstance(value, list) else value
        values.pop("dateUpdated", None)
        of = self._policy.fingerprint.of
        return {name: of(f"field {name}", value) for name, value in values.items()}

    def _is_watched(self, name: str) -> bool:
        """Whether some rule is about that field."""
        return not self._wanted.isdisjoint(("", name, name.partition(".")[0]))


def tells(row: Contact, rules: Iterable[Rule]) -> bool:
    """Whether a row of a listing tells all that conditions about contacts ask for.

    Rules about mails are asked in a turn that reads the contact singly.
    """
    conditions = [r.when for r in rules if r.when is not None and r.on & set(Trigger)]
    if not conditions:
        return True
    asked = {v for one in conditions for v in one.mentions if v.startswith(CONTACT)}
    return asked <= facts_of(row, {}, 0, is_whole=False).keys()
