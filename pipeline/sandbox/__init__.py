"""A GoHighLevel and a Mailjet on this machine, written from their documentation.

Try rules here before they meet real people; the tests, the demo and the benchmarks run
here too. Two vendors are two ports of one process, and nothing is kept after it ends.
A location with its Mailjet account is a `world`; `server` picks it by the key shown.

The way of a call: `gateway` counts it (`limits`, `calls`), lets a fault have its turn
(`faults`), asks the vendor's `front` whether the caller may come in, finds the endpoint
(`wire.Routes`) and sends the answer (`delivery`). `ghl/` and `mailjet/` hold one module
per resource; a new endpoint is one decorated function there. `control` is the back
door under `/_sandbox/`, `seed/` invents the people, `command` starts it all.

The way of an event: a change of GHL's rows reaches `ghl.webhooks`; a mail that is sent,
and its fate that comes in by `event_control`, reach `mailjet.courier`; both post by way
of the `outbox`, to this machine only. No mail leaves it: `mailjet.mails` keeps them.
"""
