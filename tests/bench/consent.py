"""How soon a no on one side is one on the other.

Run: python -m tests.bench.consent [webhooks|polling] [--events N]

`webhooks` (12 minutes): by webhook, while a full resync that has something to write
for every contact is under way. `polling` (11 minutes): by Beat's feeds alone, at their
usual rhythm. Receiver, worker and Beat run as an operator starts them; both vendors
allow 100 calls in 10 seconds. The sandbox is asked through its back door, which counts
as no call. Mailjet tells of other mails meanwhile, grouped by the second.
"""

import argparse
import os
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import fmean, quantiles

from tests.bench.crossing import SEED, TO_GHL, TO_MAILJET, UNSEEN, No, Observer
from tests.sandbox import Row
from tests.system.installation import Installation, address_of, installation, unseen
from tests.system.processes import Processes
from tests.system.receiving import SECRET, Receiver, started
from tests.valkey import free_port

CONTACTS = 2_000
RATE, LATENCY_MS = "100/10", 20
IMPORT_SECONDS = 600.0
SPREAD_SECONDS = {"webhooks": 600.0, "polling": 300.0}
"""The resync takes longer, and one round of Beat's feeds as long."""
GOAL_SECONDS = {"webhooks": 5.0, "polling": 360.0}
EVENTS = {"webhooks": 60, "polling": 10}
HEADING = f"{'way':30} {'events':>6} {'p50 s':>7} {'p95 s':>7} {'max s':>7}  goal"


@dataclass
class Figures:
    """What came of a part."""

    part: str
    noes: list[No]
    stats: dict[str, Row]
    loads: list[float]
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        ways = sorted({no.way for no in self.noes})
        lines = [HEADING]
        for way in ways:
            own = [no for no in self.noes if no.way == way]
            lines.append(self._line(way, [no.arrived - no.said for no in own]))
            if all(no.posted for no in own):
                after = [no.arrived - no.posted for no in own]
                lines.append(self._line("  after Mailjet's post", after))
        refused = sum(each["answers_429"] for each in self.stats.values())
        calls = ", ".join(
            f"{each['calls']} calls to {vendor} (at most {each['busiest_window']} in "
            f"any {each['window_seconds']:.0f} s)"
            for vendor, each in self.stats.items()
        )
        load = f"{fmean(self.loads):.1f}, at most {max(self.loads):.1f}"
        refusals = f"{refused} answers 429: {'NO' if refused else 'ok'}"
        lines += [calls, refusals, *self.notes, f"load average {load}"]
        return "\n".join(lines)

    def _line(self, what: str, seconds: list[float]) -> str:
        cuts = quantiles(seconds, n=20, method="inclusive")
        good = cuts[18] <= GOAL_SECONDS[self.part]
        return (
            f"{what:30} {len(seconds):6} {cuts[9]:7.2f} {cuts[18]:7.2f} "
            f"{max(seconds):7.2f}  {'ok' if good else 'NO'}"
        )


def people(running: Installation) -> list[tuple[Row, Row]]:
    """Contacts that are mailed and alone with their address, with their subscriber."""
    subscribers = {row["email"].lower(): row for row in running.sandbox.subscribers()}
    rows = running.sandbox.contacts()
    addresses = [address_of(row) for row in rows]
    alone = running.mailed() & {a for a in addresses if addresses.count(a) == 1}
    return [(row, subscribers[a]) for row in rows if (a := address_of(row)) in alone]


def noes(
    running: Installation, part: str, ways: Iterable[str], events: int
) -> list[No]:
    """So many in each way, by different people, spread evenly at random."""
    dice = random.Random(SEED)
    told = [way for way in ways for _ in range(events)]
    dice.shuffle(told)
    gaps = [dice.uniform(0.1, 1.9) for _ in told]
    scale = SPREAD_SECONDS[part] / sum(gaps)
    chosen = dice.sample(people(running), len(told))
    return [
        No(way, contact, subscriber, due * scale)
        for way, (contact, subscriber), due in zip(
            told, chosen, accumulate(gaps), strict=True
        )
    ]


@contextmanager
def imported(contacts: int) -> Iterator[tuple[Installation, Processes]]:
    """Everybody is synced; from now on both vendors and the product have limits.

    Nothing runs but Redis and the vendors.
    """
    words = ("--contacts", str(contacts))
    bind = {"RECEIVER_BIND": f"127.0.0.1:{free_port()}", "SYNC_WEBHOOK_SECRET": SECRET}
    with installation(*words, **bind) as running:
        running.setup()
        first = (running.processes.worker(), running.processes.beat())
        running.until(running.has_finished, "the import has ended", IMPORT_SECONDS)
        for process in first:
            process.end()
        limits = {"ghl_rate": RATE, "mailjet_rate": RATE, "latency_ms": LATENCY_MS}
        running.sandbox.settings(**limits)
        running.sandbox.clear_log()
        env = {**running.processes.env, "GHL_RATE": RATE, "MAILJET_RATE": RATE}
        with Processes(env) as processes:
            yield running, processes


def by_webhook(events: int) -> Figures:
    with imported(CONTACTS) as (running, processes), started(processes) as receiver:
        told = noes(running, "webhooks", (TO_GHL, TO_MAILJET), events)
        bulk_under_way(running, processes, receiver)
        figures = watched(running, processes, "webhooks", told)
        run = running.last_run()
        assert run is not None
        done = f"{run.settled} of {run.discovered} contacts were done by the last no"
        if not run.is_active:
            done += ", and the run was over: NO"
        figures.notes.append(f"the resync: {done}, outcomes {dict(run.outcomes)}")
        counts = running.pipeline.inbox.counts()
        figures.notes.append(f"the inbox: {counts}, {running.pipeline.inbox.handled()}")
        return figures


def bulk_under_way(
    running: Installation, processes: Processes, receiver: Receiver
) -> None:
    """A full resync has begun that has something to write for everybody.

    Both vendors post to the receiver from now on.
    """
    for contact in running.sandbox.contacts():
        changed = unseen(contact, city="Faro", firstName=f"A{contact['id'][:5]}")
        running.sandbox.put_contact(**changed)
    listen(running, processes, receiver)
    processes.worker()
    running.until(running.pipeline.processes.slots, "a worker is ready")
    processes.beat()
    before = running.last_run()
    running.call("resync.full")
    running.until(
        lambda: (run := running.last_run()) != before and run and run.settled,
        "the resync is under way",
    )


def listen(running: Installation, processes: Processes, receiver: Receiver) -> None:
    """Have both vendors post to the receiver."""
    done = processes.command("setup", "--webhooks", receiver.url)
    assert done.returncode == 0, done.stdout + done.stderr
    running.sandbox.send_webhooks_to(f"{receiver.url}/webhooks/ghl")


def by_polling(events: int) -> Figures:
    with imported(CONTACTS) as (running, processes):
        told = noes(running, "polling", (TO_GHL, TO_MAILJET, UNSEEN), events)
        processes.worker()
        processes.beat()
        running.until(running.pipeline.processes.slots, "a worker is ready")
        return watched(running, processes, "polling", told)


def watched(
    running: Installation, processes: Processes, part: str, told: list[No]
) -> Figures:
    observer = Observer(running, processes, part, told)
    observer.watch()
    return Figures(part, told, running.sandbox.stats(), observer.loads)


PARTS = {"webhooks": by_webhook, "polling": by_polling}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", choices=list(PARTS), help="else both")
    parser.add_argument("--events", type=int, help="in each way")
    given = parser.parse_args()
    print(
        f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores; {CONTACTS} "
        f"contacts, {RATE} at both vendors, {LATENCY_MS} ms to them",
        flush=True,
    )
    for part in [given.part] if given.part else PARTS:
        print(f"{part}\n{PARTS[part](given.events or EVENTS[part])}", flush=True)


if __name__ == "__main__":
    main()
