"""The entries of historic properties, by id and by contact."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

from pipeline.sandbox.wire import Row


class Entries:
    """Rows of `contacthistorydata` in the order of their ids."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self._by_contact: dict[int, dict[int, None]] = {}
        self._ids = count(5_000_001)

    def add(
        self, contact_id: int, name: str, data: object, created_at: str | None = None
    ) -> Row:
        """A new entry.

        Args:
            created_at: RFC 3339; None is now.
        """
        row: Row = {
            "ContactID": contact_id,
            "CreatedAt": created_at or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Data": data,
            "ID": next(self._ids),
            "Name": name.lower(),
        }
        self.rows[row["ID"]] = row
        self._by_contact.setdefault(contact_id, {})[row["ID"]] = None
        return row

    def remove(self, entry_id: int) -> None:
        """Forget an entry, if there is one."""
        row = self.rows.pop(entry_id, None)
        if row is not None:
            del self._by_contact[row["ContactID"]][entry_id]

    def of(self, contact_id: int) -> Iterator[Row]:
        """A contact's entries."""
        return (self.rows[i] for i in self._by_contact.get(contact_id, ()))

    def forget(self, contact_id: int) -> None:
        """Take away all entries of a contact."""
        for entry_id in list(self._by_contact.get(contact_id, ())):
            self.remove(entry_id)
