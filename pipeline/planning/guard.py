"""Lets pass what was planned, and nothing else."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from pipeline import work
from pipeline.errors import Drifted, Rejected
from pipeline.planning.digests import Digests
from pipeline.planning.mailing import digest_of, leaving
from pipeline.planning.recording import MAKES
from pipeline.planning.watched import Call, WatchedGhl, WatchedMailjet
from pipeline.planning.writes import Turn, Write
from pipeline.sync import blocking
from pipeline.sync.case import Result
from pipeline.sync.contact import Subscriber
from pipeline.sync.ports import Ghl, Mailjet
from pipeline.sync.snapshot import Fingerprint

Answer = TypeVar("Answer")


class PlanGuard(work.Guard):
    """Stands between one turn's sync and the vendors; see `watched.Watch`.

    Every write that leaves is one of the plan's, in the plan's order. One that is not
    needed any more is left out: what was to be true is true already. A turn that is
    tried again may send once more what may not have arrived.
    """

    def __init__(self, turn: Turn, fingerprint: Fingerprint, digests: Digests) -> None:
        self._fingerprint = fingerprint
        self.sent: dict[int, Write] = {}
        self._turn = turn
        self._digests = digests
        self._next = 0
        self._instead: dict[bytes, int] = {}

    def between(self, ghl: Ghl, mailjet: Mailjet) -> tuple[Ghl, Mailjet]:
        """Both ports, guarded: for one attempt."""
        self._next, self._instead = 0, {}
        return WatchedGhl(ghl, self), WatchedMailjet(mailjet, self)

    def reads(self, vendor: str, method: str) -> None:
        """Reads pass."""

    def met(self, subscriber: Subscriber) -> None:
        self._digests.met(subscriber)

    def write(self, call: Call, send: Callable[[], Answer]) -> Answer:
        """Send a planned write.

        Raises:
            Drifted: it is none; nothing was sent.
        """
        digest = self._digests.of(self._turn.contact_id, call)
        place = self._place(digest)
        try:
            answer = send()
        except Rejected:
            self._instead = {
                self._digests.of(self._turn.contact_id, one): place
                for one in _milder(call)
            }
            raise
        self.sent[place] = self._turn.writes[place]
        self._next = place + 1
        if call.method in MAKES:
            planned = self._turn.writes[place].digest
            self._digests.made(self._turn.contact_id, answer, planned)
        return answer

    def admit(self, result: Result) -> None:
        """Let orders pass that the plan holds.

        Raises:
            Drifted: one is none of the plan's; nothing was ordered.
        """
        for order, _ in leaving(result):
            place = self._place(digest_of(order, self._fingerprint))
            self.sent[place] = self._turn.writes[place]

    def _place(self, digest: bytes) -> int:
        """Where the plan has the write, from the last one on."""
        for place, planned in enumerate(self._turn.writes):
            if place >= self._next and planned.digest == digest:
                return place
        if digest in self._instead:
            return self._instead[digest]
        raise Drifted(untouched=not self.sent)


def _milder(call: Call) -> Iterable[Call]:
    """What a sync sends next where a vendor refuses this: a task for nobody instead of
    for a user who has left, and the channels of DND that GHL documents."""
    if call.method == "create_task":
        yield Call(
            call.vendor, call.method, call.whom, {**call.facts, "assigned_to": ""}
        )
    values = call.facts.get("values")
    if isinstance(values, Mapping) and "dndSettings" in values:
        settings = blocking.documented(values["dndSettings"])
        facts = {**call.facts, "values": {**values, "dndSettings": settings}}
        yield Call(call.vendor, call.method, call.whom, facts)
