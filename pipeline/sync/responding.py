"""Answer what happened to a contact, as the rules say, exactly once in effect.

What is to be answered gets the contact a turn of its own, in which both sides are read
anew. GHL has no idempotency keys: what is made there carries its rule and change as a
visible reference, a note its campaign, and whoever comes after a lost answer looks for
that before posting. What is sent is ordered, and decided here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from pipeline.sync import granting
from pipeline.sync.case import Case, Found, Result
from pipeline.sync.comparing import has_older
from pipeline.sync.deciding import Decider, deed_of, place
from pipeline.sync.doing import Doer
from pipeline.sync.facts import facts_of
from pipeline.sync.mail_event import MailEvent
from pipeline.sync.making import Refused
from pipeline.sync.noticing import Noticed, is_first, is_true, notice, watches
from pipeline.sync.orders import Decision, Order
from pipeline.sync.rule_memory import RuleMemory
from pipeline.sync.rules import EVENT
from pipeline.sync.snapshot import Snapshot
from pipeline.sync.timing import KIND_OF, Fired, sooner
from pipeline.sync.triggers import TIMED, Trigger, of_event, variables


@dataclass(frozen=True)
class Response:
    """What came of it.

    Args:
        again: letters of kinds to read anew, or `EVENT` for a turn of its own.
        wake: the contact, where it got a tag and has to be looked at again.
        events: those that were answered.
        crossings, rule_memory, orders, decisions, day: as of a sync's result.
        remarks: rules that fired too often.
    """

    again: str = ""
    wake: tuple[str, ...] = ()
    events: tuple[MailEvent, ...] = ()
    crossings: Mapping[str, int] = field(default_factory=dict)
    rule_memory: RuleMemory | None = None
    orders: tuple[Order, ...] = ()
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    day: str = ""
    remarks: tuple[str, ...] = ()

    def added_to(self, result: Result) -> Result:
        """A sync's result with what came of answering."""
        return replace(
            result,
            again=self.again,
            wake=(*result.wake, *self.wake),
            responded=self.events,
            crossings=sooner(result.crossings, self.crossings),
            remarks=(*result.remarks, *self.remarks),
            rule_memory=self.rule_memory,
            orders=self.orders,
            decisions=self.decisions,
            day=self.day,
        )


def work_in_ghl(case: Case, result: Result) -> Response:
    """Make what was asked for in Mailjet, and what rules call for.

    Neither holds up the other.

    Raises:
        what `granting.grant` and `respond` raise.
    """
    if result.snapshot is None:
        return Response()
    refused = Refused()
    granted = refused.unless(partial(granting.grant, case)) or ""
    answer = partial(respond, case, result.snapshot, result.found)
    response = refused.unless(answer) or Response()
    refused.tell()
    return replace(response, again=granted + response.again)


def respond(case: Case, snapshot: Snapshot, found: Found | None = None) -> Response:
    """Do what the rules say about the contact, and about the events of its address.

    Args:
        snapshot: the contact as it was just synced.

    Raises:
        AddressHeld: somebody with the same address is at it.
        NotFound: the contact is gone.
        Ambiguous: something may have been made.
        PermanentError: something was refused; everything else is there.
    """
    if case.memory.urgent or not (case.policy.rules or case.memory.orders):
        return Response()
    return _Responding(case, snapshot, found).run()


class _Responding:
    def __init__(self, case: Case, snapshot: Snapshot, found: Found | None) -> None:
        self._case = case
        self._memory = case.memory
        self._policy = case.policy
        self._snapshot = snapshot
        self._found = found

    @cached_property
    def _facts(self) -> dict[str, object]:
        found, policy = self._found, self._policy
        if found is None:
            return {}
        custom, now_ms = policy.field_map.custom, policy.carrying.now_ms
        return facts_of(found.contact, custom, now_ms, is_whole=found.is_whole)

    def run(self) -> Response:
        events, noticed = self._events(), self._noticed()
        if not (events or self._memory.orders or noticed.fired):
            return self._of(noticed, Response())
        if EVENT not in self._memory.touched or self._memory.trusting:
            # The letter keeps a contact waiting whose worker died while it made
            # something, and both sides are read anew under it.
            return Response(again=EVENT + _letters(noticed))
        return self._of(noticed, self._answer(events, noticed))

    def _events(self) -> tuple[MailEvent, ...]:
        memory, address = self._memory, self._snapshot.address
        before = memory.snapshot
        is_new = before is None or before.address != address
        if not address or not (EVENT in memory.touched or is_new):
            return ()
        return memory.interactions(address)

    def _noticed(self) -> Noticed:
        """What changed about the contact; nothing where no rule is about it."""
        found = self._found
        if found is None or not watches(self._policy.rules):
            return Noticed()
        before = self._memory.rule_memory
        if found.adopted and is_first(before, self._policy):
            # What we give it when we meet it is no change: it is met right after that.
            return Noticed()
        return notice(
            found.contact,
            found.activities,
            before,
            self._policy,
            is_whole=found.is_whole,
        )

    def _of(self, noticed: Noticed, response: Response) -> Response:
        """The response, with what is to be remembered of what was noticed."""
        if noticed.memory is None:
            return response
        is_known = noticed.memory == self._memory.rule_memory
        # What could not be read although it was asked for would be asked for for ever.
        unread = set(noticed.unread) - self._memory.touched
        return replace(
            response,
            again=response.again + "".join(sorted(unread)),
            crossings=noticed.crossings,
            rule_memory=None if is_known else noticed.memory,
            remarks=tuple(
                f"rule {name!r} fired as often as it may in a day"
                for name in dict.fromkeys(noticed.too_often)
            ),
        )

    def _answer(self, events: tuple[MailEvent, ...], noticed: Noticed) -> Response:
        case, carrying = self._case, self._policy.carrying
        address, added_ms = self._snapshot.address, self._snapshot.added_ms
        sharers = self._memory.begin(*case.addresses(address)).sharers
        if has_older(case.contact_id, added_ms, sharers):
            # Of contacts with one address the oldest answers for it.
            events = ()
        fired = (*self._called(events), *noticed.fired)
        made = Doer(case, self._snapshot).do(fired)
        response = Response(made.again, made.wake, events)
        if self._found is None:
            return response
        orders = place(fired, case.contact_id, carrying.now_ms, carrying.zone)
        decider = Decider(case, self._found, self._facts, self._snapshot.mailjet_id)
        return replace(
            response,
            orders=orders,
            decisions={
                order.id: decider.decide(order, deed_of(order, self._policy.rules))
                for order in (*orders, *self._memory.orders)
            },
            day=decider.day,
        )

    def _called(self, events: tuple[MailEvent, ...]) -> tuple[Fired, ...]:
        """The rules that answer events, each with all that it answers."""
        return tuple(
            Fired(rule, of_event(event))
            for rule in self._policy.rules
            for event in events
            if rule.wants(event) and self._holds(Fired(rule, of_event(event)))
        )

    def _holds(self, fired: Fired) -> bool:
        facts = {**self._facts, **variables(fired.change.facts)}
        return bool(is_true(fired.rule, facts))


def _letters(noticed: Noticed) -> str:
    """What has to be read again in the turn that answers."""
    timed = (Trigger(c.trigger) for _, c in noticed.fired if c.trigger in TIMED)
    return "".join(sorted({*noticed.unread, *(KIND_OF[one] for one in timed)}))
