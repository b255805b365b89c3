"""`check`: is everything there that the connection needs, and how to mend it if not."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from redis import Redis
from redis.exceptions import RedisError

from pipeline.bootstrap import Kit, Pipeline
from pipeline.callbacks import dead_callbacks
from pipeline.check_ghl import check_ghl
from pipeline.check_rules import check_rules
from pipeline.custom_fields import not_carried, unknown_to_setup
from pipeline.errors import (
    BudgetSpent,
    ConfigError,
    NotFound,
    PipelineError,
    RateLimited,
    TransientError,
)
from pipeline.findings import Finding, Level
from pipeline.mailjet.client import MailjetClient
from pipeline.mailjet.records import Property
from pipeline.permit import Lane, Permit
from pipeline.properties import historic_in_place, lost_without, missing_static
from pipeline.retry import Cause, trouble
from pipeline.store.health import Pause
from pipeline.store.processes import unserved
from pipeline.store.setup import SetupRecord
from pipeline.wording import plural

AND_RESTART = "after a change restart the workers; it then resumes by itself"
REMEDIES = {
    ("ghl", Cause.CREDENTIAL): "mend GHL_TOKEN (GHL: Settings > Private Integrations); "
    + AND_RESTART,
    ("ghl", Cause.SCOPE): "add the scope to the token (GHL: Settings > Private "
    "Integrations), which stays the same; it resumes by itself",
    ("ghl", Cause.LOCATION): f"correct GHL_LOCATION_ID; {AND_RESTART}",
    ("ghl", Cause.BASE_URL): f"check GHL_BASE_URL; {AND_RESTART}",
    ("mailjet", Cause.CREDENTIAL): "mend MAILJET_API_KEY and MAILJET_SECRET_KEY "
    f"(Mailjet: API key management; a reset kills the old one); {AND_RESTART}",
    ("mailjet", Cause.LIST): "restore the list in Mailjet, or correct MAILJET_LIST_ID "
    "or SYNC_TAG_LISTS, restart the workers and run `ghl-mailjet setup`; it then "
    "resumes by itself",
    ("mailjet", Cause.PROPERTY): "run `ghl-mailjet setup`; it then resumes by itself",
    ("mailjet", Cause.BASE_URL): f"check MAILJET_BASE_URL; {AND_RESTART}",
}
NEARLY_FULL = 0.9
PROBE_TRIES = 2
"""Of each call: of a vendor that fails one call in ten, every second probe of half a
dozen calls would keep the connection paused for another minute."""
Answer = TypeVar("Answer")
RUN_SETUP = "run `ghl-mailjet setup`"
ACCEPT_DELETIONS = "if they were deleted: ghl-mailjet resync --accept-deletions"
ACCEPT_EMPTYING = (
    "look whether a field in GHL, or a list in Mailjet, was deleted; if they are to "
    "lose them: ghl-mailjet resync --accept-emptying"
)
DECIDE_OPTOUTS = "look at them in GHL, then ghl-mailjet optouts --confirm or --revoke"
WAIT = "nothing: it resumes by itself, and no contact's attempt is counted meanwhile"


def remedy(pause: Pause) -> str:
    """What an operator has to do about a pause, in one line."""
    return REMEDIES.get((pause.vendor, pause.cause), WAIT)


def probe(kit: Kit) -> None:
    """The cheapest proof that contacts can be synced: token, lists and properties.

    Lists that only rules add to are no part of it: `check` tells of these.

    Raises:
        VendorError, ConfigError: they cannot; says why.
    """
    permit = Permit(Lane.LIVE)
    _answered(partial(kit.ghl(permit).list_contacts, None))
    mailjet = kit.mailjet(permit)
    record = kit.record()
    if record is not None:
        for list_id in (record.list_id, *kit.field_map.layout.lists):
            _answered(partial(mailjet.get_list, list_id))
    known = _answered(mailjet.list_properties)
    missing = missing_static(known, kit.field_map) + _gone(record, known)
    if missing:
        raise ConfigError([f"Mailjet lacks properties: {', '.join(missing)}"])


def _answered(ask: Callable[[], Answer]) -> Answer:
    """The answer of a call; a vendor that only stumbles now and then is not down."""
    for _ in range(PROBE_TRIES - 1):
        try:
            return ask()
        except RateLimited:
            raise
        except TransientError:
            continue
    return ask()


def _gone(record: SetupRecord | None, known: Iterable[Property]) -> list[str]:
    """Historic properties that `setup` found or made, and that are there no more."""
    promised = record.historic if record else frozenset()
    return sorted(promised - historic_in_place(known))


def look_again(kit: Kit) -> str:
    """Probe a paused connection and resume it if it works; what came of it."""
    try:
        probe(kit)
    except (BudgetSpent, RateLimited):
        return "no budget to ask"
    except PipelineError as error:
        kit.health.still_down(trouble(error))
        return f"still paused: {type(error).__name__}"
    kit.health.resume()
    return "resumed"


def check(pipeline: Pipeline, kit: Kit) -> Iterator[Finding]:
    """Look at Redis, both accounts, and the connection's own state."""
    yield from _redis(pipeline.redis)
    yield from check_ghl(kit)
    yield from _mailjet(kit)
    yield from dead_callbacks(kit)
    yield from check_rules(kit)
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
    used, most = memory.get("used_memory", 0), memory.get("maxmemory", 0)
    if most and used > NEARLY_FULL * most:
        mend = "raise `maxmemory`: nothing can be kept any more once it is full"
        yield Finding(Level.FAILURE, f"Redis is full to {used / most:.0%}", mend)
    if persistence.get("aof_last_write_status", "ok") != "ok":
        mend = "make room where its data is: until then it takes no writes"
        yield Finding(Level.FAILURE, "Redis cannot write to its disk", mend)


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
        how = "correct MAILJET_LIST_ID, or leave it empty and run setup"
        yield _list(mailjet, list_id, how)
    for row in kit.layout.rows:
        if row.list_id:
            yield _list(mailjet, row.list_id, f"correct the list of {row.ghl}")
    try:
        known = mailjet.list_properties()
        missing = missing_static(known, kit.field_map)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding(Level.FAILURE, problem)
        return
    except PipelineError as error:
        yield Finding(Level.FAILURE, f"Mailjet properties: {error}")
        return
    if missing:
        what = f"Mailjet lacks {len(missing):,} properties"
        if len(missing) == 1:
            what = f"Mailjet lacks the property {missing[0]}"
        yield Finding(Level.FAILURE, what, RUN_SETUP)
    else:
        yield Finding(Level.OK, "Mailjet properties")
    yield _historic(record, known)
    if record is not None and kit.layout.custom_keys:
        yield _custom_fields(kit, record)


def _custom_fields(kit: Kit, record: SetupRecord) -> Finding:
    if new := unknown_to_setup(kit.layout, record):
        return Finding(Level.FAILURE, not_carried(new), RUN_SETUP)
    return Finding(Level.OK, "GHL custom fields that are mapped")


def _historic(record: SetupRecord | None, known: Iterable[Property]) -> Finding:
    if gone := _gone(record, known):
        what = f"Mailjet lacks historic properties {', '.join(gone)}"
        return Finding(Level.FAILURE, what, RUN_SETUP)
    if lost := lost_without(historic_in_place(known)):
        what = f"Mailjet lacks historic properties: {lost}"
        mend = f"{RUN_SETUP}, which makes them where the account has such; or live"
        return Finding(Level.WARNING, what, f"{mend} without")
    return Finding(Level.OK, "Mailjet historic properties")


def _list(mailjet: MailjetClient, list_id: int, how: str) -> Finding:
    try:
        return Finding(Level.OK, f"Mailjet list {mailjet.get_list(list_id).name}")
    except NotFound:
        return Finding(Level.FAILURE, f"Mailjet list {list_id}: unknown", how)
    except PipelineError as error:
        return Finding(Level.FAILURE, f"Mailjet list {list_id}: {error}")


def _ours(pipeline: Pipeline, kit: Kit) -> Iterator[Finding]:
    if kit.setup.read() is None:
        yield Finding(Level.FAILURE, "not set up", RUN_SETUP)
    else:
        yield Finding(Level.OK, "set up")
    if held := kit.presence.held():
        missing = plural(held, "contact is", "contacts are")
        what = f"{missing} missing in GHL's listing and left alone"
        yield Finding(Level.WARNING, what, ACCEPT_DELETIONS)
    if mass := len(kit.optouts.held()):
        out = plural(mass, "contact")
        what = f"{out} opted out in GHL in a mass: excluded, still on lists"
        yield Finding(Level.WARNING, what, DECIDE_OPTOUTS)
    if emptied := len(kit.emptying.held()):
        losing = plural(emptied, "contact")
        what = f"{losing} would lose values or tags, left alone"
        yield Finding(Level.WARNING, what, ACCEPT_EMPTYING)
    for name, other in pipeline.kits.items():
        if pause := other.health.paused():
            level = Level.FAILURE if other is kit else Level.WARNING
            whose = "" if other is kit else f"connection {name!r} is "
            yield Finding(level, f"{whose}paused: {pause.reason}", remedy(pause))
    alive = pipeline.processes.workers()
    if not alive:
        mend = "start `celery -A workers worker`"
        yield Finding(Level.WARNING, "no worker is running", mend)
        return  # nobody hears Beat
    if alone := unserved(alive):
        what = f"no worker serves the queue {', '.join(alone)}"
        mend = "start `celery -A workers worker` with it, or without `-Q`"
        yield Finding(Level.WARNING, what, mend)
    age = pipeline.processes.tick_age_seconds()
    if age is None or age > 60:
        mend = "start `celery -A workers beat`"
        yield Finding(Level.WARNING, "Beat is silent", mend)
