"""Who takes down what one turn would write."""

from collections import Counter
from collections.abc import Callable
from typing import NoReturn, TypeVar

from pipeline.errors import PermanentError, PipelineError
from pipeline.planning.changes import Describer
from pipeline.planning.digests import Digests
from pipeline.planning.watched import ROUTES, Call, WatchedGhl
from pipeline.planning.writes import Write
from pipeline.sync.activity import Listing, Note
from pipeline.sync.around import Kind
from pipeline.sync.contact import Subscriber

MAKES = frozenset({"create_note", "create_task", "create_contact"})

Answer = TypeVar("Answer")


class Recorder:
    """Takes down the calls of one turn; see `watched.Watch`."""

    def __init__(self, contact_id: str, describer: Describer, digests: Digests) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.writes: list[Write] = []
        self._contact_id = contact_id
        self._describer = describer
        self._digests = digests

    def reads(self, vendor: str, method: str) -> None:
        self.calls[vendor, ROUTES[vendor, method]] += 1

    def met(self, subscriber: Subscriber) -> None:
        self._digests.met(subscriber)

    def write(self, call: Call, send: Callable[[], Answer]) -> Answer:
        digest = self._digests.of(self._contact_id, call)
        self.calls[call.vendor, call.route] += 1
        self.writes.append(self._describer.describe(call, digest))
        answer = send()
        if call.method in MAKES:
            self._digests.made(self._contact_id, answer, digest)
        return answer


class WouldWrite(PipelineError):
    """A contact that was only looked at would be written."""


class NotRead(PermanentError):
    """Notes that nobody has any reason to read."""


def is_of_notes(left_alone: str) -> bool:
    """Whether it tells of notes; of what a probe left alone, the ones not read."""
    return left_alone.startswith(f"{Kind.NOTES.name.lower()}: ")


class Probe(Recorder):
    """Looks at a turn that is expected to write nothing."""

    def write(self, call: Call, send: Callable[[], Answer]) -> NoReturn:
        raise WouldWrite(call.route)


class WithoutNotes(WatchedGhl):
    """GHL as a run sees it, which leaves a contact's notes to a turn of their own.

    Applying a plan would read them, and so they count.
    """

    def list_notes(self, contact_id: str) -> Listing[Note]:
        self._watch.reads("ghl", "list_notes")
        raise NotRead("ghl", ROUTES["ghl", "list_notes"], detail="not read")
