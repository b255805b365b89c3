"""What is the same whyever notes and tasks are made in GHL."""

from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import BadPayload, NotFound, PermanentError, Reach, Rejected
from pipeline.sync.activity import Item, Listing
from pipeline.sync.once import make_once
from pipeline.sync.ports import Ghl

Made = TypeVar("Made")


class Refused(list[PermanentError]):
    """What went wrong for good, and held up nothing else."""

    def unless(self, make: Callable[[], Made]) -> Made | None:
        try:
            return make()
        except PermanentError as error:
            if isinstance(error, NotFound) or error.reach is Reach.CONNECTION:
                raise
            self.append(error)
            return None

    def tell(self) -> None:
        """Raise the first of them, if there are any."""
        if self:
            raise self[0]


def whole(listing: Listing[Item], kind: str) -> tuple[Item, ...]:
    """All rows of a contact.

    Raises:
        BadPayload: what is looked for may stand in a row that cannot be read.
    """
    if listing.bad_rows:
        detail = f"{len(listing.bad_rows)} rows cannot be read"
        raise BadPayload("ghl", f"GET /contacts/:contactId/{kind}", None, detail)
    return listing.items


def make_task(
    ghl: Ghl, contact_id: str, *, title: str, due_ms: int, body: str, assignee: str
) -> None:
    """Make a task, for nobody where GHL refuses the user.

    Raises:
        Ambiguous: it may have been made.
    """

    def make(assigned_to: str) -> object:
        return ghl.create_task(
            contact_id, title=title, due_ms=due_ms, body=body, assigned_to=assigned_to
        )

    try:
        make_once(lambda: make(assignee))
    except Rejected:
        if not assignee:
            raise
        # A user who has left the location: better nobody's task than none.
        make_once(lambda: make(""))
