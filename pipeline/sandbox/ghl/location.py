"""The state of a GHL location: contacts, search index, businesses, fields, tags."""

import random
import string
import time
from collections.abc import Iterable

from pipeline.sandbox.faults import Faults
from pipeline.sandbox.ghl.activities import Activities, Watch
from pipeline.sandbox.ghl.book import ContactBook
from pipeline.sandbox.ghl.errors import bad_request, wrong_location
from pipeline.sandbox.ghl.index import SearchIndex
from pipeline.sandbox.ghl.times import now_iso
from pipeline.sandbox.settings import Settings
from pipeline.sandbox.wire import Row

TIMEZONE = "Europe/Lisbon"
SUBRESOURCES = frozenset({"tasks", "notes", "appointments"})


class Location:
    """One sub-account.

    Args:
        location_id: GHL's name for it.
        watch: is told of every change of a contact and of what belongs to it.
        businesses, custom_fields: rows by id.
        tag_names: the tag dictionary, as typed; GHL keeps `VIP` and `vip` apart here.
    """

    def __init__(
        self,
        location_id: str,
        settings: Settings,
        faults: Faults,
        seed: int,
        watch: Watch,
    ) -> None:
        self.id = location_id
        self.settings = settings
        self.faults = faults
        self.book = ContactBook()
        self.index = SearchIndex()
        self._watch = watch
        self.forget_activities()
        self.businesses: dict[str, Row] = {}
        self.custom_fields: dict[str, Row] = {}
        self.tag_names: dict[str, Row] = {}
        self._dice = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def new_id(self) -> str:
        """GHL's ids: 20 letters and digits."""
        return "".join(self._dice.choices(string.ascii_letters + string.digits, k=20))

    def contact(self, contact_id: str) -> Row:
        """Find a contact; GHL answers 400, not 404, when there is none."""
        row = self.book.rows.get(contact_id)
        if row is not None:
            return row
        if contact_id in SUBRESOURCES:
            raise bad_request(f"Contact with id {contact_id} not found")
        raise bad_request(f"Contact not found for id:{contact_id}")

    def require(self, location_id: str | None) -> None:
        """Refuse another location's id."""
        if location_id != self.id:
            raise wrong_location()

    def load(self, rows: Iterable[Row]) -> None:
        """Take in many contacts at once."""
        rows = [self._complete(row) for row in rows]
        self.book.load(rows)
        self.index.load(rows)

    def save(self, row: Row, *, edited: bool = True) -> Row:
        """Put a contact; search learns of it at once unless a fault delays it."""
        row = self._complete(row)
        if edited:
            row["dateUpdated"] = now_iso()
        old = self.book.rows.get(row["id"])
        self.book.put(row)
        self.index.publish(row["id"], row, self._delay("search_lag"))
        self._watch("contacts", old, row)
        return row

    def delete(self, contact_id: str) -> None:
        old = self.book.rows.get(contact_id)
        self.book.remove(contact_id)
        self.activities.forget(contact_id)
        lag = max(self._delay("search_lag"), self._delay("deleted_linger"))
        self.index.publish(contact_id, None, lag)
        if old is not None:
            self._watch("contacts", old, None)

    def forget_activities(self) -> None:
        """Begin anew: not even deleted tasks are remembered."""
        self.activities = Activities(self._watch)

    def add_tag_name(self, name: str) -> None:
        if name not in self.tag_names:
            row = {"id": self.new_id(), "name": name, "locationId": self.id}
            self.tag_names[name] = row

    def _delay(self, kind: str) -> float:
        seconds = self.faults.seconds(kind)
        return time.monotonic() + seconds if seconds else 0.0

    def _complete(self, row: Row) -> Row:
        business = self.businesses.get(row.get("businessId") or "", {})
        for tag in row.get("tags", ()):
            self.add_tag_name(tag)
        return {**row, "businessName": business.get("name")}
