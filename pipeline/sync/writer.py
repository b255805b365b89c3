"""Run a plan, one vendor call per action, and make the snapshot of what came of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import singledispatchmethod

from pipeline.sync.activity import Carried
from pipeline.sync.consent import Verdict
from pipeline.sync.contact import Contact, ListAction, Subscriber
from pipeline.sync.diff import (
    Action,
    Append,
    Confirm,
    Edit,
    Exclude,
    Retire,
    SetLists,
    Sides,
    Unsubscribe,
    Upsert,
)
from pipeline.sync.mapping import NAME, is_clearable
from pipeline.sync.once import make_once
from pipeline.sync.ports import Ghl, Mailjet, Policy
from pipeline.sync.snapshot import UNKNOWN, Snapshot


@dataclass(frozen=True)
class Facts:
    """What the writes, and the answers to them, told of Mailjet's side.

    Args:
        values: column to the value that Mailjet holds now.
    """

    mailjet_id: int = 0
    excluded: bool = False
    values: Mapping[str, object] | None = None


class Writer:
    """Runs actions in their order; an error ends the run and is the caller's."""

    def __init__(
        self, ghl: Ghl, mailjet: Mailjet, policy: Policy, contact_id: str, email: str
    ) -> None:
        self._ghl = ghl
        self._mailjet = mailjet
        self._policy = policy
        self._contact_id = contact_id
        self._email = email
        self._facts = Facts()

    def run(self, actions: Iterable[Action], mailjet_id: int) -> Facts:
        """Write everything; `mailjet_id` is 0 for an address new to Mailjet."""
        self._facts = Facts(mailjet_id=mailjet_id, values={})
        for action in actions:
            self._apply(action)
        return self._facts

    def _learn(self, answer: Subscriber, written: Mapping[str, object]) -> None:
        """The answer of managecontact lists all properties as Mailjet stored them."""
        stored = dict(answer.properties or {})
        if answer.name is not None:
            stored[NAME] = answer.name
        values = {**(self._facts.values or {}), **written, **stored}
        self._facts = replace(self._facts, mailjet_id=answer.contact_id, values=values)

    @singledispatchmethod
    def _apply(self, action: Action) -> None:
        raise NotImplementedError(action)

    @_apply.register
    def _(self, action: Unsubscribe) -> None:
        first, *others = action.list_ids
        answer = self._mailjet.manage_contact(
            first, self._email, ListAction.UNSUBSCRIBE
        )
        self._learn(answer, {})
        if others:
            gone = dict.fromkeys(others, ListAction.UNSUBSCRIBE)
            self._mailjet.manage_lists(self._facts.mailjet_id, gone)

    @_apply.register
    def _(self, action: Exclude) -> None:
        self._mailjet.update_contact(self._facts.mailjet_id, excluded=True)
        self._facts = replace(self._facts, excluded=True)

    @_apply.register
    def _(self, action: Upsert) -> None:
        answer = self._mailjet.manage_contact(
            self._policy.list_id,
            self._email,
            action.action,
            name=action.name,
            properties=action.properties,
        )
        named = {NAME: action.name} if action.name is not None else {}
        self._learn(answer, {**action.properties, **named})

    @_apply.register
    def _(self, action: Edit) -> None:
        mailjet_id = self._facts.mailjet_id
        if action.properties:
            self._mailjet.update_contact_data(mailjet_id, action.properties)
        if action.name is not None:
            self._mailjet.update_contact(mailjet_id, name=action.name)
        # These answers do not tell what was stored.
        stored = self._mailjet.contact_data(mailjet_id)
        self._learn(
            replace(self._mailjet.get_contact(mailjet_id), properties=stored), {}
        )

    @_apply.register
    def _(self, action: SetLists) -> None:
        wanted = {
            **dict.fromkeys(action.leave, ListAction.REMOVE),
            **dict.fromkeys(action.join, ListAction.ADD),
        }
        if action.leave:
            # `remove` would forget an unsubscription that nobody has read yet.
            now = self._mailjet.contact_lists(self._facts.mailjet_id)
            wanted = {i: act for i, act in wanted.items() if not now.get(i)}
        if wanted:
            self._mailjet.manage_lists(self._facts.mailjet_id, wanted)
        member = {f"list:{list_id}": "1" for list_id in action.join}
        left = {f"list:{list_id}": "0" for list_id in action.leave}
        self._facts = replace(
            self._facts, values={**(self._facts.values or {}), **left, **member}
        )

    @_apply.register
    def _(self, action: Retire) -> None:
        self._mailjet.manage_lists(action.mailjet_id, action.lists)

    @_apply.register
    def _(self, action: Append) -> None:
        state, mailjet_id = action.state, self._facts.mailjet_id
        make_once(
            lambda: self._mailjet.create_history(mailjet_id, state.name, state.data)
        )

    @_apply.register
    def _(self, action: Confirm) -> None:
        self._ghl.add_tags(self._contact_id, [action.tag])


def remember(
    contact: Contact, address: bytes, sides: Sides, facts: Facts, policy: Policy
) -> Snapshot:
    """The snapshot after a plan was carried out; what nobody told stays as it was."""
    ghl, mailjet = _sides(sides, facts, policy)
    return Snapshot(
        digest=policy.field_map.digest,
        ghl=ghl,
        mailjet=mailjet,
        mailjet_id=facts.mailjet_id,
        address=address,
        opted_out=not sides.verdict.is_open,
        excluded=facts.excluded
        or bool(sides.base and sides.base.excluded)
        or bool(sides.subscriber and sides.subscriber.excluded),
        complained=sides.verdict is Verdict.COMPLAINED,
        added_ms=contact.date_added_ms or 0,
        updated_ms=contact.date_updated_ms or 0,
    )


def _sides(
    sides: Sides, facts: Facts, policy: Policy
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """GHL's and Mailjet's fingerprints, unknown where an older contact writes.

    What that one wrote is no base for this one, which writes it all once it is alone.
    """
    columns, fingerprint = policy.field_map.columns, policy.fingerprint
    blank = (UNKNOWN,) * len(columns)
    if not sides.writes_properties:
        return blank, blank
    base_ghl = sides.base.ghl if sides.base else blank
    theirs = sides.base.mailjet if sides.base else blank
    told = sides.seen or blank
    if sides.subscriber is not None:
        told = fingerprint.subscriber(columns, sides.subscriber)
    values = facts.values or {}
    wanted = fingerprint.wanted(columns, sides.wanted)
    ghl = tuple(n or old for n, old in zip(wanted, base_ghl, strict=True))
    # What is to hold nothing holds nothing, unless a later read tells otherwise.
    empty = {
        column: fingerprint.of(column, "")
        for column, value in sides.wanted.items()
        if not value and is_clearable(column)
    }
    mailjet = tuple(
        fingerprint.of(column, values[column])
        if column in values
        else told[index] or theirs[index] or empty.get(column, UNKNOWN)
        for index, column in enumerate(columns)
    )
    return ghl, mailjet


def empty_snapshot(
    contact: Contact,
    remembered: Snapshot | None,
    opted_out: bool,
    policy: Policy,
    *,
    excluded: bool = False,
) -> Snapshot:
    """A contact without a usable address: known, with its consent, and nothing else."""
    blank = (UNKNOWN,) * len(policy.field_map.columns)
    return Snapshot(
        digest=policy.field_map.digest,
        ghl=blank,
        mailjet=blank,
        carried=remembered.carried if remembered else Carried(),
        opted_out=opted_out or bool(remembered and remembered.opted_out),
        excluded=excluded or bool(remembered and remembered.excluded),
        complained=bool(remembered and remembered.complained),
        added_ms=contact.date_added_ms or 0,
        updated_ms=contact.date_updated_ms or 0,
    )
