"""Read how large a location is, in a handful of calls and without writing anything."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from pipeline.bootstrap import Kit
from pipeline.config import Connection
from pipeline.discovery import iso
from pipeline.errors import PermanentError
from pipeline.forecast import Budget
from pipeline.past_runs import Past, past_of
from pipeline.permit import Lane, Permit
from pipeline.preferences import OPTOUT_FILTER, is_dead_token
from pipeline.run_facts import Facts, Ways
from pipeline.store.bucket import BucketState
from pipeline.store.setup import SetupRecord
from pipeline.store.snapshots import carried_of, is_of_other_map
from pipeline.sweeps import DAY_MS, notes_have_turn, turns_since

Filter = Mapping[str, Any]
T = TypeVar("T")

WITHOUT_ADDRESS: Filter = {"field": "email", "operator": "not_exists"}


def read_past(kit: Kit) -> Past:
    """What the runs before tell; no call."""
    return past_of(kit.ledger.finished_runs())


def read_budget(kit: Kit) -> Budget:
    """What both vendors allow now; no call."""
    connection = kit.connection
    ghl, mailjet = kit.ghl_bucket.state(), kit.mailjet_bucket.state()
    daily, left = day_of_ghl(connection, ghl)
    return Budget(
        configured={
            "ghl": connection.ghl_rate.per_second,
            "mailjet": connection.mailjet_rate.per_second,
        },
        now={"ghl": ghl.calls_per_second, "mailjet": mailjet.calls_per_second},
        ghl_daily=daily,
        ghl_left=max(0, left - daily * connection.daily_reserve // 100),
        bulk_hours=connection.schedule.bulk_hours,
    )


def day_of_ghl(connection: Connection, state: BucketState) -> tuple[int, int]:
    """The calls of a day that GHL or the operator allows, and what is left of them."""
    daily = min(connection.ghl_daily, state.daily_limit or connection.ghl_daily)
    left = daily - state.used_today
    if state.daily_remaining is not None:
        left = min(left, state.daily_remaining)
    return daily, left


def read_facts(kit: Kit, record: SetupRecord) -> tuple[Facts, Ways]:
    """Ask both vendors for numbers, and state for what it remembers.

    Raises:
        VendorError: a vendor is down, or a credential is dead.
    """
    return _Reader(kit, record).read()


class _Reader:
    def __init__(self, kit: Kit, record: SetupRecord) -> None:
        self._kit = kit
        self._record = record
        self._ghl = kit.ghl(Permit(Lane.LIVE))
        self._mailjet = kit.mailjet(Permit(Lane.LIVE))

    def read(self) -> tuple[Facts, Ways]:
        kit, record = self._kit, self._record
        remembered = kit.ledger.backlog().contacts
        found = self._count()
        ways = Ways(
            searches=found is not None,
            optout_filter=record.optout_filter,
            sweeps_tasks=record.task_search,
            sweeps_appointments=record.calendars,
            details_always=kit.settings.details_always,
            excludes=kit.connection.exclude_opted_out,
            more_lists=bool(kit.layout.managed),
            both_ways=bool(kit.layout.shared),
            all_businesses=kit.connection.ghl_business_ids == ("*",),
            deletions=kit.connection.deletions,
            newcomers=kit.connection.create_contacts,
        )
        contacts = found
        if contacts is None:
            contacts = self._ghl.list_contacts(None).total
        if contacts is None:
            contacts = remembered
        in_ghl, in_mailjet = kit.optouts.counts()
        counted = self._counts(contacts, remembered) if ways.searches else {}
        facts = Facts(
            contacts,
            remembered=remembered,
            calendars=self._calendars(),
            businesses=self._businesses(),
            **{"with_notes": contacts, "ghl_optouts": in_ghl, **counted},
            **self._in_mailjet(remembered, in_mailjet),
            **self._carried(),
        )
        return facts, ways

    def _count(self, *filters: Filter) -> int | None:
        """How many contacts a search has; None where GHL does not tell."""
        search = partial(self._ghl.search_contacts, filters=filters, page_limit=1)
        page = _unless_refused(search)
        return page.total if page else None

    def _counts(self, contacts: int, remembered: int) -> dict[str, int]:
        """Numbers that filters tell; what the location has no use for is not asked."""
        connection = self._kit.connection
        wanted: dict[str, Filter] = {"unmailable": WITHOUT_ADDRESS}
        if self._record.optout_filter:
            wanted["ghl_optouts"] = OPTOUT_FILTER[0]
        rows = self._kit.layout.rows
        if either := [_tagged(row.tag) for row in rows if row.tag and row.list_id]:
            wanted["tagged"] = {"group": "OR", "filters": either}
        if tag := connection.confirmation_tag:
            wanted["unconfirmed"] = {**_tagged(tag), "operator": "not_eq"}
        if connection.notes_tag:
            wanted["with_notes"] = _tagged(connection.notes_tag)
        found = {name: self._count(filter_) for name, filter_ in wanted.items()}
        counts = {name: count for name, count in found.items() if count is not None}
        return {**counts, "changed": self._changed(max(0, contacts - remembered))}

    def _changed(self, new: int) -> int:
        """How many GHL changed since the last look, and nobody has synced since.

        Args:
            new: contacts that were never synced, which have a date as well.
        """
        watermark = self._kit.setup.watermark_ms()
        if watermark is None:
            return 0
        since = {"gte": iso(watermark)}
        where = {"field": "dateUpdated", "operator": "range", "value": since}
        page = _unless_refused(partial(self._ghl.search_contacts, filters=(where,)))
        if not page or not page.contacts:
            return 0
        shown = len(page.contacts)
        unseen = len(self._kit.ledger.unseen(page.contacts)) / shown
        return max(0, round(unseen * (page.total or shown)) - new)

    def _calendars(self) -> int:
        if not self._record.calendars:
            return 0
        return len(_unless_refused(self._ghl.list_calendars) or ())

    def _businesses(self) -> int:
        """Those named; of all, as many as the first page has."""
        named = self._kit.connection.ghl_business_ids
        if named != ("*",):
            return len(named)
        return len(self._ghl.list_businesses(0).businesses)

    def _in_mailjet(self, remembered: int, optouts: int) -> dict[str, int]:
        counted = _unless_refused(self._count_in_mailjet)
        # Where Mailjet does not count: what a run before has read.
        return counted or {"in_mailjet": remembered, "unsubscriptions": optouts}

    def _count_in_mailjet(self) -> dict[str, int]:
        count, lists = self._mailjet.count, self._kit.layout.read_lists
        return {
            "in_mailjet": count("contact"),
            "unsubscriptions": count("listrecipient", Unsub=True),
            "excluded": count("contact", IsExcludedFromCampaigns=True),
            "read_lists": len(lists),
            "members": sum(count("listrecipient", ContactsList=one) for one in lists),
        }

    def _carried(self) -> dict[str, int]:
        """Numbers of what state remembers of everybody."""
        store, days = self._kit.activities, self._kit.connection.notes_sweep_days
        today = round(time.time() * 1000) // DAY_MS
        come = turns_since(store.notes_turn(), today, days)
        digest = self._kit.policy(self._record).field_map.digest
        counts = {"tasks": 0, "notes_due": 0, "untold": 0, "remapped": 0}
        for ghl_id, packed in store.everybody():
            carried = carried_of(packed)
            counts["remapped"] += is_of_other_map(packed, digest)
            tasks, notes = len(carried.tasks or ()), len(carried.notes or ())
            counts["tasks"] += tasks
            if carried.notes is not None:
                counts["notes_due"] += notes_have_turn(ghl_id, come, days)
            if self._record.backfill and not carried.backfilled:
                counts["untold"] += tasks + notes
        return counts


def _unless_refused(ask: Callable[[], T]) -> T | None:
    """The answer; None where the vendor does not give it to us.

    Raises:
        VendorError: a vendor is down, or a credential is dead.
    """
    try:
        return ask()
    except PermanentError as error:
        if is_dead_token(error):
            raise
        return None


def _tagged(tag: str) -> Filter:
    return {"field": "tags", "operator": "eq", "value": tag}
