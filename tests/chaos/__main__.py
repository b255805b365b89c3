"""Kill processes, break Redis and lose answers, and look whether anything was lost.

Run: make chaos, or python -m tests.chaos --seed 7 --runs 1
"""

import argparse
import secrets
import sys
from statistics import quantiles

from tests.chaos.events import with_events
from tests.chaos.kills import Report, with_kills
from tests.chaos.lost_answers import with_kills_while_making, with_lost_answers
from tests.chaos.redis_faults import FAULTS, with_redis_fault
from tests.chaos.triggers import with_triggers

EVENT_KILLS = 12
"""Of the receiver, the worker, Redis, and all three at once."""
TRIGGER_KILLS = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--runs", type=int, default=10, help="with kills, 10")
    parser.add_argument("--kills", type=int, default=10, help="in each run, 10")
    parser.add_argument("--contacts", type=int, default=1000, help="in each run, 1000")
    parser.add_argument(
        "--rate", default="200/10", help="calls/seconds of both vendors"
    )
    parser.add_argument(
        "--answers", type=int, default=200, help="lost, of each fault and vendor, 200"
    )
    parser.add_argument(
        "--events", type=int, default=300, help="posted while 12 are killed, 300"
    )
    parser.add_argument(
        "--triggers", type=int, default=10_000, help="of mails, 20 kills, 10000"
    )
    given = parser.parse_args()
    print(f"seed {given.seed}: {sys.executable} -m tests.chaos --seed {given.seed}")
    reports = []
    for seed in range(given.seed, given.seed + given.runs):
        report = with_kills(seed, given.contacts, given.kills, given.rate)
        tell(f"seed {seed}: {len(report.kills)} kills", report)
        reports.append(report)
    for name in FAULTS:
        report = with_redis_fault(name, given.seed, given.contacts, given.rate)
        tell(f"Redis {name}", report)
        reports.append(report)
    summarise(reports)
    wrong = [problem for report in reports for problem in report.wrong]
    events = with_events(
        given.seed, given.events, EVENT_KILLS, max(60, given.events), given.rate
    )
    print(events.line, *events.wrong, sep="\n  ", flush=True)
    wrong += events.wrong
    triggers = with_triggers(given.seed, given.triggers, TRIGGER_KILLS)
    print(triggers.line, *triggers.wrong, sep="\n  ", flush=True)
    wrong += triggers.wrong
    for losses in (*with_lost_answers(given.answers), *with_kills_while_making(10)):
        print(losses.line, flush=True)
        wrong += losses.wrong
    return 1 if wrong else 0


def tell(what: str, report: Report) -> None:
    """One line, and one more for everything that is wrong."""
    print(
        f"{what}: {report.settled} settled in {report.seconds:.0f} s, "
        f"{report.edited} edited meanwhile, {report.upserts} upserts, "
        f"{report.answers_429} answers 429, {len(report.wrong)} wrong",
        flush=True,
    )
    for problem in report.wrong:
        print(f"  {problem}", flush=True)


def summarise(reports: list[Report]) -> None:
    kills = [kill for report in reports for kill in report.kills]
    if len(kills) < 2:
        return
    for what, seconds in (
        ("from the kill to the next worker's `ready`", [kill.down for kill in kills]),
        ("from there to the next settlement", [kill.recovery for kill in kills]),
    ):
        cuts = quantiles(seconds, n=20, method="inclusive")
        print(
            f"{what}: p50 {cuts[9]:.2f} s, p95 {cuts[18]:.2f} s, "
            f"max {max(seconds):.2f} s, {len(seconds)} kills"
        )


if __name__ == "__main__":
    sys.exit(main())
