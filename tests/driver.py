"""A connection driven by hand: what Celery would ring is called here, in this process.

Waiting is done by moving times in Redis, never by sleeping.
"""

import json
import re
from collections import Counter
from dataclasses import replace
from types import TracebackType
from typing import Self

from redis import Redis

from pipeline import check, runs, setup, work
from pipeline.bootstrap import Kit, build
from pipeline.config import from_env
from pipeline.discovery import Discovery
from pipeline.meters import NO_METERS, Meters
from pipeline.permit import Lane, Lease
from pipeline.store.dead_letters import DeadLetter, read, worker_lost
from pipeline.store.ledger import Ledger
from pipeline.store.records import Run
from pipeline.store.setup import SetupRecord
from pipeline.store.state import connection_key
from pipeline.sync.fields import Row, laid_over
from pipeline.sync.mapping import Layout
from tests.sandbox import Row as Json
from tests.sandbox import Sandbox, fresh_email
from tests.valkey import Valkey

MAX_OUT = 10
WAITING = ("todo:consent", "todo:live", "todo:bulk")
LOOKS = re.compile("/contacts/:contactId/(tasks|notes|appointments)")
AROUND = re.compile("ghl_.*(task|note|appointment).*")
FULL_ROW = {
    "firstName": "Ana",
    "lastName": "Simões",
    "phone": "+351210000000",
    "companyName": "Lighthouse",
    "city": "Porto",
    "state": "Norte",
    "country": "PT",
    "postalCode": "4000",
    "timezone": "Europe/Lisbon",
    "source": "website",
    "assignedTo": "user1",
    "tags": ["lead"],
}


class Driver:
    """One pipeline with one connection, `default`.

    Args:
        rows: of the mapping, beside the default ones.
        meters: where it counts.
        env: variables beside those of the sandbox and the server.
    """

    def __init__(
        self,
        valkey: Valkey,
        sandbox: Sandbox,
        *rows: Row,
        meters: Meters = NO_METERS,
        **env: str,
    ) -> None:
        self.sandbox = sandbox
        self.pipeline = build(
            from_env(
                {
                    **sandbox.env,
                    "REDIS_URL": valkey.url,
                    "GHL_RATE": "100000/10",
                    "MAILJET_RATE": "100000/10",
                    **env,
                }
            ),
            meters=meters,
        )
        self.kit: Kit = self.pipeline.kit("default")
        if rows:
            layout = Layout(laid_over(self.kit.layout.rows, rows))
            self.kit = replace(self.kit, layout=layout)
            self.pipeline.kits["default"] = self.kit
        self.ledger: Ledger = self.kit.ledger
        self.list_id = sandbox.env["MAILJET_LIST_ID"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pipeline.redis.close()

    def setup(self) -> SetupRecord:
        """Set up, and forget the calls that took."""
        record = setup.run(self.kit)
        self.sandbox.clear_log()
        return record

    @property
    def discovery(self) -> Discovery:
        record = self.kit.record()
        assert record is not None, "the connection is not set up"
        return Discovery(self.kit, record)

    def discover(self) -> None:
        """Fetch and commit all pages of the run under way."""
        while runs.step(self.kit, self.discovery):
            pass

    def stage(self) -> str | None:
        """Where the run's next page is; None when none is to be fetched."""
        return runs.wanted_stage(self.kit)

    def go_to(self, wanted: str) -> None:
        """Fetch and commit pages until that stage is next."""
        while self.stage() != wanted:
            assert runs.step(self.kit, self.discovery), f"never came to {wanted}"

    def work(self) -> Counter[str]:
        """Sync what is due until nothing is; how often each thing happened."""
        outcomes: Counter[str] = Counter()
        while leases := self.ledger.lease(MAX_OUT, max_out=MAX_OUT):
            outcomes.update(self.run(lease) for lease in leases)
        return outcomes

    def run(self, lease: Lease) -> str:
        return work.run_lease(self.kit, lease.ghl_id, lease.token)

    def full_run(self) -> Run:
        """A full run from its start to the end of its work."""
        runs.start_run(self.kit)
        self.discover()
        self.work()
        return self.last_run()

    def last_run(self) -> Run:
        run = self.ledger.run()
        assert run is not None, "there was no run"
        return run

    def sync(self, ghl_id: str, lane: Lane = Lane.LIVE) -> str:
        """Sync one contact that a lane names; returns what happened."""
        self.ledger.mark(lane, [ghl_id])
        return self.run(self.take(ghl_id, lane))

    def take(self, ghl_id: str, lane: Lane = Lane.LIVE) -> Lease:
        lease = self.ledger.take(ghl_id, lane)
        assert lease is not None, "somebody else holds it"
        return lease

    def person(self, **fields: object) -> Json:
        """A new GHL contact with every field that the mapping knows."""
        return self.sandbox.put_contact(
            **{**FULL_ROW, "email": fresh_email(), **fields}
        )

    def subscriber(self, email: str) -> Json:
        """The Mailjet contact that must exist."""
        found = self.sandbox.subscriber(email)
        assert found is not None, "Mailjet has no such subscriber"
        return found

    def on_list(self, email: str, list_id: str | int | None = None) -> bool | None:
        """Whether the subscriber is on the list and mailed; None when not on it."""
        place = self.subscriber(email)["lists"].get(str(list_id or self.list_id))
        return None if place is None else not place["unsubscribed"]

    def writes(self) -> list[str]:
        """`vendor METHOD route` of all calls that change something, in order."""
        return [
            f"{call['vendor']} {call['method']} {call['route']}"
            for call in self.sandbox.log()
            if call["method"] != "GET" and not call["route"].endswith("/search")
        ]

    def looks(self) -> Counter[str]:
        """How often tasks, notes and appointments of a contact were read singly."""
        return Counter(
            found[1]
            for call in self.sandbox.log("ghl")
            if call["method"] == "GET" and (found := LOOKS.fullmatch(call["route"]))
        )

    def around(self, email: str) -> Json:
        """What Mailjet holds of tasks, notes and appointments."""
        held = self.subscriber(email)["properties"].items()
        return {name: value for name, value in held if AROUND.fullmatch(name)}

    def told(self, email: str, name: str) -> list[Json]:
        """What Mailjet's history tells under a name of ours, oldest first."""
        contact_id = self.subscriber(email)["id"]
        return [
            json.loads(entry["Data"])
            for entry in self.sandbox.history()
            if (entry["ContactID"], entry["Name"]) == (contact_id, name)
        ]

    def look(self, ghl_id: str, kinds: str) -> str:
        """Sync one contact of which somebody named these kinds of activities."""
        self.ledger.point_at([ghl_id], kinds)
        return self.sync(ghl_id)

    def calls(self, method: str, route: str) -> int:
        """How many calls there were."""
        wanted = (method, route)
        log = self.sandbox.log()
        return sum((call["method"], call["route"]) == wanted for call in log)

    def letters(self) -> list[DeadLetter]:
        return read(self.pipeline.redis, "default")

    def make_due(self) -> None:
        """Whoever waits for a later moment is due now."""
        make_due(self.ledger, self.pipeline.redis)

    def lose_workers(self) -> int:
        """All leases run out; how many there were."""
        expire_all(self.ledger, self.pipeline.redis)
        return self.ledger.expire(worker_lost(1), ())

    def make_probe_due(self) -> None:
        redis = self.pipeline.redis
        redis.hset(connection_key("default", "health"), "probe_at", 0)

    def look_again(self) -> str:
        """What a tick does when the probe of a paused connection is due."""
        self.make_probe_due()
        assert self.kit.health.claim_probe(), "the connection is not paused"
        return check.look_again(self.kit)

    def waiting(self, lane: Lane) -> set[str]:
        return waiting(self.ledger, self.pipeline.redis, lane)


def dnd(status: str) -> Json:
    """Fields of a contact whose e-mail channel has this status."""
    entry = {"status": status, "message": "", "code": ""}
    return {"dndSettings": {"Email": entry}}


def make_due(ledger: Ledger, redis: Redis) -> None:
    """Set every not-before to the distant past."""
    for name in WAITING:
        _set_all(redis, ledger.key(name))


def expire_all(ledger: Ledger, redis: Redis) -> None:
    """Set the end of every lease to the distant past."""
    _set_all(redis, ledger.key("leased"))


def _set_all(redis: Redis, key: str) -> None:
    members = redis.zrange(key, 0, -1)
    if members:
        # A worker may take one out of it at this moment.
        redis.zadd(key, dict.fromkeys(members, 1), xx=True)


def waiting(ledger: Ledger, redis: Redis, lane: Lane) -> set[str]:
    """The ids that wait in a lane."""
    ids = redis.zrange(ledger.key(f"todo:{lane}"), 0, -1)
    return {id_.decode() for id_ in ids}
