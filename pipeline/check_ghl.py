"""`check` of GHL: the token, its scopes, the businesses that are named."""

from collections.abc import Callable, Iterator

from pipeline.bootstrap import Kit
from pipeline.errors import NotFound, PipelineError, Unauthorized
from pipeline.findings import Finding, Level
from pipeline.ghl.client import GhlClient
from pipeline.offers import lost_without_search, read_events, singly
from pipeline.permit import Lane, Permit

Call = Callable[[], object]
LIVE = "live without:"


def check_ghl(kit: Kit) -> Iterator[Finding]:
    """Look at everything that we read from GHL; changes nothing."""
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
    yield from _scopes(ghl)
    yield from _at_once(kit, ghl)
    for business_id in kit.connection.ghl_business_ids:
        if business_id != "*":
            yield from _business(ghl, business_id)
    try:
        lost = lost_without_search(ghl)
    except PipelineError as error:
        yield Finding(Level.WARNING, f"GHL search: {error}")
        return
    if lost:
        yield Finding(Level.WARNING, f"GHL search {lost}", "or live with that")
    else:
        yield Finding(Level.OK, "GHL search finds opted-out contacts")


def _scopes(ghl: GhlClient) -> Iterator[Finding]:
    scopes: tuple[tuple[str, Call, str], ...] = (
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
        yield _scope(scope, call, f"add the scope to the token, or {LIVE} {without}")


def _at_once(kit: Kit, ghl: GhlClient) -> Iterator[Finding]:
    """What is read for the whole location, where the token may."""
    record = kit.setup.read()
    add = "add the scope to the token and run `ghl-mailjet setup`, or"
    mend = f"{add} {LIVE} {singly('tasks')}"
    tasks = _scope(
        "locations/tasks.readonly", lambda: ghl.search_tasks(completed=False), mend
    )
    yield tasks
    if record and tasks.level is Level.OK and not record.task_search:
        yield _new("tasks")
    mend = f"{add} {LIVE} {singly('appointments')}"
    calendars = _scope("calendars.readonly", ghl.list_calendars, mend)
    yield calendars
    if calendars.level is not Level.OK:
        return
    events = _scope("calendars/events.readonly", lambda: read_events(ghl), mend)
    yield events
    if record and events.level is Level.OK and not record.calendars:
        yield _new("appointments")


def _new(what: str) -> Finding:
    found = f"GHL {what} can be read for the whole location, and could not at setup"
    return Finding(Level.WARNING, found, "run `ghl-mailjet setup`")


def _scope(scope: str, call: Call, mend: str) -> Finding:
    try:
        call()
    except Unauthorized:
        return Finding(Level.WARNING, f"GHL scope {scope}: missing", mend)
    except PipelineError as error:
        return Finding(Level.WARNING, f"GHL {scope}: {error}")
    return Finding(Level.OK, f"GHL scope {scope}")


def _business(ghl: GhlClient, business_id: str) -> Iterator[Finding]:
    try:
        ghl.business_contacts(business_id, 0)
    except NotFound:
        what = f"GHL business {business_id}: unknown"
        yield Finding(Level.WARNING, what, "correct GHL_BUSINESS_IDS")
    except PipelineError as error:
        yield Finding(Level.WARNING, f"GHL business {business_id}: {error}")
