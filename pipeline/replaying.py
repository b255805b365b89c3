"""Dead letters: which of them, and trying them again."""

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pipeline.bootstrap import Kit
from pipeline.store import dead_letters
from pipeline.store.dead_letters import DeadLetter
from pipeline.store.timeline import FoundBy


@dataclass(frozen=True)
class Wanted:
    """Which dead letters; all where nothing is said.

    Args:
        contacts: of these alone; None for everybody's.
        cause: such as `Rejected`.
        older_than_seconds: buried at least so long ago.
    """

    contacts: Collection[str] | None = None
    cause: str | None = None
    older_than_seconds: float = 0.0

    def takes(self, letter: DeadLetter, now_ms: float) -> bool:
        """Whether the letter is one of them."""
        age_seconds = (now_ms - letter.at_ms) / 1000
        is_theirs = self.contacts is None or letter.ghl_id in self.contacts
        is_old = not self.older_than_seconds or age_seconds >= self.older_than_seconds
        return is_theirs and is_old and self.cause in (None, letter.cause)


def letters(kit: Kit, wanted: Wanted) -> list[DeadLetter]:
    """A connection's dead letters, oldest first."""
    now_ms = time.time() * 1000
    found = dead_letters.read(kit.redis, kit.connection.name)
    return [letter for letter in found if wanted.takes(letter, now_ms)]


def replay(kit: Kit, chosen: Iterable[DeadLetter]) -> int:
    """Let dead letters wait again, in the live lane; how many of them did not yet.

    Repeating it does no harm: what waits already is no dead letter any more.
    """
    wanted = Wanted({letter.ghl_id for letter in chosen})
    ids = [letter.ghl_id for letter in letters(kit, wanted)]
    kit.timeline.found(ids, FoundBy.REPLAY)
    return kit.ledger.replay(ids)
