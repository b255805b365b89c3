"""Celery's messages over Redis, as kombu 5.7 sends them, for less.

`workers/celery.py` puts this transport in the place of kombu's own. What is overridden
here is private to kombu: `tests/integration/test_broker.py` fails when it is no longer
called.
"""

from typing import Any

from kombu.transport import redis, virtual

from workers.celery import app


class QoS(redis.QoS):
    """Keeps a copy in Redis of what nobody else remembers.

    A task that acknowledges early is the ledger's, or is rung again: its copy would be
    written and taken back in eight commands, and protect it only on the way from the
    socket to a thread. The same holds for a task on its way when the worker is killed.
    """

    channel: Any
    _delivered: Any

    def append(self, message: Any, delivery_tag: str) -> None:
        """Remember a message that was taken."""
        if _must_outlive_worker(message):
            super().append(message, delivery_tag)
        else:
            virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Forget a message that was done."""
        if _must_outlive_worker(self.get(delivery_tag)):
            super().ack(delivery_tag)
        else:
            virtual.QoS.ack(self, delivery_tag)

    def restore_by_tag(
        self, tag: str, client: Any = None, leftmost: bool = False
    ) -> None:
        """Give a message back: the worker shuts down in order, or has no use for it."""
        message = self._delivered.get(tag)
        if message is None or _must_outlive_worker(message):
            super().restore_by_tag(tag, client=client, leftmost=leftmost)
            return
        info = message.delivery_info
        with self.channel.conn_or_acquire(client) as client:
            self.channel._do_restore_message(
                message._raw, info["exchange"], info["routing_key"], client, leftmost
            )


def _must_outlive_worker(message: Any) -> bool:
    """Whether its task acknowledges late, or is none that we know."""
    task = app.tasks.get(message.headers.get("task"))
    return task is None or bool(task.acks_late)


class Channel(redis.Channel):
    """Keeps one client for its pool.

    kombu makes one for each command, which costs more than the command.
    """

    QoS = QoS
    _client_of_pool: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        client = self._client_of_pool
        # The pool is made anew after a lost connection and after a fork.
        if client is None or client.connection_pool is not self.pool:
            client = super()._create_client()  # type: ignore[misc]
            self._client_of_pool = client
        return client


class Transport(redis.Transport):
    """kombu's, with our channel."""

    Channel = Channel
