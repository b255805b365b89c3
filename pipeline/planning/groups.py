"""Contacts that share an address, whose turns have to keep their order."""

from collections import defaultdict
from collections.abc import Collection, Iterable


class Groups:
    """Joins contacts by the addresses that their turns asked for."""

    def __init__(self) -> None:
        self._above: dict[str | bytes, str | bytes] = {}

    def join(self, contact_id: str, addresses: Iterable[bytes]) -> None:
        """The contact's turn depends on what is known of these addresses."""
        for address in addresses:
            self._above[self._top(contact_id)] = self._top(address)

    def _top(self, one: str | bytes) -> str | bytes:
        path = []
        while (above := self._above.setdefault(one, one)) != one:
            path.append(one)
            one = above
        self._above.update(dict.fromkeys(path, one))
        return one

    def numbers(self, several: Collection[str]) -> dict[str, int]:
        """Contact id to the number of its group, from 1 on.

        Args:
            several: contacts that have several turns, alone or with others.
        """
        members: defaultdict[str | bytes, list[str]] = defaultdict(list)
        alone = [id_ for id_ in several if id_ not in self._above]
        for one in [*self._above, *alone]:
            if isinstance(one, str):
                members[self._top(one)].append(one)
        found: dict[str, int] = {}
        number = 0
        for ids in members.values():
            if len(ids) > 1 or ids[0] in several:
                number += 1
                found.update(dict.fromkeys(ids, number))
        return found
