"""Run a plan, one vendor call per action, and make the snapshot of what came of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod

from pipeline.errors import Rejected, ScopeMissing, VendorError
from pipeline.sync import blocking, ghl_dnd
from pipeline.sync.actions import (
    Action,
    Adopt,
    Append,
    Confirm,
    Edit,
    Exclude,
    Include,
    Resubscribe,
    Retire,
    SetLists,
    Unsubscribe,
    Upsert,
)
from pipeline.sync.blocking import Block, Unblock
from pipeline.sync.contact import Contact, ListAction, Subscriber
from pipeline.sync.mapping import NAME
from pipeline.sync.once import make_once
from pipeline.sync.ports import Ghl, Mailjet, Policy
from pipeline.sync.unsubscribing import unsubscribe


@dataclass(frozen=True)
class Facts:
    """What the writes, and the answers to them, told of both sides.

    Args:
        excluded: None where nothing was changed.
        values: column to the value that Mailjet holds now.
        found_ms, updated_ms: GHL's dates of the contact before and after a change of
            ours, 0 without one.
        adopted: what GHL was given, by column, as its side of it.
        withheld: columns of what it was not given, for want of a scope.
        left_alone: what was refused and holds up nothing else.
    """

    mailjet_id: int = 0
    excluded: bool | None = None
    values: Mapping[str, object] | None = None
    found_ms: int = 0
    updated_ms: int = 0
    adopted: Mapping[str, str] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    left_alone: tuple[str, ...] = ()


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
        unsubscribe(self._mailjet, self._facts.mailjet_id, others)
        # Else an opt-in would find lists left since, and take their tags.
        self._hold({f"list:{list_id}": "0" for list_id in action.list_ids})

    @_apply.register
    def _(self, action: Exclude) -> None:
        self._mailjet.update_contact(self._facts.mailjet_id, excluded=True)
        self._facts = replace(self._facts, excluded=True)

    @_apply.register
    def _(self, action: Include) -> None:
        self._mailjet.update_contact(self._facts.mailjet_id, excluded=False)
        self._facts = replace(self._facts, excluded=False)

    @_apply.register
    def _(self, action: Resubscribe) -> None:
        again = dict.fromkeys(action.list_ids, ListAction.ADD_AGAIN)
        self._mailjet.manage_lists(self._facts.mailjet_id, again)
        self._hold({f"list:{list_id}": "1" for list_id in action.list_ids})

    @_apply.register
    def _(self, action: Block) -> None:
        try:
            self._block(action)
        except ScopeMissing as error:
            # Whoever cannot write to GHL is to be right in Mailjet all the same.
            self._leave_alone("e-mail DND in GHL", error)

    def _block(self, action: Block) -> None:
        """The tag first: the answer to the DND then tells the date of all we changed.

        What goes wrong with the tag must not keep the DND from being set.
        """
        now = self._ghl.get_contact(self._contact_id)
        failed: VendorError | None = None
        if action.tag and action.tag not in (now.tags or ()):
            try:
                self._ghl.add_tags(self._contact_id, [action.tag])
            except VendorError as error:
                failed = error
        # Somebody may have blocked the contact since: what they say of it stays.
        if not ghl_dnd.ghl_blocks(now) or ghl_dnd.is_bounce_block(now):
            self._set_email_dnd(now, action.entry)
        if failed is not None:
            raise failed

    @_apply.register
    def _(self, action: Unblock) -> None:
        now = self._ghl.get_contact(self._contact_id)
        if ghl_dnd.email_status(now) not in ghl_dnd.OPEN_STATUSES:
            self._set_email_dnd(now, action.entry)

    def _set_email_dnd(self, now: Contact, entry: Mapping[str, str]) -> None:
        whole = blocking.with_email(now.dnd_settings or {}, entry)
        try:
            updated = self._put_dnd(whole)
        except Rejected:
            documented = blocking.documented(whole)
            if documented == whole:
                raise
            updated = self._put_dnd(documented)
        if updated is not None:
            self._changed_ghl(now.date_updated_ms or 0, updated)

    def _put_dnd(self, settings: Mapping[str, object]) -> Contact | None:
        return self._ghl.update_contact(self._contact_id, {"dndSettings": settings})

    def _hold(self, values: Mapping[str, object]) -> None:
        self._facts = replace(
            self._facts, values={**(self._facts.values or {}), **values}
        )

    @_apply.register
    def _(self, action: Upsert) -> None:
        named = {NAME: action.name} if action.name is not None else {}
        try:
            self._learn(self._upsert(action), {**action.properties, **named})
        except Rejected as error:
            if not error.misfits & action.properties.keys():
                raise
            self._upsert_rest(action, error)

    def _upsert(self, action: Upsert) -> Subscriber:
        return self._mailjet.manage_contact(
            self._policy.list_id,
            self._email,
            action.action,
            name=action.name,
            properties=action.properties,
        )

    def _upsert_rest(self, action: Upsert, error: Rejected) -> None:
        """One value that Mailjet does not take must not keep a person off the list.

        How long a text may be, and what else is refused, it documents nowhere.
        """
        fitting = {k: v for k, v in action.properties.items() if k not in error.misfits}
        # Written again only once either side is another: it would be refused again.
        refused = dict.fromkeys(action.properties.keys() - fitting.keys(), "")
        self._hold(refused)
        self._apply(replace(action, properties=fitting))
        self._leave_alone(f"{', '.join(sorted(refused))} in Mailjet", error)

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
        self._hold({**left, **member})

    @_apply.register
    def _(self, action: Adopt) -> None:
        try:
            self._adopt(action)
        except ScopeMissing as error:
            self._leave_alone("fields and tags in GHL", error)
            self._facts = replace(self._facts, withheld=frozenset(action.texts))

    def _adopt(self, action: Adopt) -> None:
        """Tags first: the answer to the fields tells the date of all we changed."""
        if action.remove:
            self._ghl.remove_tags(self._contact_id, action.remove)
        if action.add:
            self._ghl.add_tags(self._contact_id, action.add)
        held = action.texts
        if action.body:
            updated = self._ghl.update_contact(self._contact_id, action.body)
            if updated is not None:
                self._changed_ghl(action.found_ms, updated)
                # GHL rewrites some values, such as telephone numbers.
                told = self._policy.field_map.desired(updated, "")
                held = {name: told.get(name) or text for name, text in held.items()}
        self._facts = replace(self._facts, adopted=held)

    def _changed_ghl(self, found_ms: int, updated: Contact) -> None:
        """Remember the date of our own change: the poll for changes would find it."""
        is_first = not self._facts.updated_ms
        self._facts = replace(
            self._facts,
            found_ms=found_ms if is_first else self._facts.found_ms,
            updated_ms=updated.date_updated_ms or 0,
        )

    def _leave_alone(self, what: str, error: VendorError) -> None:
        told = (*self._facts.left_alone, f"{what}: {error}")
        self._facts = replace(self._facts, left_alone=told)

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
