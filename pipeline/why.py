"""Why a contact is as it is: where it stands now, and what happened to it before."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.bootstrap import Kit, Pipeline
from pipeline.check import remedy
from pipeline.overview import utc
from pipeline.permit import Call, Lane
from pipeline.store.place import Place, place_of
from pipeline.store.records import Run
from pipeline.store.timeline import Entry, Kind
from pipeline.sync.orders import State

WRITTEN_LATE_MS = 5000
"""An entry is written after the settlement, with which its run may have finished."""


@dataclass(frozen=True)
class Step:
    """One line of the timeline.

    Args:
        at: UTC.
        calls: `mailjet PUT /contacts/:contactId: 200`, those that were to change
            something and those that failed.
        said_no: who says that the contact must not be mailed, where it was synced.
    """

    at: str
    what: str
    detail: str = ""
    lane: str = ""
    calls: tuple[str, ...] = ()
    said_no: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """All that can be told of one contact.

    Args:
        now: sentences; the first says where the contact stands.
        letter: of a dead letter why it failed; "" without one.
        timeline: newest last.
        is_known: anything of it is kept here at all.
    """

    contact: str
    connection: str
    now: tuple[str, ...]
    letter: str
    timeline: tuple[Step, ...]
    is_known: bool


def explain(pipeline: Pipeline, kit: Kit, contact_id: str) -> Explanation:
    """What is known of a contact, dead or alive, synced or never heard of."""
    place = place_of(kit.redis, kit.connection.name, contact_id)
    now_ms = pipeline.processes.now_ms()
    runs = [run for run in (kit.ledger.run(), *kit.ledger.finished_runs()) if run]
    told = [(entry.at_ms, _step(entry, runs)) for entry in kit.timeline.of(contact_id)]
    told += [(at_ms, step) for one in _orders(kit, contact_id) for at_ms, step in one]
    steps = [step for _, step in sorted(told, key=lambda each: each[0])]
    return Explanation(
        contact_id,
        kit.connection.name,
        (_where(pipeline, place, now_ms), *_around(kit, place)),
        place.letter.reason if place.letter else "",
        tuple(steps),
        bool(place.is_known or place.lane or place.letter or steps),
    )


def _where(pipeline: Pipeline, place: Place, now_ms: int) -> str:
    """Where the ledger has the contact."""
    if place.leased_until_ms:
        names = {worker.boot: worker.name for worker in pipeline.processes.workers()}
        who = names.get(place.owner, "a worker" if place.owner else "somebody")
        again = "; it changed meanwhile, and comes back" if place.again else ""
        return f"is in the hands of {who}, in the {place.lane} lane{again}"
    if place.due_ms > now_ms:
        tries = f" after {place.attempts} failed attempts" if place.attempts else ""
        return f"waits in the {place.lane} lane until {utc(place.due_ms)} UTC{tries}"
    if place.due_ms:
        return f"waits in the {place.lane} lane for its turn"
    if place.letter:
        since = utc(place.letter.at_ms)
        return f"is a dead letter since {since} UTC: {place.letter.cause}"
    if place.is_known:
        return "is synced, and nothing waits"
    return "is not known: never synced, or deleted in GHL"


def _around(kit: Kit, place: Place) -> Iterator[str]:
    """What holds up whoever waits, and what to do."""
    name = kit.connection.name
    if place.letter and not place.due_ms:
        yield f"tried again by: ghl-mailjet replay {place.letter.ghl_id} -c {name}"
    if not place.due_ms:
        return
    if (pause := kit.health.paused()) is not None:
        yield f"the connection is paused: {pause.reason}"
        yield f"what to do: {remedy(pause)}"
    if kit.operator_pause.since_ms() is not None and place.lane is not Lane.CONSENT:
        yield f"an operator paused the connection: ghl-mailjet resume -c {name}"
    if resting := kit.ledger.resting():
        yield f"resting: {resting}"
    for vendor, bucket in (("GHL", kit.ghl_bucket), ("Mailjet", kit.mailjet_bucket)):
        state = bucket.state()
        left = state.daily_remaining
        told = "" if left is None else f", {left:,} left of the vendor's day"
        yield f"{vendor}: {state.calls_per_second:.1f} calls/s{told}"


def _step(entry: Entry, runs: list[Run]) -> Step:
    what = {
        Kind.FOUND: f"found by {entry.word}",
        Kind.ENDED: entry.word,
        Kind.RETRY: f"failed: {entry.word}, again",
        Kind.DEAD: f"dead letter: {entry.word}",
        Kind.EVENT: f"mail: {entry.word}",
    }[entry.kind]
    detail = entry.detail
    if entry.kind is Kind.ENDED and entry.lane == Lane.BULK:
        detail = "; ".join(filter(None, (_run_of(entry.at_ms, runs), detail)))
    calls = tuple(map(_call, entry.calls))
    return Step(utc(entry.at_ms), what, detail, entry.lane, calls, entry.noes)


def _orders(kit: Kit, contact_id: str) -> Iterator[list[tuple[int, Step]]]:
    """What rules wanted sent, and what became of it."""
    for placed in kit.orders.of_contact(contact_id):
        order = placed.order
        what = f"{order.kind} of campaign {order.campaign!r}"
        why = f"rule {order.rule!r}, {order.trigger}"
        steps = [(order.made_ms, Step(utc(order.made_ms), f"{what}: ordered", why))]
        if placed.state is not State.WAITING:
            became = f"{what}: {placed.state}"
            steps.append(
                (placed.since_ms, Step(utc(placed.since_ms), became, placed.why))
            )
        yield steps


def _run_of(at_ms: int, runs: list[Run]) -> str:
    """During which run it was synced; what falls due is, too, and beside any run."""
    for run in runs:
        if run.started_ms <= at_ms <= (run.finished_ms or at_ms) + WRITTEN_LATE_MS:
            return f"during run {run.id}"
    return ""


def _call(call: Call) -> str:
    return f"{call.vendor} {call.route}: {call.status or 'no answer'}"
