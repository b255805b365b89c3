"""The client of Redis that holds our state, shared by the threads of a process."""

import os
import threading
from typing import Any

from redis import Redis


class StateClient(Redis):
    """redis-py's client, of which every thread keeps a connection.

    To take one from the pool and to give it back, as redis-py does at each command, is
    a third of the CPU time of a command. Pipelines and transactions still do. What a
    thread kept goes back to the pool when the thread has ended.
    """

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._own = threading.local()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        own = self._own.__dict__
        # A forked process must not write to the sockets of its parent.
        if own.get("pid") != os.getpid():
            client = Redis(
                connection_pool=self.connection_pool, single_connection_client=True
            )
            own.update(pid=os.getpid(), client=client)
        return own["client"].execute_command(*args, **options)
