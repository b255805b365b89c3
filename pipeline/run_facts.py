"""What the calls of a full run are reckoned from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """How large a location is; numbers are of contacts unless they say otherwise.

    Args:
        contacts: in GHL now.
        unmailable: of them, those without an address.
        remembered: synced before.
        changed: of these, those that GHL changed and nobody has synced since.
        remapped: synced under another mapping, with an address.
        ghl_optouts: who said no there.
        in_mailjet: of the whole account, strangers too.
        unsubscriptions, excluded: places in its lists that somebody left; people whom
            its campaigns leave out.
        notes_due: remembered ones whose notes have their turn.
        tasks: carried ones, not contacts.
        untold: tasks and notes that a backfill has yet to tell Mailjet's history.
        calendars, businesses: of GHL, not contacts.
        read_lists, members: lists whose membership becomes a tag, and the places in
            them.
        tagged: with a tag that is a list too.
        unconfirmed: without the confirmation tag, where there is one.
        with_notes: whose notes are carried.
    """

    contacts: int
    unmailable: int = 0
    remembered: int = 0
    changed: int = 0
    remapped: int = 0
    ghl_optouts: int = 0
    in_mailjet: int = 0
    unsubscriptions: int = 0
    excluded: int = 0
    notes_due: int = 0
    tasks: int = 0
    untold: int = 0
    calendars: int = 0
    businesses: int = 0
    read_lists: int = 0
    members: int = 0
    tagged: int = 0
    unconfirmed: int = 0
    with_notes: int = 0

    @property
    def new(self) -> int:
        return max(0, self.contacts - self.remembered)


@dataclass(frozen=True)
class Ways:
    """What the accounts offer and the operator wants.

    Args:
        searches, optout_filter, sweeps_tasks, sweeps_appointments: GHL tells of many
            contacts in one call; without, each is read singly.
        details_always: each is read singly whatever GHL tells.
        excludes: opted out in GHL is excluded in Mailjet.
        more_lists: there are lists beside the one.
        all_businesses: GHL is asked which there are.
        deletions: `SYNC_DELETIONS`.
        newcomers: who is only in Mailjet is looked for.
        both_ways: whoever is new is read in Mailjet first, whose values may count.
    """

    searches: bool = True
    optout_filter: bool = True
    sweeps_tasks: bool = True
    sweeps_appointments: bool = True
    details_always: bool = False
    excludes: bool = True
    more_lists: bool = False
    all_businesses: bool = False
    deletions: str = "unsubscribe"
    newcomers: bool = False
    both_ways: bool = False
