"""The same job by other means, on the same sandbox with its limits on.

Run: python -m tests.bench.rivals [smoke|quick|standard|full]

Every rival is a script of its own, run as a process: nothing of the product is in it.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.bench.cell import Cell, finish, resyncing
from tests.bench.report import Section, Size
from tests.sandbox import Row, Sandbox
from tests.system.installation import address_of, is_address

CALLS, SECONDS = 100, 10
LATENCY_MS = 20
ROOT = Path(__file__).parents[3]
LONGEST_SECONDS = 1200.0
CONTACTS = {
    Size.SMOKE: 120,
    Size.QUICK: 150,
    Size.STANDARD: 1_000,
    Size.FULL: 4_000,
}
RIVALS = {
    "SDK loop, careless": ("highlevel", "sdk_loop", "careless"),
    "SDK loop, careful": ("highlevel", "sdk_loop", "careful"),
    "dlt pipeline": ("dlt", "dlt_pipeline"),
}
"""Package it needs, script and its words."""


@dataclass(frozen=True)
class Figures:
    """What is in Mailjet afterwards, and what it took.

    Args:
        there, wanted: addresses of GHL on Mailjet's list, and all that can be mailed.
        refused: answers 429 of both vendors.
        calls: of the busier vendor, those refused too.
        seconds: between that vendor's first call and its last.
        ended: exit status.
    """

    there: int
    wanted: int
    refused: int
    calls: int
    seconds: float
    ended: int

    @classmethod
    def of(cls, sandbox: Sandbox, ended: int = 0) -> "Figures":
        wanted = {
            email
            for contact in sandbox.contacts()
            if is_address(email := address_of(contact))
        }
        list_id = sandbox.env["MAILJET_LIST_ID"]
        there = {
            row["email"].lower()
            for row in sandbox.subscribers()
            if list_id in row["lists"]
        }
        stats: dict[str, Row] = sandbox.stats()
        busier = max(stats.values(), key=lambda vendor: int(vendor["calls"]))
        return cls(
            there=len(wanted & there),
            wanted=len(wanted),
            refused=sum(vendor["answers_429"] for vendor in stats.values()),
            calls=busier["calls"],
            seconds=busier["last_arrival"] - busier["first_arrival"],
            ended=ended,
        )

    @property
    def floor_seconds(self) -> float:
        """One call for each address, at the pace of the allowance."""
        return self.wanted * SECONDS / CALLS


def measure(size: Size) -> Section:
    """One after the other, each on a sandbox of its own; the product last."""
    contacts = CONTACTS[size]
    found = {
        name: _run(contacts, *script)
        for name, (package, *script) in RIVALS.items()
        if find_spec(package) is not None
    }
    found["this pipeline"] = _ours(contacts)
    absent = [name for name in RIVALS if name not in found]
    return Section(
        title="Rivals",
        about=(
            f"{contacts} contacts from GHL into a Mailjet list; both vendors allow "
            f"{CALLS} calls in {SECONDS} s (sliding) and answer in {LATENCY_MS} ms. "
            "The floor is one call for each address, at the pace of the allowance."
        ),
        head=("who", "in Mailjet", "429s", "calls", "seconds", "over the floor", ""),
        rows=tuple(_row(name, figures) for name, figures in found.items()),
        notes=(
            *(f"Not installed, so left out: {name}." for name in absent),
            "The rivals carry the address (the SDK loop the name as well) and nothing "
            "else, and know no opt-outs; this pipeline carries everything, in more "
            "calls. Whoever begins with a full window is up to "
            f"{SECONDS} s earlier than the pace: that counts among few contacts.",
        ),
    )


def _row(name: str, figures: Figures) -> tuple[str, ...]:
    ended = "" if not figures.ended else f" (ended with {figures.ended})"
    over = figures.seconds - figures.floor_seconds
    ratio = figures.seconds / figures.floor_seconds
    is_done = figures.there == figures.wanted
    return (
        name + ended,
        f"{figures.there} of {figures.wanted}",
        str(figures.refused),
        str(figures.calls),
        f"{figures.seconds:.1f}",
        f"{over:+.1f} ({ratio:.2f} times)" if is_done else "not done",
        "ok" if is_done and not figures.refused else "NO",
    )


def _run(contacts: int, script: str, *words: str) -> Figures:
    rate = f"{CALLS}/{SECONDS}"
    with (
        Sandbox(
            *("--contacts", str(contacts), "--latency-ms", str(LATENCY_MS)),
            *("--ghl-rate", rate, "--mailjet-rate", rate),
        ) as sandbox,
        tempfile.TemporaryFile() as said,
    ):
        done = subprocess.run(
            [sys.executable, "-m", f"tests.bench.rivals.{script}", *words],
            cwd=ROOT,
            env={**os.environ, **sandbox.env},
            stdout=said,
            stderr=subprocess.STDOUT,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        if done.returncode:
            said.seek(0)
            print(said.read()[-3000:].decode("utf-8", "replace"), file=sys.stderr)
        return Figures.of(sandbox, done.returncode)


def _ours(contacts: int) -> Figures:
    cell = Cell("sliding", LATENCY_MS, 16, 1, f"{CALLS}/{SECONDS}")
    with resyncing(cell, contacts) as running:
        finish(running, contacts)
        return Figures.of(running.sandbox)


if __name__ == "__main__":
    print(measure(Size(*sys.argv[1:] or [Size.QUICK])))
