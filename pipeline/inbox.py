"""What came in, handed to the contacts it is about.

Nothing is written to a vendor here: contacts wait in the ledger, and what an event says
is remembered for when they are synced. Handling an entry twice does no harm.
"""

import json
import logging
from collections.abc import Callable, Mapping
from itertools import islice

from redis.exceptions import RedisError

from pipeline.bootstrap import Kit, Pipeline
from pipeline.errors import (
    BudgetSpent,
    PipelineError,
    RateLimited,
    Reach,
    VendorError,
)
from pipeline.feedback import Feedback
from pipeline.ghl import webhooks as ghl_webhooks
from pipeline.ghl.webhooks import GhlEvent
from pipeline.mailjet import webhooks as mailjet_webhooks
from pipeline.permit import Lane, Permit
from pipeline.store.inbox import Claimed, Source
from pipeline.store.setup import SetupRecord
from pipeline.store.timeline import FoundBy
from pipeline.sync.around import Kind

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
"""Each event may cost a search in GHL, so a claim is renewed between few of them."""
EVENTS_AT_A_TIME = 10
SHORT_WAIT_SECONDS, LONG_WAIT_SECONDS = 1.0, 3600.0
PAUSE_SECONDS = 60.0
TASK_LOOKS = 3
"""GHL's search shows a new task only after some seconds."""
DELETED = "ContactDelete"
APPLIED = "applied"
NOTHING_TO_DO = "nothing to do"
NO_CONNECTION = "no such connection"
NOT_SET_UP = "not set up"
NOT_FOUND = "task not found"
ACTIVITIES = {
    "task": Kind.TASKS,
    "note": Kind.NOTES,
    "appointment": Kind.APPOINTMENTS,
}


class ClaimLost(Exception):
    """It took too long: somebody else has the entry by now."""


class NotYet(Exception):
    """What it is about cannot be found; a little later it may be."""


def apply_waiting(pipeline: Pipeline, limit: int) -> int:
    """Handle up to `limit` entries that are due; how many there were.

    Raises:
        RedisError: it is away; what was taken comes back by itself.
    """
    for number in range(limit):
        # One at a time: the others are for whoever is free meanwhile.
        claims = pipeline.inbox.claim(1, LEASE_SECONDS)
        if not claims:
            return number
        apply(pipeline, claims[0])
    return limit


def apply(pipeline: Pipeline, claimed: Claimed) -> None:
    """One entry to its end; none holds up the others."""
    inbox, source = pipeline.inbox, claimed.entry.source
    try:
        outcome = HANDLERS[source](pipeline, claimed)
    except ClaimLost:
        return
    except (BudgetSpent, RateLimited) as error:
        inbox.put_off(claimed, _reason(error), _wait_seconds(error))
    except NotYet as error:
        inbox.fail(claimed, str(error))
    except PipelineError as error:
        if isinstance(error, VendorError) and error.reach is Reach.CONNECTION:
            # A dead credential: whoever mends it need not replay anything.
            inbox.put_off(claimed, _reason(error), PAUSE_SECONDS)
        else:
            inbox.fail(claimed, _reason(error))
    except RedisError as error:
        inbox.fail(claimed, f"Redis: {type(error).__name__}")
    except Exception as error:
        # Its words may hold what was sent. Our own mistake stays one at a second try.
        name = type(error).__name__
        logger.error("a webhook (%s, %s) broke us: %s", source, claimed.id, name)
        inbox.fail(claimed, f"our own mistake: {name}", for_good=True)
    else:
        inbox.done(claimed.id, f"{source}:{outcome}")


def _reason(error: PipelineError) -> str:
    return f"{type(error).__name__}: {error}"


def _wait_seconds(error: BudgetSpent | RateLimited) -> float:
    asked = (
        error.wait_seconds
        if isinstance(error, BudgetSpent)
        else error.retry_after_seconds or SHORT_WAIT_SECONDS
    )
    return min(max(asked, SHORT_WAIT_SECONDS), LONG_WAIT_SECONDS)


def _mailjet(pipeline: Pipeline, claimed: Claimed) -> str:
    kit = pipeline.kits.get(claimed.entry.place)
    if kit is None:
        return NO_CONNECTION
    record = kit.record()
    if record is None:
        return NOT_SET_UP
    told, unreadable = mailjet_webhooks.parse(_body(claimed))
    if unreadable:
        logger.warning("%d rows of a webhook from Mailjet: unreadable", unreadable)
    feedback, events = Feedback(kit, record), iter(told)
    while some := tuple(islice(events, EVENTS_AT_A_TIME)):
        if not pipeline.inbox.renew(claimed, LEASE_SECONDS):
            raise ClaimLost
        feedback.apply(some)
    return APPLIED if told else NOTHING_TO_DO


def _ghl(pipeline: Pipeline, claimed: Claimed) -> str:
    event = ghl_webhooks.parse(_body(claimed))
    if event is None:
        return NOTHING_TO_DO
    kits = [
        kit
        for kit in pipeline.kits.values()
        if kit.connection.ghl_location_id == event.location_id
    ]
    ready = [(kit, record) for kit in kits if (record := kit.record())]
    found = [_hand_over(kit, record, event, claimed) for kit, record in ready]
    if not found:
        return NOT_SET_UP if kits else NO_CONNECTION
    if any(found):
        return APPLIED
    if claimed.attempt < TASK_LOOKS:
        raise NotYet(NOT_FOUND)
    return NOT_FOUND


def _hand_over(
    kit: Kit, record: SetupRecord, event: GhlEvent, claimed: Claimed
) -> bool:
    """Give an event to its contact; False where that cannot be told (a sweep will)."""
    contact_id = event.contact_id
    if not contact_id:
        contact_id = ghl_webhooks.find_task(kit.ghl(Permit(event.lane)), event)
    if not contact_id:
        return False
    kit.timeline.found([contact_id], FoundBy.WEBHOOK, event.type)
    if event.lane is Lane.CONSENT:
        at_ms = event.at_ms or claimed.entry.received_ms
        Feedback(kit, record).dnd(contact_id, event.opted_out, at_ms)
    elif event.type == DELETED and kit.presence.is_one_of_many(contact_id):
        logger.warning("many contacts were deleted in GHL: left to the next full run")
    elif event.kinds:
        kit.ledger.point_at([contact_id], event.kinds, event.lane)
    else:
        kit.ledger.mark(event.lane, [contact_id])
    return True


def _workflow(pipeline: Pipeline, claimed: Claimed) -> str:
    """A workflow tells which contact it ran for, and nothing to rely on beside that."""
    kit = pipeline.kits.get(claimed.entry.place)
    if kit is None:
        return NO_CONNECTION
    if kit.record() is None:
        return NOT_SET_UP
    contact_id = ghl_webhooks.parse_workflow(_body(claimed))
    if not contact_id:
        return NOTHING_TO_DO
    what = claimed.entry.what
    kit.timeline.found([contact_id], FoundBy.WORKFLOW, what)
    if what in ACTIVITIES:
        kit.ledger.point_at([contact_id], ACTIVITIES[what], Lane.LIVE)
    else:
        lane = Lane.CONSENT if what == "dnd" else Lane.LIVE
        kit.ledger.mark(lane, [contact_id])
    return APPLIED


def _body(claimed: Claimed) -> object:
    found: object = json.loads(claimed.entry.body)
    return found


HANDLERS: Mapping[Source, Callable[[Pipeline, Claimed], str]] = {
    Source.MAILJET: _mailjet,
    Source.GHL: _ghl,
    Source.WORKFLOW: _workflow,
}
