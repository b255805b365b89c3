"""Measure every figure of the product, one part after the other, into `RESULTS.md`.

Run: python -m tests.bench smoke|quick|standard|full [PART...]

Without parts all of them. Only the sections of these parts and this size are replaced.
"""

import argparse
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tests.bench.report import RESULTS, Section, Size
from tests.bench.results import Moment, put, stamped

PARTS = {
    "utilisation": "utilisation",
    "lanes": "lanes",
    "fairness": "fairness",
    "flat": "flat",
    "cost": "cost",
    "limiter": "limiter",
}
"""Name to the module with its `measure`."""
MORE = {"pools": "pools", "rivals": "rivals.__main__"}
"""Only where they are named: what we are compared with, not what we promise."""
MODULES = PARTS | MORE


def attempt(part: str, size: Size) -> tuple[Section, bool]:
    """The part's section, or one that says how it failed; whether it is measured."""
    try:
        section: Section = import_module(f"tests.bench.{MODULES[part]}").measure(size)
    except Exception as error:
        traceback.print_exc()
        words = f"{type(error).__name__}: {error}".splitlines()[0].replace("|", "/")
        head, row = ("part", "failed with", ""), (part, words, "NO")
        return Section(part.capitalize(), "Not measured.", head, (row,)), False
    return section, True


def run(parts: Sequence[str], size: Size, results: Path = RESULTS) -> bool:
    """Measure these parts; whether all of them came to their end."""
    command = " ".join(["python -m tests.bench", size, *parts])
    all_measured = True
    for part in parts or PARTS:
        began = Moment.now()
        section, is_measured = attempt(part, size)
        all_measured = all_measured and is_measured
        section = stamped(section, size, began, Moment.now())
        print(section, flush=True)
        put(results, command, part, size, section)
    return all_measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", type=Size, choices=list(Size))
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(MODULES))
    given = parser.parse_args()
    if unknown := set(given.parts) - MODULES.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    raise SystemExit(0 if run(given.parts, given.size) else 1)


if __name__ == "__main__":
    main()
