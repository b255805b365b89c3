"""Send what is ready: mails, webhooks, and campaigns that are scheduled.

One round takes a batch, says so, and tells of every order what became of it. Who dies
in between leaves orders that nobody knows the end of; Mailjet is asked for these before
anybody may send them again. A contact's consent was looked at in its own turn, and is
looked at once more right before a mail that needs it.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from redis.exceptions import RedisError

from pipeline.bootstrap import Kit
from pipeline.calling import call
from pipeline.drafting import schedule_once
from pipeline.errors import (
    Ambiguous,
    BadPayload,
    BudgetSpent,
    LeaseLost,
    PermanentError,
    PipelineError,
    RateLimited,
    Reach,
    Rejected,
    TransientError,
    VendorError,
)
from pipeline.last_look import LastLook, looked_at
from pipeline.mailjet.client import MailjetClient
from pipeline.mailjet.records import Sent
from pipeline.mailjet.sending import MOST, template_mail
from pipeline.permit import Lane, Permit
from pipeline.retry import RATE_LIMITED_SECONDS, trouble
from pipeline.session import ApiSession
from pipeline.store.bucket import LIVE_AHEAD_SECONDS
from pipeline.store.order_records import Batch, Ready
from pipeline.store.orders import HANDS
from pipeline.sync.orders import Order, OrderKind, State

AGAIN_SECONDS = 10.0
RELIED_ON_SECONDS = 1.0
"""For so long a look's mails go on asking for a token; one may be 2 s ahead."""
TOO_CLOSE_SECONDS = 300.0
"""Mailjet schedules nothing so near, and says not how near that is: such a campaign
waits here and leaves at once when its time has come."""


def send_ready(kit: Kit) -> int:
    """One round; how many orders it was about.

    Raises:
        RedisError: it is away; what was taken is looked up once it is back.
    """
    if not _may_send(kit):
        return 0
    batch = kit.orders.take(MOST)
    _Round(kit, batch).run()
    return len(batch.ready) + len(batch.doubtful)


def is_due(kit: Kit) -> bool:
    """Whether a round would find something."""
    return bool(kit.orders.due()) and _may_send(kit)


def _may_send(kit: Kit) -> bool:
    if kit.settings.read_only or kit.record() is None:
        return False
    return kit.health.paused() is None and kit.operator_pause.since_ms() is None


class _Round:
    def __init__(self, kit: Kit, batch: Batch) -> None:
        self._kit = kit
        self._orders = kit.orders
        self._token = batch.token
        self._batch = batch

    def run(self) -> None:
        self._mails(self._batch.of(OrderKind.MAIL))
        for one in self._batch.of(OrderKind.DRAFT):
            self._guarded([one.order], partial(self._draft, one))
        for one in self._batch.of(OrderKind.WEBHOOK):
            call(self._kit, self._token, one)
        for order in self._batch.doubtful:
            self._look_up(order)

    def _guarded(self, orders: Sequence[Order], send: Callable[[], None]) -> None:
        """Send, and settle what never came to an answer."""
        ids = [order.id for order in orders]
        try:
            send()
        except PipelineError as error:
            self._after(error, ids)
        except RedisError:
            raise
        except Exception:
            self._orders.doubt(self._token, ids)
            raise

    def _after(self, error: PipelineError, ids: Sequence[str]) -> None:
        """What follows for orders of a call that has no answer of theirs."""
        token = self._token
        match error:
            case BudgetSpent():
                self._orders.again(token, ids, error.wait_seconds)
            case LeaseLost():
                self._orders.again(token, ids, 0)
            case RateLimited():
                wait = error.retry_after_seconds or RATE_LIMITED_SECONDS
                self._orders.again(token, ids, wait)
            case VendorError(reach=Reach.CONNECTION):
                self._orders.back(token, ids)
                self._kit.health.pause(trouble(error))
            case Ambiguous() | BadPayload():
                self._orders.doubt(token, ids)
                self._stumble(error)
            case TransientError():
                self._orders.again(token, ids, AGAIN_SECONDS)
                self._stumble(error)
            case PermanentError():
                self._refused(error, ids)
            case _:
                self._orders.back(token, ids)

    def _stumble(self, error: PipelineError) -> None:
        self._kit.health.stumble(trouble(error), f"send:{self._token}")

    def _refused(self, error: PermanentError, ids: Sequence[str]) -> None:
        """One of them may be to blame for all: each goes alone once."""
        if len(ids) > 1:
            self._orders.again(self._token, ids, 0, alone=True)
            return
        code = error.code if isinstance(error, Rejected) else ""
        why = code or f"refused: {error.status or 'not sent'}"
        self._orders.finish(self._token, State.FAILED, ids, why)

    def _client(
        self, session: ApiSession, ids: Sequence[str], permit: Permit
    ) -> MailjetClient:
        """One that raises LeaseLost, last of all before a request, where somebody else
        looks one of the orders up by now: who took too long must not send any more."""

        def hold() -> None:
            if not self._orders.hold(self._token, ids):
                raise LeaseLost(self._token)

        return MailjetClient(session.under(permit).guarded(hold))

    # Mails

    def _mails(self, mails: Sequence[Ready]) -> None:
        """Send as many as can leave together, after a look at the consent of each."""
        if not mails:
            return
        wait_seconds = self._kit.mailjet_send_bucket.state().wait_seconds
        if wait_seconds > LIVE_AHEAD_SECONDS:
            # Nobody looks at what could not leave soon after.
            ids = [one.order.id for one in mails]
            self._orders.again(self._token, ids, wait_seconds - LIVE_AHEAD_SECONDS)
            return
        look = LastLook(self._kit).still_stands
        with ThreadPoolExecutor(HANDS) as pool:
            # Whose look is over must not wait for a call of others that hangs.
            leaving = [
                pool.submit(self._together, some)
                for seen in looked_at(mails, look)
                if (some := [one for one, told in seen if self._stands(one, told)])
            ]
        for one in leaving:
            one.result()

    def _stands(self, mail: Ready, told: "Future[bool]") -> bool:
        ids = [mail.order.id]
        try:
            if told.result():
                return True
        except PipelineError as error:
            self._after(error, ids)
        else:
            self._orders.back(self._token, ids)
        return False

    def _together(self, mails: Sequence[Ready]) -> None:
        self._guarded([one.order for one in mails], partial(self._mail, mails))

    def _mail(self, mails: Sequence[Ready]) -> None:
        ids = [one.order.id for one in mails]
        permit = Permit(Lane.LIVE, patience_seconds=RELIED_ON_SECONDS)
        client = self._client(self._kit.mailjet_send_session, ids, permit)
        is_live = self._kit.connection.live
        messages = [template_mail(one.order.id, one.payload) for one in mails]
        sent = client.send(messages, sandbox=not is_live)
        told = list(zip(ids, sent, strict=True))
        end = State.DONE if is_live else State.REHEARSED
        done = [id_ for id_, one in told if not one.code]
        if done:
            self._orders.finish(self._token, end, done)
        if later := [id_ for id_, one in told if one.is_transient]:
            self._orders.again(self._token, later, AGAIN_SECONDS)
        for id_, one in told:
            if _failed(one):
                self._orders.finish(self._token, State.FAILED, [id_], one.why)

    def _look_up(self, order: Order) -> None:
        """Find out whether a mail was sent whose answer was lost."""
        mailjet = self._kit.mailjet(Permit(Lane.LIVE))
        try:
            found = mailjet.find_messages(order.id, order.made_ms)
        except VendorError as error:
            # It stays doubtful, and is looked up again a minute later.
            if error.reach is Reach.CONNECTION:
                self._kit.health.pause(trouble(error))
            return
        except BudgetSpent:
            return
        if found:
            self._orders.finish(self._token, State.DONE, [order.id])
        else:
            self._orders.back(self._token, [order.id])

    # Campaigns

    def _draft(self, one: Ready) -> None:
        ids = [one.order.id]
        if not self._kit.connection.live:
            self._orders.finish(self._token, State.REHEARSED, ids)
            return
        now_ms = round(time.time() * 1000)
        wait_seconds = (int(one.payload["at_ms"]) - now_ms) / 1000
        if 0 < wait_seconds <= TOO_CLOSE_SECONDS:
            self._orders.again(self._token, ids, wait_seconds)
            return
        client = self._client(self._kit.mailjet_session, ids, Permit(Lane.LIVE))
        try:
            schedule_once(client, one.payload, now_ms)
        except Rejected as error:
            if error.reach is Reach.CONNECTION:
                raise
            self._orders.finish(self._token, State.FAILED, ids, error.detail)
        else:
            self._orders.finish(self._token, State.DONE, ids)


def _failed(one: Sent) -> bool:
    return bool(one.code) and not one.is_transient
