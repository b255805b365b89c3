"""Place orders for what fired, and decide each in the contact's own turn.

What goes to people is decided where both sides have just been read, in the turn whose
settlement saves the decision: whoever said no by then is not sent anything.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from pipeline.errors import CannotTell, NotFound, Rejected
from pipeline.sync.case import Case, Found
from pipeline.sync.contact import Contact, ListAction
from pipeline.sync.deeds import CallWebhook, JoinList, Ordered, ScheduleDraft, Send
from pipeline.sync.orders import Decision, Order, OrderKind, State, order_id
from pipeline.sync.reading import noes
from pipeline.sync.rules import Rule
from pipeline.sync.timing import Fired, zone_of
from pipeline.sync.triggers import Trigger, variables

KINDS: Mapping[type, OrderKind] = {
    Send: OrderKind.MAIL,
    JoinList: OrderKind.LIST,
    ScheduleDraft: OrderKind.DRAFT,
    CallWebhook: OrderKind.WEBHOOK,
}
GONE = "its rule is gone"
LATE = "too late"
UNTOLD = "a variable cannot be told"


def place(
    fired: Iterable[Fired], contact_id: str, now_ms: int, zone: ZoneInfo
) -> tuple[Order, ...]:
    """The orders of what fired; the same change gives the same ones.

    Args:
        zone: of the location.
    """
    return tuple(
        _order(one, deed, contact_id, now_ms, zone)
        for one in fired
        for deed in one.rule.do
        if isinstance(deed, Ordered)
    )


def _order(
    one: Fired, deed: Ordered, contact_id: str, now_ms: int, zone: ZoneInfo
) -> Order:
    kind = KINDS[type(deed)]
    campaign = one.rule.name if isinstance(deed, CallWebhook) else deed.campaign
    owner, key, until_ms = contact_id, one.change.key, one.change.until_ms
    if isinstance(deed, ScheduleDraft):
        # Whoever fires it, the campaign is scheduled for that day once.
        now = datetime.fromtimestamp(now_ms / 1000, zone)
        until_ms = _at_hour(now, deed.at_hour)
        owner, key = "draft", str(until_ms)
    return Order(
        id=order_id(owner, f"{kind}:{campaign}", key),
        kind=kind,
        rule=one.rule.name,
        campaign=campaign,
        contact_id=contact_id,
        trigger=one.change.trigger,
        made_ms=now_ms,
        until_ms=until_ms,
        facts=one.change.facts,
    )


class Decider:
    """Decides the orders of one contact.

    Args:
        facts: variables of the contact.
        mailjet_id: Mailjet's, 0 for nobody.
    """

    def __init__(
        self, case: Case, found: Found, facts: Mapping[str, object], mailjet_id: int
    ) -> None:
        self._case = case
        self._found = found
        self._facts = facts
        self._mailjet_id = mailjet_id
        self._sending = case.policy.sending
        self._now_ms = case.policy.carrying.now_ms
        self._zone = zone_of(found.contact, case.policy.carrying.zone)
        self._gone = 0

    @cached_property
    def _local(self) -> datetime:
        return datetime.fromtimestamp(self._now_ms / 1000, self._zone)

    @property
    def day(self) -> str:
        """The contact's day, by which what it gets is counted."""
        return f"{self._local:%Y-%m-%d}"

    def decide(self, order: Order, deed: Ordered | None) -> Decision:
        """What becomes of an order.

        Args:
            deed: what it was placed for; None where nobody wants it any more.
        """
        if deed is None:
            return Decision(State.HELD, GONE)
        if order.until_ms <= self._now_ms:
            return Decision(State.HELD, LATE)
        match deed:
            case CallWebhook():
                return Decision(State.READY, payload={"variable": deed.variable})
            case ScheduleDraft():
                return self._draft(order, deed)
            case Send():
                free = deed.transactional
                return self._guard(transactional=free) or self._mail(order, deed)
            case JoinList():
                return self._guard() or self._joined(deed)

    def _guard(self, *, transactional: bool = False) -> Decision | None:
        """Why an order does not go now; None where it may."""
        found = self._found
        if found.problem:
            return Decision(State.HELD, found.problem)
        if found.bounced:
            return Decision(State.HELD, "bounced")
        if not found.is_oldest:
            return Decision(State.HELD, "shares an address with an older contact")
        if transactional:
            return None
        if not found.verdict.is_open:
            return Decision(State.HELD, "opted out")
        if not found.on_list:
            return Decision(State.HELD, "off our list")
        if until_ms := self._quiet_until_ms():
            until = datetime.fromtimestamp(until_ms / 1000, self._zone)
            why = f"quiet hours, until {until:%H:%M} where the contact is"
            return Decision(State.WAITING, why, until_ms)
        if self._case.memory.sent_today(self.day) + self._gone >= self._sending.per_day:
            return Decision(State.HELD, "enough for today")
        self._gone += 1
        return None

    def _quiet_until_ms(self) -> int:
        """When the contact's quiet hours end; 0 outside them."""
        if self._sending.quiet_hours is None:
            return 0
        begin, end = self._sending.quiet_hours
        hour = self._local.hour
        is_quiet = begin <= hour < end if begin < end else hour >= begin or hour < end
        if not is_quiet:
            return 0
        return _at_hour(self._local, end)

    def _mail(self, order: Order, deed: Send) -> Decision:
        facts = {**self._facts, **variables(order.facts)}
        try:
            values = {name: value(facts) for name, value in deed.variables.items()}
        except CannotTell:
            return Decision(State.FAILED, UNTOLD)
        contact = self._found.contact
        return Decision(
            State.READY,
            payload={
                "email": contact.email,
                "name": _name(contact),
                "template_id": deed.template_id,
                "variables": values,
                "campaign": deed.campaign,
                # Nobody is created twice: Mailjet itself can see to that.
                "once": order.trigger == Trigger.CREATED,
                "sender": deed.sender,
                "subject": deed.subject,
                # What whoever sends it looks at once more (`pipeline/last_look.py`).
                "until_ms": self._until_ms(order, deed),
                "transactional": deed.transactional,
                "mailjet_id": self._mailjet_id,
                "noes": noes(contact, self._found.subscriber, self._case.policy),
                "sharers": self._found.sharers,
            },
        )

    def _until_ms(self, order: Order, deed: Send) -> int:
        """Until when it may leave: it is too late then, or the contact's night."""
        hours = self._sending.quiet_hours
        if deed.transactional or hours is None:
            return order.until_ms
        return min(order.until_ms, _at_hour(self._local, hours[0]))

    def _joined(self, deed: JoinList) -> Decision:
        if not self._sending.live:
            return Decision(State.REHEARSED)
        lists = {deed.list_id: ListAction.ADD}
        try:
            self._case.mailjet.manage_lists(self._mailjet_id, lists)
        except (NotFound, Rejected) as error:
            # The only list named is the rule's: that it is gone must hold up neither
            # the contact nor, as one of ours would, the connection.
            return Decision(State.FAILED, f"refused: {error.status}")
        return Decision(State.DONE)

    def _draft(self, order: Order, deed: ScheduleDraft) -> Decision:
        """By its title whoever comes after a lost answer finds it."""
        location = self._case.policy.carrying.zone
        at = datetime.fromtimestamp(order.until_ms / 1000, location)
        payload = {
            "title": f"{deed.campaign} {at:%Y-%m-%d %H:%M}",
            "list_id": self._case.policy.list_id,
            "template_id": deed.template_id,
            "sender": deed.sender,
            "subject": deed.subject,
            "segment_id": deed.segment_id,
            "at_ms": order.until_ms,
        }
        return Decision(State.READY, payload=payload)


def deed_of(order: Order, rules: Iterable[Rule]) -> Ordered | None:
    """What an order was placed for; None where nobody wants it any more."""
    for rule in rules:
        for deed in rule.do:
            if rule.name != order.rule or not isinstance(deed, Ordered):
                continue
            is_same = isinstance(deed, CallWebhook) or deed.campaign == order.campaign
            if is_same and KINDS[type(deed)] == order.kind:
                return deed
    return None


def _at_hour(now: datetime, hour: int) -> int:
    """The next time that a clock shows the hour, milliseconds since 1970 UTC."""
    at = now.replace(hour=hour % 24, minute=0, second=0, microsecond=0)
    if at <= now:
        at += timedelta(days=1)
    return round(at.timestamp() * 1000)


def _name(contact: Contact) -> str:
    told = (contact.values.get("firstName", ""), contact.values.get("lastName", ""))
    return " ".join(filter(None, told))
