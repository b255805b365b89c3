"""`setup`: look at both accounts, make what is missing, read who opted out.

Safe to repeat: it creates only what does not exist, and it changes no contact. Until it
succeeded once, a connection writes nothing.
"""

import time
from collections.abc import Callable, Iterator

from pipeline.bootstrap import Kit
from pipeline.discovery import OPTOUT_FILTER, Discovery
from pipeline.errors import ConfigError, NotFound, PermanentError, Reach
from pipeline.ghl.client import GhlClient
from pipeline.ghl.records import Location
from pipeline.mailjet.client import MailjetClient
from pipeline.permit import Lane, Permit
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
    optout_filter = has_optout_filter(ghl)
    tell(
        "GHL search "
        + ("finds" if optout_filter else "cannot find")
        + " opted-out contacts"
        + ("" if optout_filter else ": each contact will be read singly")
    )
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
        optout_filter=optout_filter,
        done_ms=round(time.time() * 1000),
    )
    discovery = Discovery(kit, record, Lane.LIVE)
    if optout_filter:
        discovery.read_optouts()
    discovery.read_mailjet_optouts()
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


def has_optout_filter(ghl: GhlClient) -> bool:
    """Whether search knows the filter for opted-out contacts; older accounts do not."""
    try:
        ghl.search_contacts(filters=OPTOUT_FILTER, page_limit=1)
    except PermanentError as error:
        if error.status == 401 and error.reach is Reach.CONNECTION:
            raise
        return False
    return True


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
