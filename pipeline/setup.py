"""`setup`: look at both accounts, make what is missing, read who opted out.

Safe to repeat: it creates only what does not exist, and it changes no contact. Until it
succeeded once, a connection writes nothing.
"""

import time
from collections.abc import Callable, Iterator

from pipeline.bootstrap import Kit
from pipeline.errors import ConfigError, NotFound, PermanentError, ScopeMissing
from pipeline.ghl.client import GhlClient
from pipeline.ghl.records import Location
from pipeline.mailjet.client import MailjetClient
from pipeline.permit import Lane, Permit
from pipeline.preferences import OPTOUT_FILTER, Preferences, is_dead_token
from pipeline.store.setup import SetupRecord
from pipeline.sync.mapping import CONTACT_ID, properties

Tell = Callable[[str], None]


def run(kit: Kit, tell: Tell = lambda line: None) -> SetupRecord:
    """Set the connection up, telling each step in one line.

    Raises:
        ConfigError: something has to be mended by hand; says what.
        VendorError: a vendor refused or did not answer.
        ReadOnly: something has to be created, and `SYNC_MODE=read-only`.
    """
    permit = Permit(Lane.LIVE)
    ghl, mailjet = kit.ghl(permit), kit.mailjet(permit)
    total = ghl.list_contacts(None).total
    location = find_location(ghl)
    tell(f"GHL location {location.name or location.id}: {_count(total)} contacts")
    lost = lost_without_search(ghl)
    tell(f"GHL search {lost or 'finds opted-out contacts'}")
    list_id = _list(kit, mailjet, tell)
    for name in missing_properties(mailjet):
        mailjet.create_property(name, properties()[name], "static")
        tell(f"Mailjet property {name}: created")
    tell(f"Mailjet properties: {len(properties())} in place")
    record = SetupRecord(
        key=kit.setup.fingerprint_key(),
        list_id=list_id,
        location_name=location.name,
        timezone=location.timezone,
        optout_filter=not lost,
        done_ms=round(time.time() * 1000),
    )
    preferences = Preferences(kit, record, Lane.LIVE)
    if record.optout_filter:
        preferences.read_optouts()
    preferences.read_mailjet_optouts()
    in_ghl, in_mailjet = kit.optouts.counts()
    tell(f"Opted out: {in_ghl} contacts in GHL, {in_mailjet} addresses in Mailjet")
    kit.setup.save(record)
    return record


def restore(kit: Kit) -> bool:
    """Set up again a connection whose state was lost, and only such a one.

    Mailjet remembers for us: an account in which all our properties exist was set up
    before. Anything else waits for the operator.
    """
    mailjet = kit.mailjet(Permit(Lane.LIVE))
    if CONTACT_ID not in {known.name for known in mailjet.list_properties()}:
        return False
    if any(missing_properties(mailjet)) or kit.settings.read_only:
        return False
    run(kit)
    return True


def find_location(ghl: GhlClient) -> Location:
    """The location; only its id where the token lacks `locations.readonly`."""
    try:
        return ghl.get_location()
    except PermanentError:
        return Location(ghl.location_id, "", "UTC", None)


def lost_without_search(ghl: GhlClient) -> str:
    """What search cannot do and what that costs; "" where it finds who opted out.

    Older accounts do not know its filter, and a token may lack its scope.
    """
    try:
        ghl.search_contacts(filters=OPTOUT_FILTER, page_limit=1)
    except ScopeMissing:
        return (
            "is refused to this token: each contact will be read singly, and changes "
            "in GHL show at the next full run"
        )
    except PermanentError as error:
        if is_dead_token(error):
            raise
        return "cannot find opted-out contacts: each contact will be read singly"
    return ""


def missing_properties(mailjet: MailjetClient) -> Iterator[str]:
    """Properties that have yet to be created.

    Raises:
        ConfigError: some exist with another datatype.
    """
    existing = {known.name: known.datatype for known in mailjet.list_properties()}
    wrong = [
        f"Mailjet property {name!r}: is of type {existing[name]}, must be {datatype}; "
        "rename or delete it in Mailjet (Contacts > Contact properties)"
        for name, datatype in properties().items()
        if existing.get(name, datatype) != datatype
    ]
    if wrong:
        raise ConfigError(wrong)
    return (name for name in properties() if name not in existing)


def _list(kit: Kit, mailjet: MailjetClient, tell: Tell) -> int:
    """The list that is configured; else the one of our name, made if need be."""
    list_id = kit.connection.mailjet_list_id
    if list_id is not None:
        try:
            found = mailjet.get_list(list_id)
        except NotFound:
            raise ConfigError(
                [f"MAILJET_LIST_ID: Mailjet has no list {list_id}; see Contact lists"]
            ) from None
        tell(f"Mailjet list {found.id} ({found.name}): found")
        return found.id
    name = f"GoHighLevel {kit.connection.name}"
    for known in mailjet.list_lists():
        if known.name == name and not known.deleted:
            tell(f"Mailjet list {known.id} ({name}): found")
            return known.id
    made = mailjet.create_list(name)
    tell(f"Mailjet list {made.id} ({name}): created; put MAILJET_LIST_ID={made.id}")
    return made.id


def _count(total: int | None) -> str:
    return "some" if total is None else f"{total:,}"
