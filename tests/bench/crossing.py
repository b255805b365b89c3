"""People who say no on one side, and somebody who looks when it is one on the other."""

import os
import random
import time
from collections import Counter
from dataclasses import dataclass

from tests.sandbox import Row
from tests.system.installation import Installation, unseen
from tests.system.processes import Processes

SEED = 1
PATIENCE_SECONDS = 1200.0
LOOK_SECONDS = {"webhooks": 0.1, "polling": 1.0}
OTHER_MAILS_A_SECOND = 2.0
DND = {"Email": {"status": "active", "message": "", "code": ""}}
TO_GHL, TO_MAILJET = "Mailjet -> GHL", "GHL -> Mailjet"
UNSEEN = "GHL -> Mailjet, opted-out set"
"""The time of the contact's last change stays: the poll for changes does not see it."""


@dataclass
class No:
    """One opt-out; times in monotonic seconds, 0 until then.

    Args:
        due: seconds after the first one.
        posted: when the sandbox was seen to have brought it to the receiver.
    """

    way: str
    contact: Row
    subscriber: Row
    due: float
    said: float = 0.0
    posted: float = 0.0
    arrived: float = 0.0


class Observer:
    """Lets people say no, and looks until it has arrived everywhere."""

    def __init__(
        self,
        running: Installation,
        processes: Processes,
        part: str,
        noes: list[No],
    ) -> None:
        self._sandbox = running.sandbox
        self._logs = processes.logs
        self._list_id = running.list_id
        self._part = part
        self._noes = noes
        self._dice = random.Random(SEED)
        self._others = running.sandbox.subscribers()
        self.loads: list[float] = []

    def watch(self) -> None:
        began = time.monotonic()
        other_mail = began
        while not all(no.arrived for no in self._noes):
            now = time.monotonic()
            assert now - began < PATIENCE_SECONDS, self._missing()
            for no in self._noes:
                if not no.said and now - began >= no.due:
                    self._say(no)
            if self._part == "webhooks" and now >= other_mail:
                other = self._dice.choice(self._others)
                self._sandbox.mail_event("sent", other["id"])
                other_mail = now + self._dice.expovariate(OTHER_MAILS_A_SECOND)
            self._look()
            self.loads.append(os.getloadavg()[0])
            time.sleep(LOOK_SECONDS[self._part])

    def _missing(self) -> str:
        missing = Counter(no.way for no in self._noes if not no.arrived)
        return f"not arrived: {dict(missing)}\n{self._logs()}"

    def _say(self, no: No) -> None:
        no.said = time.monotonic()
        contact, list_id = no.contact, int(self._list_id)
        if no.way == TO_GHL:
            self._sandbox.mail_event("unsub", no.subscriber["id"], list_id=list_id)
        elif no.way == UNSEEN:
            self._sandbox.put_contact(**unseen(contact, dndSettings=DND))
        else:
            self._sandbox.put_contact(id=contact["id"], dndSettings=DND)

    def _look(self) -> None:
        waiting = [no for no in self._noes if no.said and not no.arrived]
        if self._part == "webhooks" and not all(
            no.posted for no in waiting if no.way == TO_GHL
        ):
            self._look_for_posts()
        for no in waiting:
            if self._has_arrived(no):
                no.arrived = time.monotonic()

    def _look_for_posts(self) -> None:
        told = [
            parcel["status"] == "delivered"
            for parcel in self._sandbox.deliveries()
            for kind in parcel["kind"].split(",")
            if (parcel["vendor"], kind) == ("mailjet", "unsub")
        ]
        now = time.monotonic()
        said = (no for no in self._noes if no.said and no.way == TO_GHL)
        # Mailjet posts them in the order in which they were said.
        in_order = sorted(said, key=lambda no: no.said)
        for no, is_posted in zip(in_order, told, strict=True):
            if is_posted and not no.posted:
                no.posted = now

    def _has_arrived(self, no: No) -> bool:
        if no.way == TO_GHL:
            contact = self._sandbox.contact(no.contact["id"])
            assert contact is not None
            channel = contact.get("dndSettings", {}).get("Email", {})
            return bool(channel.get("status") == "active")
        # A patch without changes is a look.
        row = self._sandbox.put_subscriber(id=no.subscriber["id"])
        return bool(row["lists"][self._list_id]["unsubscribed"])
