"""How soon an edit reaches Mailjet while a bulk resync of the same location runs.

Run: python -m tests.bench.lanes [smoke|quick|standard|full]

Receiver, worker and Beat run as an operator starts them. The resync has something to
write for everybody. The sandbox is asked through its back door, which counts as no
call. The calls of the slowest edits are printed.
"""

import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from statistics import quantiles

from pipeline.sandbox.limits import Rate, parse_rate
from pipeline.store.records import Run
from tests.bench.consent import LATENCY_MS, RATE, bulk_under_way, imported
from tests.bench.editing import CONSENT, LIVE, LOOK_SECONDS, Edit, Editor, chosen
from tests.bench.report import Section, Size
from tests.sandbox import Row
from tests.system.receiving import started

AFTERWARDS_SECONDS = 2.0
"""What follows the write, such as reading it back, is the live lane's as well."""
GOAL_SECONDS, GOAL_SHARE = 2.0, 0.8
SLOWEST = 5
"""So many edits are told with their calls."""
VENDORS = ("ghl", "mailjet")
ABOUT = (
    f"Both vendors allow {RATE} (calls in seconds) and answer after {LATENCY_MS} ms. "
    "While a full resync writes everybody, some are edited in GHL, by webhook: seconds "
    "from the receiver's 200 until the field, or the unsubscription, is in Mailjet; "
    f"both are looked for every {LOOK_SECONDS * 1000:.0f} ms. Goal: p95 at most "
    f"{GOAL_SECONDS:g} s, bulk gets at least {GOAL_SHARE:.0%} of what the edits leave, "
    "no answer 429."
)


@dataclass(frozen=True)
class Plan:
    """So many edits evenly over so many seconds, among so many contacts."""

    contacts: int
    edits: int
    seconds: float


PLANS = {
    Size.SMOKE: Plan(200, 6, 15.0),
    Size.QUICK: Plan(400, 20, 80.0),
    Size.STANDARD: Plan(1_000, 60, 200.0),
    Size.FULL: Plan(2_500, 180, 600.0),
}


@dataclass(frozen=True)
class Figures:
    """What came of it.

    Args:
        log: all calls to both vendors.
        run: as it was after the last arrival.
    """

    edits: list[Edit]
    log: list[Row]
    run: Run

    @property
    def began(self) -> float:
        """The first edit, in monotonic seconds."""
        return min(edit.said for edit in self.edits)

    @property
    def ended(self) -> float:
        """The last arrival, in monotonic seconds."""
        return max(edit.arrived for edit in self.edits)

    @property
    def calls(self) -> list[Row]:
        """Between these two."""
        return [x for x in self.log if self.began <= x["arrival"] <= self.ended]

    def by_lane(self) -> Counter[tuple[str, str]]:
        """Calls by vendor and lane; what is about nobody who was edited is bulk."""
        found: Counter[tuple[str, str]] = Counter()
        for call in self.calls:
            edit = self._edit_of(call)
            found[call["vendor"], edit.kind if edit else "bulk"] += 1
        return found

    def slowest(self) -> str:
        """The calls of those that took longest, in seconds since the answer."""
        lines = []
        for edit in sorted(self.edits, key=lambda x: x.answered - x.arrived)[:SLOWEST]:
            lines.append(f"{edit.kind}: {edit.arrived - edit.answered:.2f} s")
            lines += [
                f"  {call['arrival'] - edit.answered:6.2f} {call['vendor']} "
                f"{call['method']} {call['route']}"
                for call in self.log
                if self._edit_of(call) is edit
            ]
        return "\n".join(lines)

    def _edit_of(self, call: Row) -> Edit | None:
        """Whose call it is; None for bulk's."""
        edit = self._owners.get(call["contact"])
        end = edit.arrived + AFTERWARDS_SECONDS if edit else 0.0
        return edit if edit and edit.said <= call["arrival"] <= end else None

    @cached_property
    def _owners(self) -> dict[str | int | None, Edit]:
        return {
            about: edit
            for edit in self.edits
            for about in (edit.contact["id"], edit.subscriber["id"])
        }

    def rows(self) -> list[tuple[str, str, str, str]]:
        rows = [self._times(kind) for kind in (LIVE, CONSENT)]
        lanes = self.by_lane()
        for vendor in VENDORS:
            told = " / ".join(str(lanes[vendor, x]) for x in ("bulk", LIVE, CONSENT))
            what = f"calls to {vendor}: bulk / {LIVE} / {CONSENT}"
            rows.append((what, told, "", ""))
        rate = parse_rate(RATE)
        assert rate is not None, RATE
        share = self._share(rate, lanes)
        good = "ok" if share >= GOAL_SHARE else "NO"
        rows.append(
            ("bulk's share of what is left", f"{share:.3f}", f">= {GOAL_SHARE}", good)
        )
        refused = sum(call["status"] == 429 for call in self.calls)
        rows.append(("answers 429", str(refused), "0", "NO" if refused else "ok"))
        return rows

    def _share(self, rate: Rate, lanes: Counter[tuple[str, str]]) -> float:
        """Bulk's, of the allowance of the busier vendor less what was for edits."""
        busier = max(VENDORS, key=lambda vendor: lanes[vendor, "bulk"])
        others = lanes[busier, LIVE] + lanes[busier, CONSENT]
        seconds = self.ended - self.began
        allowance = seconds * rate.calls / rate.seconds
        return lanes[busier, "bulk"] / (allowance - others)

    def _times(self, kind: str) -> tuple[str, str, str, str]:
        own = [edit for edit in self.edits if edit.kind == kind]
        seconds = [edit.arrived - edit.answered for edit in own]
        cuts = quantiles(seconds, n=20, method="inclusive")
        told = f"{cuts[9]:.2f} / {cuts[18]:.2f} / {max(seconds):.2f}"
        good = "ok" if cuts[18] <= GOAL_SECONDS else "NO"
        what = f"{kind}, {len(own)} times: p50 / p95 / max s"
        return what, told, f"p95 <= {GOAL_SECONDS:g}", good


def run(plan: Plan) -> Figures:
    """Edit while the resync is under way."""
    with (
        imported(plan.contacts) as (running, processes),
        started(processes) as receiver,
    ):
        edits = chosen(running, plan.edits, plan.seconds)
        bulk_under_way(running, processes, receiver)
        try:
            Editor(running, edits).watch()
        except AssertionError as error:
            error.add_note(processes.logs())
            raise
        last = running.last_run()
        assert last is not None
        return Figures(edits, running.sandbox.log(), last)


def measure(size: Size) -> Section:
    """While a resync runs; a note says if it ended too early."""
    plan = PLANS[size]
    figures = run(plan)
    print(figures.slowest(), flush=True)
    last = figures.run
    note = (
        f"{last.settled} of {last.discovered} contacts were written by the last edit."
    )
    if not last.is_active:
        note = "NO: the resync was over before the last edit."
    head = ("figure", "measured", "goal", "")
    rows = tuple(figures.rows())
    return Section("Lanes", ABOUT, head, rows, (note,))


if __name__ == "__main__":
    print(measure(Size(*sys.argv[1:] or ["standard"])))
