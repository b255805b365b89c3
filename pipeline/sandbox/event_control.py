"""The back door to events: make a mail's fate happen, see who is told of what."""

from dataclasses import fields

from pipeline.sandbox.mailjet.happenings import Happening, happen
from pipeline.sandbox.wire import Answer, Call, Routes, json_object
from pipeline.sandbox.world import World

HAPPENING = frozenset(field.name for field in fields(Happening))

routes: Routes[World] = Routes()


@routes("POST", "/_sandbox/mailjet/events")
def make_it_happen(world: World, call: Call) -> Answer:
    """One event of one mail; with `deliver` false its webhook is lost."""
    body = json_object(call)
    deliver = body.pop("deliver", True)
    if strangers := sorted(body.keys() - HAPPENING):
        raise ValueError(f"unknown: {', '.join(strangers)}")
    event = happen(world.account, Happening(**body))
    if deliver:
        world.courier.send(event)
    return Answer(200, event)


@routes("GET", "/_sandbox/mailjet/callbacks")
def raw_callbacks(world: World, call: Call) -> Answer:
    return Answer(200, list(world.account.callbacks.rows.values()))


@routes("DELETE", "/_sandbox/mailjet/callbacks")
def forget_callbacks(world: World, call: Call) -> Answer:
    """Nobody listens any more."""
    world.account.callbacks.forget()
    return Answer(204)


@routes("POST", "/_sandbox/ghl/webhooks")
def send_webhooks(world: World, call: Call) -> Answer:
    """From now on every change is posted to `url`."""
    world.webhooks.send_to(str(json_object(call)["url"]))
    return Answer(200, {"url": world.webhooks.url})


@routes("DELETE", "/_sandbox/ghl/webhooks")
def stop_webhooks(world: World, call: Call) -> Answer:
    world.webhooks.send_to(None)
    return Answer(204)


@routes("GET", "/_sandbox/deliveries")
def show_deliveries(world: World, call: Call) -> Answer:
    """What was posted to others or waits for it, oldest first."""
    return Answer(200, [parcel.as_row() for parcel in world.outbox.parcels])
