"""The calls of a full run: arithmetic alone, on facts that somebody else reads.

Each number here is of calls that `discovery` or `sync` make. A run costs pages, and
singly only whoever is new, has changed, or is not to be had in pages.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from pipeline.past_runs import Past, share
from pipeline.run_facts import Facts, Ways

READS = (
    "contact/:contact",
    "contactdata/:contactId",
    "contact/:contactId/getcontactslists",
)
MANAGE = "POST /v3/REST/contactslist/:listId/managecontact"
MANAGE_LISTS = "POST /v3/REST/contact/:contactId/managecontactslists"
EDIT = "PUT /v3/REST/contactdata/:contactId"
ERASE = "DELETE /v4/contacts/:contactId"
HISTORY = "/v3/REST/contacthistorydata"
CONTACT = "/contacts/:contactId"

Calls = Mapping[str, float]
"""`METHOD /template` to a number of calls."""


def calls_of(facts: Facts, ways: Ways, past: Past) -> dict[str, dict[str, int]]:
    """Vendor to route to the number of calls that a full run makes of it.

    The busiest route first; those below half a call are left out.
    """
    unmailable = max(share(facts.unmailable, facts.contacts), past.unmailable)
    written = (1 - unmailable) * (1 - past.shared)
    totals: dict[str, defaultdict[str, float]] = {
        "ghl": defaultdict(float),
        "mailjet": defaultdict(float),
    }
    for vendor, calls in (
        ("ghl", _ghl_pages(facts, ways)),
        ("mailjet", _mailjet_pages(facts, ways)),
        ("ghl", _singly(facts, ways, unmailable, written)),
        ("ghl", _notes(facts, past, written)),
        *_new(facts, ways, written).items(),
        *_known(facts, past).items(),
        *_deleted(facts, ways).items(),
    ):
        for route, number in calls.items():
            totals[vendor][route] += number
    return {vendor: _whole(routes) for vendor, routes in totals.items()}


def _whole(routes: Calls) -> dict[str, int]:
    by_number = sorted(routes.items(), key=lambda item: -item[1])
    return {route: round(number) for route, number in by_number if round(number)}


def _ghl_pages(facts: Facts, ways: Ways) -> Calls:
    searches = _search_pages(facts.ghl_optouts) if ways.optout_filter else 0
    if not ways.details_always:
        searches += _search_pages(facts.contacts) if ways.searches else 1
    calls = {
        "POST /contacts/search": searches,
        "GET /contacts/": facts.contacts // 100 + 1,
        # How contacts spread over businesses is not known: this is the most.
        "GET /contacts/business/:businessId": facts.businesses
        and facts.businesses + facts.contacts // 100,
    }
    if ways.all_businesses:
        calls["GET /businesses/"] = ceil(facts.businesses / 100) + 1
    if ways.sweeps_tasks:
        # Nobody has counted before the first run: one for each contact, say.
        tasks = facts.tasks if facts.remembered else facts.contacts
        calls["POST /locations/:locationId/tasks/search"] = _task_pages(tasks)
    if ways.sweeps_appointments:
        calls["GET /calendars/"] = 1
        calls["GET /calendars/events"] = facts.calendars
    return calls


def _mailjet_pages(facts: Facts, ways: Ways) -> Calls:
    """The list is at most the account; who is new there is read before they count."""
    everybody = facts.in_mailjet // 1000 + 1
    places = facts.unsubscriptions + facts.members
    return {
        "GET /v3/REST/listrecipient": places // 1000 + 1 + facts.read_lists,
        "GET /v3/REST/contact": everybody * (2 if ways.newcomers else 1),
        "GET /v3/REST/contactdata": everybody,
    }


def _singly(facts: Facts, ways: Ways, unmailable: float, written: float) -> Calls:
    """Whom no page tells enough about, new or known; and who is missing in GHL."""
    each = facts.contacts
    reads: float = max(0, facts.remembered - facts.contacts)
    if ways.details_always or not ways.searches:
        reads += each
    elif not ways.optout_filter:
        reads += each * (1 - unmailable)
    return {
        f"GET {CONTACT}": reads,
        f"GET {CONTACT}/tasks": 0 if ways.sweeps_tasks else each * written,
        f"GET {CONTACT}/appointments": (
            0 if ways.sweeps_appointments else each * written
        ),
        f"POST {CONTACT}/tags": facts.unconfirmed * (1 - unmailable),
    }


def _notes(facts: Facts, past: Past, written: float) -> Calls:
    """GHL tells notes of one contact only: at first, after a change, at their turn."""
    carried = share(facts.with_notes, facts.contacts)
    newly = (facts.new * written + _changed(facts, past)) * carried
    return {f"GET {CONTACT}/notes": newly + facts.notes_due}


@dataclass(frozen=True)
class _Noes:
    """Shares of GHL's contacts who said no: on both sides, or on one alone.

    The more of them Mailjet has, the more often a no there is of the same person: what
    we unsubscribe there we exclude as well.
    """

    both: float
    ghl: float
    mailjet: float

    @classmethod
    def of(cls, facts: Facts) -> "_Noes":
        known = min(1.0, share(facts.in_mailjet, facts.contacts))
        fewer, more = sorted((facts.unsubscriptions, facts.excluded))
        in_mailjet = more + fewer * (1 - known)
        both = known * min(facts.ghl_optouts, in_mailjet)
        alone = (facts.ghl_optouts - both, in_mailjet - both)
        shares = (min(1.0, share(one, facts.contacts)) for one in (both, *alone))
        return cls(*shares)


def _new(facts: Facts, ways: Ways, written: float) -> dict[str, Calls]:
    """Created, or kept out: whoever said no is unsubscribed before anything is written.

    Whom Mailjet has a no from is read there, and told to GHL where GHL has none.
    """
    new, noes = facts.new * written, _Noes.of(facts)
    told = new * noes.mailjet
    unsubscribed = min(new, new * noes.ghl + told)
    tagged = (new - unsubscribed) * share(facts.tagged, facts.contacts)
    return {
        "ghl": {
            f"GET {CONTACT}": told,
            f"POST {CONTACT}/tags": told,
            f"PUT {CONTACT}": told,
        },
        "mailjet": {
            MANAGE: new + unsubscribed,
            MANAGE_LISTS: tagged + (unsubscribed if ways.more_lists else 0),
            "PUT /v3/REST/contact/:contactId": (new * noes.ghl if ways.excludes else 0),
            **_reads(new * noes.both + told, new if ways.both_ways else 0),
        },
    }


def _known(facts: Facts, past: Past) -> dict[str, Calls]:
    """Whom Mailjet has is read before an update; and what a backfill tells.

    Of whom another mapping was synced everything is told, and read, anew.
    """
    changed = _changed(facts, past)
    told = min(facts.untold, facts.remembered)
    return {
        "ghl": {
            f"GET {CONTACT}/notes": told + facts.remapped,
            f"GET {CONTACT}/tasks": facts.remapped,
            f"GET {CONTACT}/appointments": facts.remapped,
        },
        "mailjet": {
            **_reads(changed + told + facts.remapped),
            MANAGE: changed + facts.remapped,
            MANAGE_LISTS: facts.remapped * share(facts.tagged, facts.contacts),
            f"GET {HISTORY}": told,
            f"POST {HISTORY}": facts.untold,
        },
    }


def _deleted(facts: Facts, ways: Ways) -> dict[str, Calls]:
    """Who is missing in GHL, beside the GET that confirms it."""
    read, data, lists = (f"GET /v3/REST/{one}" for one in READS)
    calls = {
        "keep": (),
        "unsubscribe": (read, MANAGE, *([MANAGE_LISTS] if ways.more_lists else ())),
        "remove-from-lists": (read, lists, MANAGE_LISTS, EDIT),
        "erase": (read, data, lists, ERASE),
    }[ways.deletions]
    missing = max(0, facts.remembered - facts.contacts)
    return {
        "ghl": {"POST /contacts/search": missing if calls else 0},
        "mailjet": dict.fromkeys(calls, missing),
    }


def _changed(facts: Facts, past: Past) -> float:
    """GHL's count and what runs before found tell of the same contacts."""
    known = min(facts.remembered, facts.contacts)
    return max(min(facts.changed, known), known * past.changed)


def _reads(contacts: float, strangers: float = 0) -> Calls:
    """Three of whom Mailjet has, one of whom it has not."""
    found = {f"GET /v3/REST/{read}": contacts for read in READS}
    return {**found, f"GET /v3/REST/{READS[0]}": contacts + strangers}


def _search_pages(rows: int) -> int:
    """GHL's search goes on until a page is empty, unless the first is all there is."""
    return 1 if rows < 500 else ceil(rows / 500) + 1


def _task_pages(rows: int) -> int:
    """Only a page of fewer than 25 is certain to be the last one."""
    return (rows + 475) // 500 + 1
