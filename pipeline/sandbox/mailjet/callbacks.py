"""The addresses that want to be told of events: one for each kind, and a backup."""

from collections.abc import Iterator
from itertools import count
from time import monotonic

from pipeline.sandbox.wire import Row

API_KEY_ID = 900_002


class Callbacks:
    """Rows of `eventcallbackurl` by id."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self._failing_since: dict[str, float] = {}
        self._ids = count(8_001)

    def find(self, event: str, *, backup: bool) -> Row | None:
        """The row of a kind of event."""
        wanted = (event, backup)
        same = (
            row
            for row in self.rows.values()
            if (row["EventType"], row["IsBackup"]) == wanted
        )
        return next(same, None)

    def listening(self, event: str) -> Row | None:
        """Who is told of such events now: the backup if the first address is dead."""
        found = (self.find(event, backup=backup) for backup in (False, True))
        return next((row for row in found if row and row["Status"] == "alive"), None)

    def add(self, fields: Row) -> Row:
        row = {"APIKeyID": API_KEY_ID, "ID": next(self._ids), **fields}
        self.rows[row["ID"]] = row
        return row

    def remove(self, row_id: int) -> None:
        del self.rows[row_id]

    def forget(self) -> None:
        """Take all away."""
        self.rows.clear()
        self._failing_since.clear()

    def is_alive(self, url: str) -> bool:
        return any(row["Status"] == "alive" for row in self._at(url))

    def took(self, url: str) -> None:
        """It took a post."""
        self._failing_since.pop(url, None)

    def failed(self, url: str, patience_seconds: float) -> None:
        """It failed to; after `patience_seconds` of failures it is dead."""
        since = self._failing_since.setdefault(url, monotonic())
        if monotonic() - since >= patience_seconds:
            del self._failing_since[url]
            for row in self._at(url):
                row["Status"] = "dead"

    def _at(self, url: str) -> Iterator[Row]:
        return (row for row in self.rows.values() if row["Url"] == url)
