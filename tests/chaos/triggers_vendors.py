"""What happens to people at both vendors, and who is told of it.

People are made, tagged and edited, and some say no, by webhook or so that only a look
finds it. Some webhooks come twice.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from threading import Event, Lock

import requests
from redis.exceptions import RedisError

from tests.chaos.triggers_oracle import Person
from tests.sandbox import Row
from tests.system.installation import Installation
from tests.system.receiving import Receiver, ghl_body

OF_OLD, OF_NEW = ("vip", "porto", "receipt"), ("welcome", "vip")
TAGS = {"vip": "vip", "receipt": "paid"}
NOES = (("ghl", True), ("ghl", False), ("mailjet", True), ("mailjet", False))
NO_SHARE, TOLD_SHARE, REPEATED_SHARE = 0.25, 0.3, 0.2
NO = {"Email": {"status": "active", "message": "", "code": ""}}
REPEAT_SECONDS = 0.3
WATCH_SECONDS = 0.05
CLIENTS = 8
POST_SECONDS = 300.0
"""As long as somebody tries to tell."""

Step = Callable[[], None]


class Vendors:
    """Changes people at both vendors, and tells some of it."""

    def __init__(self, running: Installation, receiver: Receiver, seed: int) -> None:
        self.people: list[Person] = []
        self._sandbox = running.sandbox
        self._list_id = int(running.list_id)
        self._inbox = running.pipeline.inbox
        self._receiver = receiver
        self._dice = random.Random(seed)
        self._told: list[tuple[Person, float]] = []
        self._lock = Lock()
        self.posting: list[Future[None]] = []
        self.clients = ThreadPoolExecutor(CLIENTS)

    def populate(self, count: int) -> None:
        """So many contacts that the first import finds."""
        for number in range(count):
            person = Person(f"old{number}@example.com")
            row = self._sandbox.put_contact(email=person.email, city="Faro")
            person.id = row["id"]
            self.people.append(person)

    def deal(self, newcomers: int) -> list[Step]:
        """All that is to happen: in random order, of each person in a possible one."""
        steps: list[tuple[float, Step]] = []
        for person in self.people:
            changes = self._dice.sample(OF_OLD, len(OF_OLD))
            steps += self._in_order(person, changes, NOES)
        for number in range(newcomers):
            person = Person(f"new{number}@example.com")
            self.people.append(person)
            steps += self._in_order(person, list(OF_NEW), NOES[:2])
        return [step for _, step in sorted(steps, key=lambda one: one[0])]

    def _in_order(
        self, person: Person, changes: list[str], noes: tuple[tuple[str, bool], ...]
    ) -> Iterator[tuple[float, Step]]:
        steps = [partial(self._change, person, campaign) for campaign in changes]
        if self._dice.random() < NO_SHARE:
            place = self._dice.randrange(0 if person.id else 1, len(steps) + 1)
            person.no, person.told = self._dice.choice(noes)
            steps.insert(place, partial(self._refuse, person))
        moments = sorted(self._dice.random() for _ in steps)
        return zip(moments, steps, strict=True)

    def _change(self, person: Person, campaign: str) -> None:
        """What the campaign's rule waits for."""
        person.fired.add(campaign)
        put, kind = self._sandbox.put_contact, "ContactUpdate"
        match campaign:
            case "welcome":
                row = put(email=person.email, firstName="Ines", city="Faro")
                person.id, kind = row["id"], "ContactCreate"
            case "porto":
                put(id=person.id, city="Porto")
            case _:
                before = self._sandbox.contact(person.id)
                assert before is not None
                put(id=person.id, tags=[*before["tags"], TAGS[campaign]])
                kind = "ContactTagUpdate"
        if self._dice.random() < TOLD_SHARE:
            self._tell(self._of_ghl(kind, id=person.id))

    def _refuse(self, person: Person) -> None:
        if person.no == "ghl":
            self._sandbox.put_contact(id=person.id, dndSettings=NO)
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            told: Row = {"id": person.id, "email": person.email, "dndSettings": NO}
            post = self._of_ghl("ContactDndUpdate", **told, timestamp=now)
        elif person.told:
            list_id = self._list_id
            event = self._sandbox.mail_event(
                "unsub", person.email, deliver=False, list_id=list_id
            )
            post = partial(self._receiver.mailjet, json.dumps(event).encode())
        else:
            lists = {str(self._list_id): {"unsubscribed": True}}
            self._sandbox.put_subscriber(email=person.email, lists=lists)
        if person.told:
            self._tell(post, person)
        else:
            person.counts_from = time.monotonic()

    def _of_ghl(self, kind: str, **fields: object) -> Callable[[], int]:
        location = self._sandbox.env["GHL_LOCATION_ID"]
        body = ghl_body(kind, **fields, locationId=location)
        return partial(self._receiver.ghl, body)

    def _tell(self, post: Callable[[], int], person: Person | None = None) -> None:
        again = self._dice.random() < REPEATED_SHARE
        insist = partial(self._insist, post, person, again=again)
        self.posting.append(self.clients.submit(insist))

    def _insist(
        self, post: Callable[[], int], person: Person | None, *, again: bool
    ) -> None:
        """Post until it is answered 200, and perhaps once more."""
        for _ in range(2 if again else 1):
            give_up = time.monotonic() + POST_SECONDS
            while not _is_taken(post):
                assert time.monotonic() < give_up, "the receiver takes nothing"
                time.sleep(REPEAT_SECONDS)
            if person is not None:
                with self._lock:
                    self._told.append((person, time.monotonic()))

    def watch(self, stop: Event) -> None:
        """Note from when on each told no counts: nothing is left in the inbox."""
        while not stop.wait(WATCH_SECONDS):
            began = time.monotonic()
            with suppress(RedisError):
                if self._inbox.waiting():
                    continue
                now = time.monotonic()
                with self._lock:
                    told, self._told = self._told, []
                    self._told = [one for one in told if one[1] >= began]
                for person, at in told:
                    if at < began:
                        person.counts_from = min(person.counts_from, now)


def _is_taken(post: Callable[[], int]) -> bool:
    try:
        return post() == 200
    except requests.RequestException:
        return False
