"""The tasks, notes and appointments of a location, and its calendars.

A row is never changed in place; times are ISO texts in UTC, whatever an endpoint makes
of them. A task that was deleted stays, marked, because GHL's search may still show it.
"""

from collections.abc import Callable, Iterable, Iterator

from pipeline.sandbox.ghl.book import Sharing, SortedKeys
from pipeline.sandbox.ghl.times import now_iso
from pipeline.sandbox.wire import Row

Watch = Callable[[str, Row | None, Row | None], None]
"""Is told of a change: the kind of row, the row before and after; None is no row."""

KINDS = ("tasks", "notes", "appointments")
CALENDARS = (
    ("sandboxCalendar00001", "Consultation", True),
    ("sandboxCalendar00002", "Showroom", True),
    ("sandboxCalendar00003", "Old team", False),
)


class Shelf:
    """The rows of one kind, by id, by contact and in the order of their creation.

    Args:
        watch: is told of every change, unless it was made quietly.
    """

    def __init__(self, kind: str, watch: Watch) -> None:
        self._kind = kind
        self._watch = watch
        self.rows: dict[str, Row] = {}
        self.by_added = SortedKeys()
        self._by_contact = Sharing()

    def load(self, rows: Iterable[Row]) -> None:
        """Take in many new rows at once."""
        new = {row["id"]: row for row in rows}
        self.rows |= new
        self.by_added.extend((row["dateAdded"], key) for key, row in new.items())
        for key, row in new.items():
            self._by_contact.add(row["contactId"], key)

    def put(self, row: Row, *, quietly: bool = False) -> Row:
        """Add a row, or replace the one with its id."""
        old = self._take(row["id"])
        self.rows[row["id"]] = row
        self.by_added.add((row["dateAdded"], row["id"]))
        self._by_contact.add(row["contactId"], row["id"])
        if not quietly:
            self._watch(self._kind, old, row)
        return row

    def remove(self, row_id: str, *, quietly: bool = False) -> None:
        """Forget a row, if there is one."""
        row = self._take(row_id)
        if row is not None and not quietly:
            self._watch(self._kind, row, None)

    def _take(self, row_id: str) -> Row | None:
        row = self.rows.pop(row_id, None)
        if row is not None:
            self.by_added.remove((row["dateAdded"], row_id))
            self._by_contact.remove(row["contactId"], row_id)
        return row

    def of(self, contact_id: str) -> list[Row]:
        """A contact's rows that nobody deleted, in the order of their coming."""
        rows = (self.rows[row_id] for row_id in self._by_contact.ids(contact_id))
        return [row for row in rows if not row.get("deleted")]

    def living(self) -> Iterator[Row]:
        """All rows that nobody deleted."""
        return (row for row in self.rows.values() if not row.get("deleted"))


class Activities:
    """One shelf for each kind.

    Args:
        calendars: rows by id.
    """

    def __init__(self, watch: Watch) -> None:
        self.tasks = Shelf("tasks", watch)
        self.notes = Shelf("notes", watch)
        self.appointments = Shelf("appointments", watch)
        self.calendars = {
            calendar_id: {"id": calendar_id, "name": name, "isActive": active}
            for calendar_id, name, active in CALENDARS
        }

    def shelf(self, kind: str) -> Shelf:
        """The shelf of `tasks`, `notes` or `appointments`.

        Raises:
            ValueError: there is no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"no such kind of activity: {kind}")
        shelf: Shelf = getattr(self, kind)
        return shelf

    def delete_task(self, task_id: str, *, quietly: bool = False) -> None:
        """Mark a task as deleted, if there is one."""
        if row := self.tasks.rows.get(task_id):
            gone = {**row, "deleted": True, "dateUpdated": now_iso()}
            self.tasks.put(gone, quietly=quietly)

    def forget(self, contact_id: str) -> None:
        """Delete everything of a contact, as GHL does with the contact itself.

        Whether it tells of each is not documented; the contact's own webhook must do.
        """
        for row in self.tasks.of(contact_id):
            self.delete_task(row["id"], quietly=True)
        for shelf in (self.notes, self.appointments):
            for row in shelf.of(contact_id):
                shelf.remove(row["id"], quietly=True)
