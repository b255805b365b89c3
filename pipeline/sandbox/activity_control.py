"""The back door to tasks, notes, appointments and history entries.

Nothing is checked, so that a test can plant what no API would take: a due date that is
none, a task of a contact that is gone, half of an emoji.
"""

from pipeline.sandbox.ghl.appointments import new_appointment
from pipeline.sandbox.ghl.notes import new_note
from pipeline.sandbox.ghl.tasks import new_task
from pipeline.sandbox.ghl.times import now_iso
from pipeline.sandbox.wire import Answer, Call, Routes, json_object
from pipeline.sandbox.world import World

BLANKS = {"tasks": new_task, "notes": new_note, "appointments": new_appointment}

routes: Routes[World] = Routes()


@routes("GET", "/_sandbox/ghl/activities/:kind")
def raw_activities(world: World, call: Call) -> Answer:
    """All of one kind, or those of a `contact`."""
    shelf = world.location.activities.shelf(call.params["kind"])
    contact_id = call.query.get("contact")
    rows = shelf.living() if contact_id is None else shelf.of(contact_id)
    return Answer(200, list(rows))


@routes("POST", "/_sandbox/ghl/activities/:kind")
def put_raw_activity(world: World, call: Call) -> Answer:
    """Create one, or patch the one with that `id`, as a user of GHL would."""
    kind, body = call.params["kind"], json_object(call)
    shelf = world.location.activities.shelf(kind)
    old = shelf.rows.get(str(body.get("id", "")))
    if old is None:
        row = BLANKS[kind](world.location, {"contactId": body["contactId"], **body})
    else:
        changed = {"dateUpdated": now_iso()} if "dateUpdated" in old else {}
        row = {**old, **changed, **body}
    return Answer(200, shelf.put(row))


@routes("DELETE", "/_sandbox/ghl/activities/:kind/:id")
def delete_raw_activity(world: World, call: Call) -> Answer:
    """Delete one, as a user of GHL would."""
    activities, row_id = world.location.activities, call.params["id"]
    if call.params["kind"] == "tasks":
        activities.delete_task(row_id)
    else:
        activities.shelf(call.params["kind"]).remove(row_id)
    return Answer(204)


@routes("DELETE", "/_sandbox/ghl/activities")
def forget_activities(world: World, call: Call) -> Answer:
    """Begin anew: not even deleted tasks are remembered."""
    world.location.forget_activities()
    return Answer(204)


@routes("GET", "/_sandbox/mailjet/history")
def raw_history(world: World, call: Call) -> Answer:
    return Answer(200, list(world.account.history.rows.values()))


@routes("POST", "/_sandbox/mailjet/history")
def add_raw_history(world: World, call: Call) -> Answer:
    """An entry of `contact` (id or address), as somebody else would write it."""
    body, account = json_object(call), world.account
    contact_id = account.contact_id(str(body["contact"]))
    if contact_id is None:
        raise ValueError("Mailjet has no such contact")
    entry = account.history.add(
        contact_id, body["name"], body["data"], body.get("created_at")
    )
    return Answer(200, entry)


@routes("DELETE", "/_sandbox/mailjet/history/:id")
def delete_raw_history(world: World, call: Call) -> Answer:
    world.account.history.remove(int(call.params["id"]))
    return Answer(204)
