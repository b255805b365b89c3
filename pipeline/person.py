"""One person as both sides and our state know them: whom `erase` is about."""

from dataclasses import dataclass, field

from pipeline.bootstrap import Kit
from pipeline.errors import NotFound, Rejected
from pipeline.permit import Lane, Permit
from pipeline.store.forgetting import Traces
from pipeline.sync import newcomers
from pipeline.sync.contact import Subscriber


@dataclass(frozen=True)
class Person:
    """Somebody, by all their ids.

    Args:
        emails: lower-cased; several where GHL's was changed and not synced since.
        ghl_ids: contacts that GHL has.
        gone_ids: contacts that it has no more and that state may know.
        mailjet_ids: subscribers.
        moved_ids: contacts that state knows by the address and GHL by another one.
        traces: by what our state knows them.
        is_remembered: state may have something of them.
    """

    emails: frozenset[str] = field(repr=False)
    ghl_ids: tuple[str, ...]
    gone_ids: tuple[str, ...]
    mailjet_ids: tuple[int, ...]
    moved_ids: tuple[str, ...]
    traces: Traces = field(repr=False)
    is_remembered: bool = True

    @property
    def is_known(self) -> bool:
        """Whether anybody has, or had, such a person."""
        return bool(self.ghl_ids or self.mailjet_ids or self.is_remembered)


def find(kit: Kit, who: str) -> Person:
    """Look on both sides and in state.

    Args:
        who: an address, GHL's id of a contact, or `mailjet:ID`. Who has the address of
            the contact is the same person.

    Raises:
        ConfigError: the connection is not set up.
        VendorError: a vendor does not tell.
    """
    return _Search(kit).find(who.strip())


class _Search:
    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._ghl = kit.ghl(Permit(Lane.CONSENT))
        self._mailjet = kit.mailjet(Permit(Lane.CONSENT))
        self._hash = kit.policy(kit.require_record()).fingerprint.address
        self._emails: set[str] = set()
        self._subscribers: set[int] = set()
        self._contacts: dict[str, str | None] = {}
        """Ids of GHL's to their addresses; None where GHL has no such contact."""

    def find(self, who: str) -> Person:
        mailjet_id = newcomers.mailjet_id_of(who)
        if "@" in who:
            self._take_address(who.lower())
        elif mailjet_id:
            self._take_subscriber(mailjet_id)
        elif email := self._read(who):
            self._take_address(email)
        named = {who} & self._contacts.keys()
        for ghl_id in sorted(self._own(named)):
            self._take_earlier_address(ghl_id)
        living = {one for one, email in self._contacts.items() if email is not None}
        own = self._own(named)
        subscribers = tuple(sorted(self._subscribers))
        ids = (*sorted(own), *map(newcomers.ledger_id, subscribers))
        hashes = tuple(map(self._hash, sorted(self._emails)))
        return Person(
            frozenset(self._emails),
            tuple(sorted(own & living)),
            tuple(sorted(own - living)),
            subscribers,
            tuple(sorted(living - own)),
            Traces(ids, hashes, subscribers),
            # Of an address events may have told that we never synced.
            bool(hashes) or any(map(self._kit.presence.remembers, named)),
        )

    def _own(self, named: set[str]) -> set[str]:
        """Contacts of this person: with one of the addresses, or not there any more."""
        known = {None, *self._emails}
        return {one for one, email in self._contacts.items() if email in known} | named

    def _take_address(self, email: str) -> None:
        """Everybody with the address; search may lag, and state may know more."""
        self._emails.add(email)
        address = self._hash(email)
        known = self._kit.consents.contacts_of([address])[address]
        for ghl_id in {*known, *self._ghl.contacts_with_email(email)}:
            self._read(ghl_id)
        if newcomers.ADDRESS.fullmatch(email) and (found := self._subscriber(email)):
            self._subscribers.add(found.contact_id)

    def _take_subscriber(self, mailjet_id: int) -> None:
        if found := self._subscriber(mailjet_id):
            self._take_address(found.email)

    def _take_earlier_address(self, ghl_id: str) -> None:
        """The one by which we synced the contact, unless somebody else has it now."""
        snapshot = self._kit.presence.snapshot(ghl_id)
        if snapshot is None or snapshot.mailjet_id in {0, *self._subscribers}:
            return
        found = self._subscriber(snapshot.mailjet_id)
        if found is None or found.email in self._emails:
            return
        address = self._hash(found.email)
        others = {
            *self._kit.consents.contacts_of([address])[address],
            *self._ghl.contacts_with_email(found.email),
        }
        if others <= {ghl_id}:
            self._take_address(found.email)

    def _read(self, ghl_id: str) -> str | None:
        try:
            email = self._ghl.get_contact(ghl_id).email or ""
        except NotFound:
            email = None
        self._contacts[ghl_id] = email
        return email

    def _subscriber(self, known_by: int | str) -> Subscriber | None:
        """Whom Mailjet has; it refuses an address that it could never have taken."""
        try:
            found = self._mailjet.get_contact(known_by)
        except (NotFound, Rejected):
            return None
        return None if found.is_erased else found
