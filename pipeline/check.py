"""`check`: is everything there that the connection needs, and how to mend it if not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from redis import Redis
from redis.exceptions import RedisError

from pipeline.bootstrap import Kit, Pipeline
from pipeline.errors import ConfigError, NotFound, PipelineError, Unauthorized
from pipeline.ghl.client import GhlClient
from pipeline.permit import Lane, Permit
from pipeline.setup import has_optout_filter, missing_properties


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Args:
        what: what was found, one line.
        mend: what to do about it; empty when nothing is to be done.
    """

    level: Level
    what: str
    mend: str = ""


def probe(kit: Kit) -> None:
    """The cheapest proof that contacts can be synced: token, list and properties.

    Raises:
        VendorError, ConfigError: they cannot; says why.
    """
    permit = Permit(Lane.LIVE)
    kit.ghl(permit).list_contacts(None)
    mailjet = kit.mailjet(permit)
    record = kit.record()
    if record is not None:
        mailjet.get_list(record.list_id)
    if missing := list(missing_properties(mailjet)):
        raise ConfigError([f"Mailjet lacks properties: {', '.join(missing)}"])


def check(pipeline: Pipeline, kit: Kit) -> Iterator[Finding]:
    """Look at Redis, both accounts, and the connection's own state."""
    yield from _redis(pipeline.redis)
    yield from _ghl(kit)
    yield from _mailjet(kit)
    yield from _ours(pipeline, kit)


def _redis(redis: "Redis") -> Iterator[Finding]:
    try:
        memory, persistence = redis.info("memory"), redis.info("persistence")
    except RedisError as error:
        mend = "start it, or correct REDIS_URL / SYNC_REDIS_URL"
        yield Finding(Level.FAILURE, f"Redis: {type(error).__name__}", mend)
        return
    yield Finding(Level.OK, "Redis answers")
    if not persistence.get("aof_enabled"):
        mend = "set `appendonly yes`: a restart would lose what was not yet synced"
        yield Finding(Level.WARNING, "Redis keeps nothing over a restart", mend)
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        mend = "set `maxmemory-policy noeviction`: evicted keys are lost work"
        yield Finding(Level.FAILURE, f"Redis may evict keys ({policy})", mend)


def _ghl(kit: Kit) -> Iterator[Finding]:
    ghl = kit.ghl(Permit(Lane.LIVE))
    mend = (
        "GHL: Settings > Private Integrations; check token, scopes and GHL_LOCATION_ID"
    )
    try:
        page = ghl.list_contacts(None)
    except PipelineError as error:
        yield Finding(Level.FAILURE, f"GHL contacts: {error}", mend)
        return
    yield Finding(Level.OK, f"GHL contacts: {page.total or len(page.contacts)} found")
    scopes: tuple[tuple[str, Callable[[], object], str], ...] = (
        ("locations.readonly", ghl.get_location, "name and time zone stay unknown"),
        ("businesses.readonly", lambda: ghl.list_businesses(0), "no run by business"),
        ("locations/tags.readonly", ghl.list_tags, "tags cannot be checked"),
        (
            "locations/customFields.readonly",
            ghl.list_custom_fields,
            "custom fields cannot be mapped",
        ),
    )
    for scope, call, without in scopes:
        try:
            call()
        except Unauthorized:
            mend = f"add the scope to the token, or live without: {without}"
            yield Finding(Level.WARNING, f"GHL scope {scope}: missing", mend)
        except PipelineError as error:
            yield Finding(Level.WARNING, f"GHL {scope}: {error}")
        else:
            yield Finding(Level.OK, f"GHL scope {scope}")
    for business_id in kit.connection.ghl_business_ids:
        if business_id != "*":
            yield from _business(ghl, business_id)
    try:
        filtered = has_optout_filter(ghl)
    except PipelineError as error:
        yield Finding(Level.WARNING, f"GHL search: {error}")
        return
    if filtered:
        yield Finding(Level.OK, "GHL search finds opted-out contacts")
    else:
        what = "GHL search cannot find opted-out contacts"
        yield Finding(Level.WARNING, what, "nothing to do: contacts are read singly")


def _business(ghl: GhlClient, business_id: str) -> Iterator[Finding]:
    try:
        ghl.business_contacts(business_id, 0)
    except NotFound:
        what = f"GHL business {business_id}: unknown"
        yield Finding(Level.WARNING, what, "correct GHL_BUSINESS_IDS")
    except PipelineError as error:
        yield Finding(Level.WARNING, f"GHL business {business_id}: {error}")


def _mailjet(kit: Kit) -> Iterator[Finding]:
    mailjet = kit.mailjet(Permit(Lane.LIVE))
    try:
        mailjet.get_user()
    except PipelineError as error:
        mend = (
            "check MAILJET_API_KEY and MAILJET_SECRET_KEY (a reset kills the old one)"
        )
        yield Finding(Level.FAILURE, f"Mailjet credentials: {error}", mend)
        return
    yield Finding(Level.OK, "Mailjet credentials")
    record = kit.setup.read()
    list_id = kit.connection.mailjet_list_id or (record.list_id if record else None)
    if list_id is not None:
        try:
            yield Finding(Level.OK, f"Mailjet list {mailjet.get_list(list_id).name}")
        except NotFound:
            mend = "correct MAILJET_LIST_ID, or leave it empty and run setup"
            yield Finding(Level.FAILURE, f"Mailjet list {list_id}: unknown", mend)
    try:
        missing = list(missing_properties(mailjet))
    except ConfigError as error:
        for problem in error.problems:
            yield Finding(Level.FAILURE, problem)
        return
    if missing:
        mend = "run `ghl-mailjet setup`"
        yield Finding(Level.FAILURE, f"Mailjet lacks {len(missing)} properties", mend)
    else:
        yield Finding(Level.OK, "Mailjet properties")


def _ours(pipeline: Pipeline, kit: Kit) -> Iterator[Finding]:
    if kit.setup.read() is None:
        yield Finding(Level.FAILURE, "not set up", "run `ghl-mailjet setup`")
    else:
        yield Finding(Level.OK, "set up")
    if held := kit.presence.held():
        what = f"{held} contacts are missing in GHL's listing and were left alone"
        mend = "if they were deleted: ghl-mailjet resync --accept-deletions"
        yield Finding(Level.WARNING, what, mend)
    if pause := kit.health.paused():
        mend = "mend the cause; it resumes by itself within a minute"
        yield Finding(Level.FAILURE, f"paused: {pause.reason}", mend)
    if not pipeline.processes.slots():
        mend = "start `celery -A workers worker`"
        yield Finding(Level.WARNING, "no worker is running", mend)
    age = pipeline.processes.tick_age_seconds()
    if age is None or age > 60:
        mend = "start `celery -A workers beat`"
        yield Finding(Level.WARNING, "Beat is silent", mend)
