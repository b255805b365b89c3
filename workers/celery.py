"""The Celery app. The broker is a doorbell; the ledger knows the work."""

import sys
from functools import cache

from celery import Celery
from kombu import Queue
from kombu.transport import TRANSPORT_ALIASES

from pipeline.bootstrap import Pipeline, build
from pipeline.config import Settings, from_env
from pipeline.dispatch import Dispatcher
from pipeline.errors import ConfigError
from pipeline.permit import Lane
from workers.events import EventsTogether
from workers.schedule import beat_schedule
from workers.worker_metrics import meters

SLOTS_LEAST, SLOTS_MOST = 16, 64
"""Threads of a worker: as fast as 16 processes, in a fourteenth of the memory. One for
each connection, because most of a contact's time is waiting for its connection's turn
at the vendors."""


@cache
def settings() -> Settings:
    """The settings of this process; ends it with every problem when there are any."""
    try:
        return from_env()
    except ConfigError as error:
        sys.exit("The settings cannot be used:\n  " + "\n  ".join(error.problems))


@cache
def pipeline() -> Pipeline:
    """The pipeline of this process."""
    return build(settings(), meters=meters)


@cache
def dispatcher() -> Dispatcher:
    """The dispatcher of this process."""
    return Dispatcher(pipeline())


# Not as `broker_transport`: Flower knows the broker by its URL, which would then begin
# with the name of a class.
for scheme in ("redis", "rediss"):
    TRANSPORT_ALIASES[scheme] = "workers.broker:Transport"

app = Celery(
    "ghl-mailjet",
    include=["workers.tasks", "workers.signals", "workers.heap"],
)
app.conf.update(
    broker_url=settings().redis_url,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": 300,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 30,
        # Longer than kombu's blocking read of one second.
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "queue_order_strategy": "priority",
        # Urgency is which queue: without this each has four, and all are asked for.
        "priority_steps": [0],
    },
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    task_queues=[Queue(lane) for lane in Lane],
    task_default_queue=Lane.BULK.value,
    task_routes={
        "dispatch.tick": {"queue": Lane.CONSENT},
        "discovery.optouts": {"queue": Lane.CONSENT},
        "event.apply": {"queue": Lane.CONSENT},
        "discovery.changes": {"queue": Lane.LIVE},
        "discovery.activities": {"queue": Lane.LIVE},
        "discovery.feedback": {"queue": Lane.LIVE},
        "connection.probe": {"queue": Lane.LIVE},
        "campaign.send": {"queue": Lane.LIVE},
        "alerts.check": {"queue": Lane.LIVE},
        "resync.full": {"queue": Lane.LIVE},
    },
    # Threads cannot be stopped in mid-task: every request has a total deadline instead.
    worker_pool="threads",
    worker_concurrency=max(SLOTS_LEAST, min(len(settings().connections), SLOTS_MOST)),
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    worker_send_task_events=True,
    timezone="UTC",
    beat_scheduler="workers.doorbell:Doorbell",
    beat_schedule=beat_schedule(settings()),
    beat_max_loop_interval=1,
)
app.steps["consumer"].add(EventsTogether)
