"""The contacts of a location: whole rows by id, and the orders they are read in.

A row is never changed in place; a write puts a new one, so whoever still shows the old
one (GHL's search does, for some seconds) may keep it.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

from pipeline.sandbox.wire import Row

Key = tuple[str, str]
"""An ISO time and a contact id."""


class SortedKeys:
    """Keys in order. A list: moving 100,000 pointers costs less than a tree's steps."""

    def __init__(self) -> None:
        self._keys: list[Key] = []

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: Key) -> None:
        insort(self._keys, key)

    def extend(self, keys: Iterable[Key]) -> None:
        self._keys.extend(keys)
        self._keys.sort()

    def remove(self, key: Key) -> None:
        del self._keys[bisect_left(self._keys, key)]

    def between(self, low: str, high: str) -> list[Key]:
        """The keys with `low` <= time <= `high`."""
        start = bisect_left(self._keys, (low, ""))
        return self._keys[start : bisect_right(self._keys, (high, "\uffff"))]

    def before(self, key: Key) -> int:
        """How many keys are smaller."""
        return bisect_left(self._keys, key)

    def downwards(self, end: int) -> Iterator[Key]:
        """The keys below position `end`, the greatest first."""
        return (self._keys[position] for position in range(end - 1, -1, -1))


class Sharing:
    """Which contacts have the same value of a field."""

    def __init__(self) -> None:
        self._ids: dict[str, dict[str, None]] = {}

    def add(self, value: str | None, contact_id: str) -> None:
        if value:
            self._ids.setdefault(value, {})[contact_id] = None

    def remove(self, value: str | None, contact_id: str) -> None:
        if value:
            self._ids[value].pop(contact_id)

    def ids(self, value: str | None) -> Iterator[str]:
        return iter(self._ids.get(value or "", ()))


class ContactBook:
    """All contacts, indexed by id, e-mail, phone, business and time of creation."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.by_added = SortedKeys()
        self.emails = Sharing()
        self.phones = Sharing()
        self.businesses = Sharing()

    def load(self, rows: Iterable[Row]) -> None:
        """Take in many new contacts at once."""
        new = {row["id"]: row for row in rows}
        self.rows |= new
        self.by_added.extend((row["dateAdded"], key) for key, row in new.items())
        for row in new.values():
            self._share(row)

    def put(self, row: Row) -> None:
        """Add a contact or replace it."""
        self.remove(row["id"])
        self.rows[row["id"]] = row
        self.by_added.add((row["dateAdded"], row["id"]))
        self._share(row)

    def remove(self, contact_id: str) -> None:
        """Forget a contact, if there is one."""
        row = self.rows.pop(contact_id, None)
        if row is None:
            return
        self.by_added.remove((row["dateAdded"], contact_id))
        self.emails.remove(email_key(row), contact_id)
        self.phones.remove(row.get("phone"), contact_id)
        self.businesses.remove(row.get("businessId"), contact_id)

    def _share(self, row: Row) -> None:
        self.emails.add(email_key(row), row["id"])
        self.phones.add(row.get("phone"), row["id"])
        self.businesses.add(row.get("businessId"), row["id"])


def email_key(row: Row) -> str:
    """GHL compares addresses without regard to case."""
    return str(row.get("email") or "").lower()
