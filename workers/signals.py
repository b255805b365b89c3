"""What a worker tells of itself: alive, with so many slots."""

from typing import Any

from celery.signals import heartbeat_sent, worker_ready, worker_shutting_down
from redis.exceptions import RedisError

from workers.celery import pipeline

_self: dict[str, int] = {}
"""This worker's name and slots; empty in every other process."""


@worker_ready.connect
def _ready(sender: Any, **_: Any) -> None:
    _self[sender.hostname] = sender.controller.concurrency
    _alive()


@heartbeat_sent.connect
def _alive(**_: Any) -> None:
    for name, slots in dict(_self).items():
        # Without Redis nobody could ask either; the next heartbeat tells again.
        try:
            pipeline().processes.worker_alive(name, slots)
        except RedisError:
            return


@worker_shutting_down.connect
def _gone(**_: Any) -> None:
    # Celery's last heartbeat follows this signal and must not bring us back.
    leaving = dict(_self)
    _self.clear()
    for name, slots in leaving.items():
        try:
            pipeline().processes.worker_gone(name, slots)
        except RedisError:
            return
