"""Celery tasks: each gets this process's pipeline, calls one function, returns a word.

Arguments are ids and JSON scalars, never an address, a name or a secret: they are
stored in the broker and shown in Flower. Tasks that ring (everything but `resync.full`)
may be lost, because a lost ring is rung again: a lease expires, and Beat ticks.
"""

import time
from functools import partial
from uuid import uuid4

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from pipeline import (
    alerting,
    check,
    consent_report,
    inbox,
    overview,
    runs,
    sending,
    setup,
    work,
)
from pipeline.bootstrap import Kit
from pipeline.callbacks import note_callbacks
from pipeline.discovery import Discovery
from pipeline.errors import PipelineError
from pipeline.permit import Lane
from pipeline.retry import trouble
from pipeline.store.dead_letters import worker_lost
from workers.celery import app, dispatcher, pipeline
from workers.due import to_report, working
from workers.messages import NAME, send
from workers.signals import heartbeat

ENTRIES_AT_A_TIME = 10
TICK_SECONDS = 5
"""A tick's ring that nobody heard for so long was rung again."""


@app.task(name=NAME)
def contact_sync(connection: str, ghl_id: str, lease: int) -> str:
    """Sync one leased contact, then send what follows on its connection.

    Sent by dispatch. Run twice, the second finds its lease void. When it fails, the
    contact waits in the ledger, or becomes a dead letter there.
    """
    kit = pipeline().kit(connection)
    try:
        ring = partial(_ring_sending, kit)
        outcome = work.run_lease(kit, ghl_id, lease, heartbeat.owner, ring=ring)
        send(dispatcher().following(kit))
    except (RedisError, OperationalError) as error:
        return f"Redis is away ({type(error).__name__}): the lease will expire"
    return outcome


# Celery asks for the next message when an event or a late ack wakes it: with neither,
# a worker with one slot would rest after a tick until its next heartbeat.
@app.task(name="dispatch.tick", send_events=False, acks_late=True)
def dispatch_tick() -> int:
    """Return lost leases, keep nightly runs to their hours, start what is idle.

    Rung by Beat every second; twice does no harm. Returns how many contacts went out.
    """
    processes = pipeline().processes
    processes.ticked()
    alive = {worker.boot for worker in processes.workers()}
    if heartbeat.worker:
        # When Redis comes back no heartbeat is fresh, but whoever ticks is alive.
        alive.add(heartbeat.worker.boot)
    for kit in pipeline().kits.values():
        kit.ledger.expire(worker_lost(processes.now_ms()), alive)
        if kit.health.claim_probe():
            connection_probe.delay(connection=kit.connection.name)
        runs.keep_hours(kit, time.time())
        _ring_discovery(kit)
        if sending.is_due(kit):
            _ring_sending(kit)
    if processes.claim_minute():
        overview.note_calls(pipeline())
    if pipeline().inbox.counts().due:
        event_apply.apply_async(expires=TICK_SECONDS)
    return send(dispatcher().idle())


@app.task(name="event.apply")
def event_apply() -> str:
    """Hand what came in to the contacts it is about, then send these.

    Rung by the receiver, and by every tick while something is due. Run twice at a time,
    each takes other entries.
    """
    handled = 0
    try:
        while count := inbox.apply_waiting(pipeline(), ENTRIES_AT_A_TIME):
            handled += count
            send(dispatcher().idle())
    except (RedisError, OperationalError) as error:
        return f"Redis is away ({type(error).__name__}): entries come back"
    return f"{handled} handled"


@app.task(name="campaign.send")
def campaign_send(connection: str) -> str:
    """Send what the rules of a connection have ready, until nothing is.

    Rung by the sync that made it so, and by every tick while something is due. Run
    twice at a time, each takes other orders.
    """
    kit, sent = pipeline().kit(connection), 0
    try:
        while count := sending.send_ready(kit):
            sent += count
        send(dispatcher().following(kit))
    except (RedisError, OperationalError) as error:
        return f"Redis is away ({type(error).__name__}): what was taken is looked up"
    return f"{sent} looked at"


@app.task(name="connection.probe")
def connection_probe(connection: str) -> str:
    """Ask both vendors whether a paused connection works again, and resume it."""
    return check.look_again(pipeline().kit(connection))


@app.task(name="discovery.contacts")
def discovery_contacts(connection: str | None = None) -> str:
    """Fetch one page of the connection's run, then ring for the next.

    Without a connection (rung by Beat): start every run that is due.
    """
    if connection is None:
        return _start_due_runs()
    return _discover(pipeline().kit(connection))


@app.task(name="discovery.business")
def discovery_business(
    connection: str | None = None, business_id: str | None = None
) -> str:
    """The same for contacts by business; with an id, start a run of that business."""
    if connection is None:
        kits = pipeline().kits.values()
        return f"{sum(_ring_discovery(kit) for kit in kits)} rung"
    kit = pipeline().kit(connection)
    if business_id is not None:
        runs.start_run(kit, business=business_id)
    return _discover(kit)


@app.task(name="discovery.changes")
def discovery_changes(connection: str | None = None) -> str:
    """Find what changed in GHL since the last look; rung by Beat for everybody."""
    kits = [pipeline().kit(connection)] if connection else working("changes")
    found = sum(runs.discover(kit, Discovery.changes, Lane.LIVE) or 0 for kit in kits)
    if found:
        send(dispatcher().idle())
    return f"{found} changed"


@app.task(name="discovery.optouts")
def discovery_optouts(connection: str | None = None) -> str:
    """Read the whole set of people who opted out in GHL; rung by Beat."""
    kits = [pipeline().kit(connection)] if connection else working("optouts")
    able = [kit for kit in kits if (r := kit.record()) and r.optout_filter]
    for kit in able:
        runs.discover(kit, lambda found: found.preferences.read_optouts(), Lane.LIVE)
    return f"{len(able)} read"


@app.task(name="discovery.activities")
def discovery_activities(connection: str | None = None) -> str:
    """Find whose tasks, notes or appointments are to be carried; rung by Beat."""
    kits = [pipeline().kit(connection)] if connection else working("activities")
    for kit in kits:
        runs.discover(kit, Discovery.activities, Lane.LIVE)
    send(dispatcher().idle())
    return f"{len(kits)} looked at"


@app.task(name="discovery.feedback")
def discovery_feedback(connection: str | None = None) -> str:
    """Find what Mailjet tells of mails and contacts, by no webhook; rung by Beat."""
    kits = [pipeline().kit(connection)] if connection else working("feedback")
    for kit in kits:
        runs.discover(kit, Discovery.feedback, Lane.LIVE)
    send(dispatcher().idle())
    return f"{len(kits)} read"


@app.task(name="consent.report")
def consent_compare(connection: str | None = None) -> str:
    """Compare consent on both sides completely; rung by Beat, once a day."""
    kits = [pipeline().kit(connection)] if connection else to_report()
    found = [runs.discover(kit, partial(_mailable, kit)) or 0 for kit in kits]
    return f"{sum(found)} mailable of {len(kits)} compared"


@app.task(name="alerts.check")
def alerts_check() -> str:
    """Ask Mailjet once an hour for our callbacks; tell the alert webhook what is wrong.

    Rung by Beat. Run twice, the second finds that somebody has looked.
    """
    for kit in working("callbacks"):
        note_callbacks(kit)
    done = alerting.check(pipeline())
    return f"{len(done.told)} told, {len(done.ended)} over"


@app.task(name="resync.full", acks_late=True)
def resync_full(connection: str = "default", business_id: str | None = None) -> str:
    """Start a full resync; joins the one under way.

    Enqueued by operators, from anywhere. Run twice, the second joins.

    Raises:
        ConfigError: no such connection, or it is not set up.
    """
    kit = pipeline().kit(connection)
    if kit.record() is None:
        setup.restore(kit)
    started = runs.start_run(kit, business=business_id)
    _ring_discovery(kit)
    return f"{'joined' if started.joined else 'started'} {started.run_id}"


def _discover(kit: Kit) -> str:
    """One page; a failure is the connection's, and Beat's tick rings again later."""
    owner = heartbeat.owner
    more = runs.discover(kit, lambda discovery: runs.step(kit, discovery, owner))
    if more:
        _ring_discovery(kit)
    send(dispatcher().following(kit))
    return "another page" if more else "no more"


def _ring_discovery(kit: Kit) -> bool:
    """Ring the task that fetches the run's next page, if one is to be fetched."""
    stage = runs.wanted_stage(kit)
    if stage is None:
        return False
    task = discovery_business if stage == "businesses" else discovery_contacts
    task.delay(connection=kit.connection.name)
    return True


def _ring_sending(kit: Kit) -> None:
    """Ring the task that sends; a ring that nobody heard is rung again by a tick."""
    campaign_send.apply_async(
        kwargs={"connection": kit.connection.name}, expires=TICK_SECONDS
    )


def _start_due_runs() -> str:
    started = 0
    for kit in pipeline().kits.values():
        try:
            if kit.record() is None and not _restored(kit):
                continue
            started += runs.start_due_run(kit, time.time())
            _ring_discovery(kit)
        except PipelineError as error:
            kit.health.stumble(trouble(error), uuid4().hex)
    return f"{started} started"


def _restored(kit: Kit) -> bool:
    """At most one look a minute at an account that may never have been set up."""
    return kit.setup.claim_due("restore", 60) and setup.restore(kit)


def _mailable(kit: Kit, _: Discovery) -> int:
    """How many people can be mailed in Mailjet who opted out in GHL."""
    record = kit.record()
    return len(consent_report.compare(kit, record).mailable) if record else 0
