"""What GHL's search knows: a copy that may lag behind the contacts themselves."""

import time
from collections.abc import Callable, Iterable

from pipeline.sandbox.ghl.book import SortedKeys
from pipeline.sandbox.wire import Row

REMEMBERED_SEARCHES = 8


class SearchIndex:
    """Rows by id and the two orders in which listings are usually searched."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._orders = {"dateAdded": SortedKeys(), "dateUpdated": SortedKeys()}
        self._pending: list[tuple[float, str, Row | None]] = []
        self._searches: dict[str, list[Row]] = {}

    def load(self, rows: Iterable[Row]) -> None:
        """Take in many new contacts at once."""
        new = {row["id"]: row for row in rows}
        self._rows |= new
        for field, order in self._orders.items():
            order.extend((row[field], key) for key, row in new.items())

    def publish(self, contact_id: str, row: Row | None, due: float) -> None:
        """Show a new row, or None for a deletion, from `due` on (monotonic seconds)."""
        self._pending.append((due, contact_id, row))
        self._catch_up(time.monotonic())

    def rows(self) -> dict[str, Row]:
        """All rows as search sees them now."""
        self._catch_up(time.monotonic())
        return self._rows

    def order(self, field: str) -> SortedKeys | None:
        """The rows' keys by that time field, if it has such an order."""
        return self._orders.get(field)

    def remember(self, search: str, find: Callable[[], list[Row]]) -> list[Row]:
        """What a search finds; its pages share one look at all rows until a write."""
        self._catch_up(time.monotonic())
        if search not in self._searches:
            if len(self._searches) >= REMEMBERED_SEARCHES:
                self._searches.clear()
            self._searches[search] = find()
        return self._searches[search]

    def _catch_up(self, now: float) -> None:
        """Apply what is due, in the order of the writes; the newest write wins."""
        waiting: list[tuple[float, str, Row | None]] = []
        for due, contact_id, row in self._pending:
            if due > now:
                waiting.append((due, contact_id, row))
            else:
                waiting = [w for w in waiting if w[1] != contact_id]
                self._replace(contact_id, row)
        self._pending = waiting

    def _replace(self, contact_id: str, row: Row | None) -> None:
        self._searches.clear()
        if old := self._rows.pop(contact_id, None):
            for field, order in self._orders.items():
                order.remove((old[field], contact_id))
        if row is not None:
            self._rows[contact_id] = row
            for field, order in self._orders.items():
                order.add((row[field], contact_id))
