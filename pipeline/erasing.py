"""Erase a person on both sides and in our state.

Meanwhile the contacts are leased and the addresses held, so that no worker writes. All
of it may be repeated: what was interrupted is finished by the next time.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from pipeline.bootstrap import Kit
from pipeline.errors import ConfigError, LeaseLost, NotFound
from pipeline.permit import Lane, Lease, Permit
from pipeline.person import Person
from pipeline.store.forgetting import Forgetting
from pipeline.store.inbox import Inbox
from pipeline.store.ledger import AddressHeld
from pipeline.sync import newcomers

PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.5
OUTCOME = "erased"


@dataclass
class Deletions:
    """What was deleted at one vendor.

    Args:
        statuses: HTTP, one for each that was deleted.
        gone_already: how many were not there any more.
    """

    statuses: list[int] = field(default_factory=list)
    gone_already: int = 0

    def delete(self, call: Callable[[], int]) -> None:
        try:
            self.statuses.append(call())
        except NotFound:
            self.gone_already += 1


@dataclass(frozen=True)
class Erasure:
    """All that was erased; entries are those of our state and of the inbox."""

    ghl: Deletions
    mailjet: Deletions
    state_entries: int
    inbox_entries: int


def erase(kit: Kit, inbox: Inbox, person: Person) -> Erasure:
    """Delete at GHL, then at Mailjet, then here.

    Raises:
        ConfigError: in read-only mode.
        LeaseLost: a worker has one of the contacts, for too long.
        VendorError, BudgetSpent: a vendor did not do it; repeat it all.
    """
    if kit.settings.read_only:
        raise ConfigError(["SYNC_MODE=read-only: nothing can be erased"])
    ghl, mailjet = Deletions(gone_already=len(person.gone_ids)), Deletions()
    with _held(kit, person) as permit:
        for ghl_id in person.ghl_ids:
            ghl.delete(partial(kit.ghl(permit()).delete_contact, ghl_id))
        for mailjet_id in person.mailjet_ids:
            mailjet.delete(partial(kit.mailjet(permit()).delete_contact, mailjet_id))
    entries = _forget_inbox(kit, inbox, person)
    forgetting = Forgetting(kit.redis, kit.connection.name)
    forgotten = forgetting.forget(person.traces)
    # Their snapshots hold the hash of the address until they are synced.
    kit.ledger.mark(Lane.LIVE, person.moved_ids)
    return Erasure(ghl, mailjet, forgotten, entries)


@contextmanager
def _held(kit: Kit, person: Person) -> Iterator[Callable[[], Permit]]:
    """Lease everybody; gives what each call needs, which renews all leases."""
    leases: list[Lease] = []
    deadline = time.monotonic() + PATIENCE_SECONDS

    def permit() -> Permit:
        for lease in leases:
            kit.ledger.open(lease.ghl_id, lease.token)
        return Permit(Lane.CONSENT, leases[0])

    try:
        for id_ in person.traces.ids:
            leases.append(_take(kit, id_, deadline))
        if leases:
            _hold_addresses(kit, leases[0], person, deadline)
        yield permit
    except BaseException:
        for lease in leases:
            _let_go(kit, lease)
        raise
    for lease in leases:
        kit.ledger.skip(lease, OUTCOME)


def _let_go(kit: Kit, lease: Lease) -> None:
    """Whoever waited waits again; a subscriber must not be made a contact for that."""
    if newcomers.mailjet_id_of(lease.ghl_id):
        kit.ledger.skip(lease, OUTCOME)
    else:
        kit.ledger.give_back(lease, 0)


def _take(kit: Kit, ghl_id: str, deadline: float) -> Lease:
    while (lease := kit.ledger.take(ghl_id, Lane.CONSENT)) is None:
        _wait(deadline)
    return lease


def _hold_addresses(kit: Kit, lease: Lease, person: Person, deadline: float) -> None:
    while True:
        try:
            kit.ledger.begin(lease, person.traces.addresses)
        except AddressHeld:
            _wait(deadline)
        else:
            return


def _wait(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise LeaseLost("a worker is writing this person: try again in a minute")
    time.sleep(LOOK_SECONDS)


def _forget_inbox(kit: Kit, inbox: Inbox, person: Person) -> int:
    """Take the person out of what came in and is not handled; out of how many."""
    places = {kit.connection.name, kit.connection.ghl_location_id}
    taken = 0
    for id_, entry in inbox.entries():
        if entry.place not in places:
            continue
        rest = without(entry.body, person)
        if rest != entry.body:
            inbox.rewrite(id_, replace(entry, body=rest) if rest else None)
            taken += 1
    return taken


def without(body: bytes, person: Person) -> bytes:
    """What was sent without the rows about the person; empty where nothing is left.

    Mailjet groups events of many people in one list.
    """
    try:
        sent = json.loads(body)
    except ValueError:
        sent = body.decode("utf-8", "replace")
    if not isinstance(sent, list):
        return b"" if _is_about(sent, person) else body
    rest = [row for row in sent if not _is_about(row, person)]
    if len(rest) == len(sent):
        return body
    return json.dumps(rest).encode() if rest else b""


def _is_about(value: object, person: Person) -> bool:
    if isinstance(value, str):
        words = {*person.emails, *person.ghl_ids, *person.gone_ids}
        return any(word.lower() in value.lower() for word in words)
    if isinstance(value, dict):
        by_number = value.get("mj_contact_id") in person.mailjet_ids
        return by_number or any(_is_about(one, person) for one in value.values())
    return isinstance(value, list) and any(_is_about(one, person) for one in value)
