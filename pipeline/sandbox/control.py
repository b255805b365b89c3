"""The back door under `/_sandbox/`: look at everything, change anything, break things.

It needs no credentials, counts against no limit, meets no fault, is in no log. Of
several locations `?location=ID` names one, together with its Mailjet account; else it
is the first.
"""

from collections.abc import Sequence
from dataclasses import asdict

from pipeline.sandbox import activity_control, event_control, sending_control
from pipeline.sandbox.ghl.contacts import blank
from pipeline.sandbox.mailjet.properties import typed_values
from pipeline.sandbox.wire import Answer, Call, Refusal, Routes, Row, json_object
from pipeline.sandbox.world import World

PREFIX = "/_sandbox/"
RAW_CONTACT_KEYS = frozenset(
    {
        "id",
        "locationId",
        "firstName",
        "lastName",
        "email",
        "phone",
        "companyName",
        "businessId",
        "address1",
        "city",
        "state",
        "country",
        "postalCode",
        "timezone",
        "website",
        "source",
        "type",
        "assignedTo",
        "dateOfBirth",
        "tags",
        "customFields",
        "dnd",
        "dndSettings",
        "inboundDndSettings",
        "additionalEmails",
        "additionalPhones",
        "followers",
        "validEmail",
        "dateAdded",
        "dateUpdated",
        "businessName",
    }
)
SUBSCRIBER_KEYS = frozenset(
    {"id", "email", "name", "properties", "excluded", "complained", "lists"}
)

routes = Routes[World]().joined(
    (activity_control.routes, event_control.routes, sending_control.routes)
)


def answer(worlds: Sequence[World], call: Call) -> Answer:
    """Carry out one control call; 400 says what was wrong with it."""
    known = {world.location.id: world for world in worlds}
    world = known.get(call.query.get("location", worlds[0].location.id))
    if world is None:
        return Answer(404, {"error": f"no such location; there is {', '.join(known)}"})
    route, call.params, _ = routes.find(call.method, call.path)
    if route is None:
        return Answer(404, {"error": f"no such control call: {call.path}"})
    try:
        return route.endpoint(world, call)
    except Refusal as refusal:
        return refusal.answer
    except (KeyError, TypeError, ValueError) as problem:
        return Answer(400, {"error": str(problem)})


@routes("GET", "/_sandbox/health")
def health(world: World, call: Call) -> Answer:
    counts = {
        "contacts": len(world.location.book.rows),
        "subscribers": len(world.account.contacts),
    }
    return Answer(200, {"status": "ok", **counts})


@routes("GET", "/_sandbox/log")
def show_log(world: World, call: Call) -> Answer:
    entries = world.log.of(call.query.get("vendor"))
    return Answer(200, [entry.as_row() for entry in entries])


@routes("DELETE", "/_sandbox/log")
def clear_log(world: World, call: Call) -> Answer:
    world.log.clear()
    return Answer(204)


@routes("GET", "/_sandbox/exchanges")
def show_exchanges(world: World, call: Call) -> Answer:
    """Requests and answers whole, if `keep_exchanges` is set; a look forgets them."""
    exchanges = list(world.log.exchanges)
    world.log.exchanges.clear()
    return Answer(200, exchanges)


@routes("GET", "/_sandbox/stats")
def show_stats(world: World, call: Call) -> Answer:
    return Answer(200, world.log.stats(world.windows()))


@routes("GET", "/_sandbox/settings")
def show_settings(world: World, call: Call) -> Answer:
    return Answer(200, asdict(world.settings))


@routes("POST", "/_sandbox/settings")
def change_settings(world: World, call: Call) -> Answer:
    world.settings.change(json_object(call))
    world.apply_limits()
    return Answer(200, asdict(world.settings))


@routes("GET", "/_sandbox/faults")
def show_faults(world: World, call: Call) -> Answer:
    return Answer(200, world.faults.as_rows())


@routes("POST", "/_sandbox/faults")
def add_fault(world: World, call: Call) -> Answer:
    return Answer(201, asdict(world.faults.add(json_object(call))))


@routes("DELETE", "/_sandbox/faults")
def clear_faults(world: World, call: Call) -> Answer:
    world.faults.remove(None)
    return Answer(204)


@routes("DELETE", "/_sandbox/faults/:id")
def remove_fault(world: World, call: Call) -> Answer:
    world.faults.remove(int(call.params["id"]))
    return Answer(204)


@routes("GET", "/_sandbox/ghl/contacts")
def raw_contacts(world: World, call: Call) -> Answer:
    return Answer(200, list(world.location.book.rows.values()))


@routes("GET", "/_sandbox/ghl/contacts/:id")
def raw_contact(world: World, call: Call) -> Answer:
    row = world.location.book.rows.get(call.params["id"])
    return Answer(200 if row else 404, row)


@routes("POST", "/_sandbox/ghl/contacts")
def put_raw_contact(world: World, call: Call) -> Answer:
    """Create a contact, or patch the one with that `id`, as a user of GHL would."""
    body = json_object(call)
    _refuse_strangers(body, RAW_CONTACT_KEYS)
    location = world.location
    old = location.book.rows.get(body.get("id", "")) or blank(location)
    row = location.save({**old, **body}, edited="dateUpdated" not in body)
    return Answer(200, row)


@routes("DELETE", "/_sandbox/ghl/contacts/:id")
def delete_raw_contact(world: World, call: Call) -> Answer:
    world.location.delete(call.params["id"])
    return Answer(204)


@routes("GET", "/_sandbox/mailjet/subscribers")
def subscribers(world: World, call: Call) -> Answer:
    return Answer(200, [_subscriber(world, i) for i in world.account.contacts])


@routes("POST", "/_sandbox/mailjet/subscribers")
def put_subscriber(world: World, call: Call) -> Answer:
    """Create or patch a subscriber, found by `id` or `email`.

    `lists` is list id to `{"unsubscribed": bool}`, or to null to take them off it.
    """
    body, account = json_object(call), world.account
    _refuse_strangers(body, SUBSCRIBER_KEYS)
    contact_id = account.contact_id(str(body.get("id") or body["email"]))
    if contact_id is None:
        contact_id = account.add_contact(body["email"])
    fields = {
        "name": "Name",
        "excluded": "IsExcludedFromCampaigns",
        "complained": "IsSpamComplaining",
    }
    changes = {fields[key]: body[key] for key in fields.keys() & body.keys()}
    account.change_contact(contact_id, changes)
    values, problems = typed_values(account, body.get("properties", {}))
    if problems:
        raise ValueError(str(problems))
    account.set_values(contact_id, values)
    for list_id, state in body.get("lists", {}).items():
        action = "addforce" if state and not state["unsubscribed"] else "unsub"
        account.act(action if state else "remove", contact_id, int(list_id))
    return Answer(200, _subscriber(world, contact_id))


@routes("DELETE", "/_sandbox/mailjet/subscribers/:id")
def delete_subscriber(world: World, call: Call) -> Answer:
    world.account.anonymise(int(call.params["id"]))
    return Answer(204)


def _subscriber(world: World, contact_id: int) -> Row:
    account = world.account
    row, consent = account.contacts[contact_id], account.consent(contact_id)
    return {
        "id": contact_id,
        "email": row["Email"],
        "name": row["Name"],
        "properties": account.values[contact_id],
        "excluded": consent["excluded"],
        "lists": consent["lists"],
    }


def _refuse_strangers(body: Row, known: frozenset[str]) -> None:
    if strangers := sorted(body.keys() - known):
        raise ValueError(f"unknown: {', '.join(strangers)}")
