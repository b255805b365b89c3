"""Who must not be mailed, written from the words of issue 5 and from none of our code.

A no is about a person (a contact of GHL's) or an address. It counts once we were told
of it or have looked where it stands; what nobody saw before it was taken back nobody
can know. An opt-out wins over anything older or undated; only a newer, explicit opt-in
of the person reopens. Whoever has or had an address shares what was said of it, and
contacts with one address take the stricter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Flag = tuple[str, str]
"""Where a no is shown (a contact's id or an address), and as what."""
NEVER = -1


@dataclass
class Oracle:
    """What must not be: more may be closed than this says, never less.

    Args:
        soft_bounces: that many in a row give an address up.
    """

    soft_bounces: int
    flags: dict[Flag, int] = field(default_factory=dict)
    noes: dict[str, int] = field(default_factory=dict)
    yes: dict[str, int] = field(default_factory=dict)
    had: dict[str, str] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)
    hard: set[str] = field(default_factory=set)
    soft: dict[str, set[int]] = field(default_factory=dict)
    alive: dict[str, int] = field(default_factory=dict)

    def shown(self, before: Iterable[Flag], now: Iterable[Flag], at_ms: int) -> None:
        """Somebody did something, and this is what the vendors show since."""
        self.flags |= dict.fromkeys(set(now) - set(before), at_ms)
        self.left(now)

    def left(self, now: Iterable[Flag]) -> None:
        """Flags that are shown no more tell nothing to whoever looks from now on."""
        self.flags = {flag: at for flag, at in self.flags.items() if flag in set(now)}

    def hear(self, who: str, at_ms: int) -> None:
        """We were told of a no of a contact or an address."""
        self.noes[who] = max(self.noes.get(who, NEVER), at_ms)

    def look(self, contact: str, email: str, *, is_there: bool) -> None:
        """We looked at a contact, at the address it has and at the one before.

        Whom Mailjet has not got any more at that one nobody can find: we keep no
        address but its hash. What is told of it counts all the same.

        Args:
            is_there: Mailjet has somebody at the address.
        """
        before = self.had.get(contact, "")
        places = {contact, email, before} - {""}
        hidden = {before} - {email} if contact in self.unseen else set()
        for (place, _), at_ms in self.flags.items():
            if place in places - hidden:
                self.hear(contact, at_ms)
        for place in places & self.noes.keys():
            self.hear(contact, self.noes[place])
        self.had[contact] = email
        if is_there:
            self.unseen.discard(contact)
        else:
            self.unseen.add(contact)

    def opt_in(self, contact: str, at_ms: int) -> None:
        self.yes[contact] = max(self.yes.get(contact, NEVER), at_ms)

    def bounce(self, email: str, at_ms: int, *, hard: bool) -> None:
        if hard:
            self.hard.add(email)
        else:
            self.soft.setdefault(email, set()).add(at_ms)

    def arrive(self, email: str, at_ms: int) -> None:
        self.alive[email] = max(self.alive.get(email, NEVER), at_ms)

    def erase(self, email: str) -> None:
        """Mailjet deleted a person for good: whoever comes there is somebody new, of
        whom those who have left the address know nothing."""
        self.unseen |= {who for who, had in self.had.items() if had == email}
        self.hard.discard(email)
        self.soft.pop(email, None)

    def forget(self, shown: Iterable[Flag], dead: Iterable[str], at_ms: int) -> None:
        """All state is lost: what is shown is all that can be known, and undated."""
        self.__init__(self.soft_bounces)  # type: ignore[misc]
        self.flags = dict.fromkeys(shown, at_ms)
        self.hard = set(dead)

    def is_closed(self, contact: str) -> bool:
        """Whether the person said no, and nothing newer reopens that."""
        return self.noes.get(contact, NEVER) >= self.yes.get(contact, NEVER + 1)

    def is_dead(self, email: str) -> bool:
        """Whether the address takes no mail."""
        alive_ms = self.alive.get(email, NEVER)
        recent = [at for at in self.soft.get(email, ()) if at > alive_ms]
        return email in self.hard or len(recent) >= self.soft_bounces

    def may_force(self, email: str, holders: Sequence[str]) -> bool:
        """Whether somebody may be subscribed again who had unsubscribed.

        Who came to have the address since we looked is not known to have it.
        """
        known = [other for other in holders if self.had.get(other) == email]
        return not any(map(self.is_closed, known)) and any(
            contact in self.yes and self.yes[contact] > self._newest(contact, email)
            for contact in holders
        )

    def _newest(self, contact: str, email: str) -> int:
        shown = (
            at for (place, _), at in self.flags.items() if place in (contact, email)
        )
        return max([self.noes.get(contact, NEVER), self.noes.get(email, NEVER), *shown])
