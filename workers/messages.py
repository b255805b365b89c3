"""The message of `contact.sync`, written by hand: there is one for each contact.

`Task.apply_async` can write every message, which takes it twice as long. The form is
Celery's message protocol, version 2, with what the worker and Flower read of it.
"""

from collections.abc import Iterable
from uuid import uuid4

from pipeline.permit import Lease
from workers.celery import app

NAME = "contact.sync"


def send(leases: Iterable[Lease]) -> int:
    """Send the task of each lease to the queue of its lane; how many there were.

    Raises:
        OperationalError: the broker is away. What was not sent is lost, and its leases
            expire.
    """
    sent = 0
    with app.producer_pool.acquire(block=True) as producer:
        for lease in leases:
            task_id = str(uuid4())
            kwargs = {
                "connection": lease.connection,
                "ghl_id": lease.ghl_id,
                "lease": lease.token,
            }
            producer.publish(
                ((), kwargs, {}),
                headers={
                    "lang": "py",
                    "task": NAME,
                    "id": task_id,
                    "root_id": task_id,
                    "argsrepr": "()",
                    "kwargsrepr": repr(kwargs),
                    "ignore_result": True,
                },
                exchange="",
                routing_key=lease.lane.value,
                correlation_id=task_id,
                serializer="json",
                retry=True,
                retry_policy=app.conf.task_publish_retry_policy,
            )
            sent += 1
    return sent
