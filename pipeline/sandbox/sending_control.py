"""The back door to what was sent, and to what may be sent with."""

from pipeline.sandbox.mailjet.mails import Message
from pipeline.sandbox.wire import Answer, Call, Routes, Row, json_object
from pipeline.sandbox.world import World

routes: Routes[World] = Routes()


@routes("GET", "/_sandbox/mailjet/messages")
def sent_messages(world: World, call: Call) -> Answer:
    """All of them, oldest first, with what their contacts allowed at that moment."""
    mails = world.account.mailings.mails.by_id.values()
    return Answer(200, [_shown(world, each) for each in mails])


@routes("PUT", "/_sandbox/mailjet/templates/:id")
def put_template(world: World, call: Call) -> Answer:
    """Make a template known, or rename it."""
    name = str(json_object(call)["name"])
    row = world.account.outgoing.put_template(int(call.params["id"]), name)
    return Answer(200, row)


@routes("DELETE", "/_sandbox/mailjet/templates/:id")
def delete_template(world: World, call: Call) -> Answer:
    del world.account.outgoing.templates[int(call.params["id"])]
    return Answer(204)


@routes("PUT", "/_sandbox/mailjet/senders/:email")
def put_sender(world: World, call: Call) -> Answer:
    """An address, or `*@domain`, with a `status`: `Active`, `Inactive`, `Deleted`."""
    status = str(json_object(call)["status"])
    return Answer(200, world.account.outgoing.put_sender(call.params["email"], status))


def _shown(world: World, message: Message) -> Row:
    said = message.said
    return {
        "id": message.id,
        "arrived": message.arrived,
        "made": message.made,
        "contact": message.contact_id,
        "email": world.account.contacts.get(message.contact_id, {}).get("Email"),
        "custom_id": said.get("CustomID", ""),
        "payload": said.get("EventPayload", ""),
        "template": said.get("TemplateID"),
        "campaign": message.campaign.custom,
        "status": message.status,
        "error": message.error,
        "consent": message.consent,
        "said": said,
    }
