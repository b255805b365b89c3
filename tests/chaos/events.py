"""`kill -9` of receiver, worker and Redis while both vendors post events.

Nothing is polled: what an event says is known from its webhook alone, so one that was
answered 200 and then lost is missing at the end. Vendors repeat what is not answered
200, and a few events although they were.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import requests

from tests.chaos.events_oracle import CAMPAIGNS, RULES, SOFT_BOUNCES, URLS, Fate, wrong
from tests.sandbox import Row
from tests.system.installation import Installation, address_of, installation, unseen
from tests.system.processes import Process
from tests.system.receiving import Receiver, ghl_body, settings, started
from tests.valkey import free_port

NEVER = "86400"
QUIET = {
    "SYNC_CHANGES_INTERVAL_SECONDS": NEVER,
    "SYNC_OPTOUTS_INTERVAL_SECONDS": NEVER,
    "SYNC_FEEDBACK_INTERVAL_SECONDS": NEVER,
}
VICTIMS = ("receiver", "worker", "Redis", "all three")
LONGEST_LIFE_SECONDS = 3.0
OUTAGE_SECONDS = (1.0, 3.0)
REPEAT_SECONDS = 0.3
"""Mailjet waits 30 s, GHL longer and longer."""
REPEATED_SHARE = 0.15
LARGEST_GROUP = 4
SHARE_SECONDS = 4.0
"""What is posted around one kill is spread over so long."""
CLIENTS = 64
PATIENCE_SECONDS = 300.0
MAILED_ROLES = ("unsub", "spam", "bounce", "soft", "few soft", "", "", "")
GHL_ROLES = ("dnd", "brief dnd")
SMS = {"SMS": {"status": "active", "message": "asked on the phone", "code": ""}}
NO = {"Email": {"status": "active", "message": "", "code": ""}}
YES = {"Email": {"status": "inactive", "message": "", "code": ""}}

Happen = Callable[[], Row]
"""Lets something happen at a vendor; the event as the vendor tells it."""


@dataclass
class Report:
    """What happened, and everything that is wrong; nothing may be.

    Args:
        refused: attempts that were not answered 200.
    """

    seed: int
    events: int = 0
    posts: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def line(self) -> str:
        refused = sum(self.refused.values())
        return (
            f"events, seed {self.seed}: {self.events} in {self.posts} posts answered "
            f"200 and {refused} that were not {dict(self.refused)}, kills "
            f"{dict(self.kills)}, {self.seconds:.0f} s, {len(self.wrong)} wrong"
        )


class Vendors:
    """Lets things happen, and posts them as both vendors do."""

    def __init__(
        self, running: Installation, receiver: Receiver, report: Report
    ) -> None:
        self._sandbox = running.sandbox
        self._list_id = int(running.list_id)
        self._receiver = receiver
        self._report = report

    def of(self, fate: Fate, dice: random.Random) -> Iterator[Happen]:
        """What is going to happen to somebody, in no order."""
        for _ in range(fate.soft_bounces):
            yield lambda: self._mail(fate, "bounce")
        match fate.role:
            case "unsub" | "spam":
                yield lambda: self._mail(fate, fate.role, list_id=self._list_id)
            case "bounce":
                yield lambda: self._mail(fate, "bounce", hard_bounce=True)
            case "dnd" | "brief dnd":
                yield lambda: self._dnd(fate)
        for _ in range(0 if fate.soft_bounces else dice.randrange(4)):
            campaign, url = dice.choice(CAMPAIGNS), dice.choice((*URLS, ""))
            yield lambda campaign=campaign, url=url: self._read(fate, campaign, url)

    def _mail(self, fate: Fate, kind: str, **fields: object) -> Row:
        return self._sandbox.mail_event(
            kind, fate.subscriber["id"], deliver=False, **fields
        )

    def _read(self, fate: Fate, campaign: str, url: str) -> Row:
        kind, clicked = ("click", {"url": url}) if url else ("open", {})
        event = self._mail(fate, kind, customcampaign=campaign, **clicked)
        fate.read[campaign].append(url)
        return event

    def _dnd(self, fate: Fate) -> Row:
        """A no; if it is taken back before anybody looks, only the webhook tells it."""
        put, before = self._sandbox.put_contact, fate.contact["dndSettings"]
        row = put(**unseen(fate.contact, dndSettings={**before, **NO}))
        if fate.role == "brief dnd":
            put(**unseen(fate.contact, dndSettings={**before, **YES}))
        told = ("id", "locationId", "email", "dnd", "dndSettings")
        return {name: row[name] for name in told if name in row}

    def posts(
        self, events: Iterable[Row], dice: random.Random
    ) -> Iterator[Callable[[], int]]:
        """How they are brought to the receiver: one after the other, or grouped."""
        mails = []
        for event in events:
            if "event" in event:
                mails.append(event)
                continue
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            body = ghl_body("ContactDndUpdate", **event, timestamp=now)
            yield lambda body=body: self._receiver.ghl(body)
        while mails:
            size = dice.randrange(1, LARGEST_GROUP + 1)
            group, mails = mails[:size], mails[size:]
            body = json.dumps(group[0] if size == 1 else group).encode()
            yield lambda body=body: self._receiver.mailjet(body)

    def insist(self, post: Callable[[], int], wait: float, *, again: bool) -> None:
        """Post until it is answered 200, and perhaps once more."""
        time.sleep(wait)
        give_up = time.monotonic() + PATIENCE_SECONDS
        for _ in range(2 if again else 1):
            while (answer := self._answer(post)) != "200":
                assert time.monotonic() < give_up, answer
                self._report.refused[answer] += 1
                time.sleep(REPEAT_SECONDS)
            self._report.posts += 1

    def _answer(self, post: Callable[[], int]) -> str:
        try:
            return str(post())
        except requests.RequestException:
            return "no answer"


class Chaos:
    """An installation at work, and somebody who kills its processes."""

    def __init__(self, running: Installation, receiver: Receiver, seed: int) -> None:
        self.running = running
        self.receiver = receiver
        self.report = Report(seed)
        self.dice = random.Random(seed)
        self.vendors = Vendors(running, receiver, self.report)
        self._worker: Process = running.start()
        running.first_run()
        running.kit.optouts.confirm()  # so many noes are meant

    def run(self, events: int, kills: int) -> None:
        """Let so many events happen, and kill meanwhile."""
        began = time.monotonic()
        fates, happenings = self._deal(events)
        victims = [VICTIMS[turn % len(VICTIMS)] for turn in range(kills)]
        self.dice.shuffle(victims)
        with ThreadPoolExecutor(CLIENTS) as clients:
            posting: list[Future[None]] = []
            for turn, victim in enumerate([*victims, ""]):
                told = [happen() for happen in happenings[turn :: kills + 1]]
                for post in self.vendors.posts(told, self.dice):
                    again = self.dice.random() < REPEATED_SHARE
                    wait = self.dice.uniform(0, SHARE_SECONDS)
                    insist = partial(self.vendors.insist, post, wait, again=again)
                    posting.append(clients.submit(insist))
                if victim:
                    time.sleep(self.dice.uniform(0, LONGEST_LIFE_SECONDS))
                    self.report.kills[victim] += 1
                    self._kill(victim)
            for each in posting:
                each.result()
        self.report.events = len(happenings)
        self._come_to_rest()
        self.report.wrong += wrong(self.running, fates)
        self.report.seconds = time.monotonic() - began

    def _deal(self, events: int) -> tuple[list[Fate], list[Happen]]:
        """Who is to have which fate, and all that is to happen, in random order."""
        fates: list[Fate] = []
        happenings: list[Happen] = []
        for fate in self._people():
            if len(happenings) < events:
                happenings += self.vendors.of(fate, self.dice)
            else:
                # Nothing happens to the others, and nothing may be done to them.
                fate.role = ""
            fates.append(fate)
        assert len(happenings) >= events, "more contacts are needed"
        self.dice.shuffle(happenings)
        return fates, happenings

    def _people(self) -> Iterator[Fate]:
        """Contacts that are mailed and alone with their address."""
        running = self.running
        subscribers = {r["email"].lower(): r for r in running.sandbox.subscribers()}
        rows = sorted(running.sandbox.contacts(), key=lambda row: row["id"])
        times = Counter(map(address_of, rows))
        mailed = running.mailed()
        for contact in rows:
            address = address_of(contact)
            if times[address] > 1 or address not in mailed:
                continue
            dnd = {**contact.get("dndSettings", {}), **SMS}
            contact = running.sandbox.put_contact(**unseen(contact, dndSettings=dnd))
            role = self.dice.choice((*MAILED_ROLES, *GHL_ROLES))
            soft = {"soft": SOFT_BOUNCES, "few soft": SOFT_BOUNCES - 1}.get(role, 0)
            yield Fate(contact, subscribers[address], role, soft)

    def _kill(self, victim: str) -> None:
        """Kill, and start again as a supervisor does."""
        is_victim = {name: victim in (name, VICTIMS[-1]) for name in VICTIMS}
        running = self.running
        if is_victim["Redis"]:
            running.valkey.kill()
        if is_victim["worker"]:
            self._worker.kill()
        if is_victim["receiver"]:
            self.receiver.kill()
        if is_victim["Redis"]:
            time.sleep(self.dice.uniform(*OUTAGE_SECONDS))
            running.valkey.start()
        if is_victim["receiver"]:
            self.receiver.restart()
        if is_victim["worker"]:
            self._worker = running.processes.worker("--loglevel", "info")
            self._worker.wait_for(" ready.")

    def _come_to_rest(self) -> None:
        """Everything that was promised is done, or has failed for good."""
        running, inbox = self.running, self.running.pipeline.inbox
        running.supervised.append(self._worker)
        running.until(
            lambda: not inbox.counts().waiting and running.has_finished(),
            "nothing waits",
            PATIENCE_SECONDS,
        )
        if failed := inbox.failed():
            self.report.wrong.append(f"the inbox gave up: {failed}")
        if letters := running.letters():
            self.report.wrong.append(f"dead letters: {letters}")


@contextmanager
def at_work(seed: int, contacts: int, rate: str) -> Iterator[Chaos]:
    """So many contacts are in both vendors, and everything runs."""
    people = ("--contacts", str(contacts), "--seed", str(seed))
    limits = ("--ghl-rate", rate, "--mailjet-rate", rate)
    env = {
        **QUIET,
        **settings(f"127.0.0.1:{free_port()}"),
        "GHL_RATE": rate,
        "MAILJET_RATE": rate,
        "SYNC_RULES": ",".join(RULES),
        "SYNC_SOFT_BOUNCES": str(SOFT_BOUNCES),
    }
    with ExitStack() as stack:
        running = stack.enter_context(installation(*people, *limits, **env))
        receiver = stack.enter_context(started(running.processes))
        running.sandbox.settings(keep_exchanges=True)
        yield Chaos(running, receiver, seed)


def with_events(seed: int, events: int, kills: int, contacts: int, rate: str) -> Report:
    """Let so many events happen while so many processes are killed."""
    with at_work(seed, contacts, rate) as chaos:
        chaos.run(events, kills)
        return chaos.report
