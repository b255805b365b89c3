"""What a process and its children use: CPU, memory, and their talk with Redis."""

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
AFTER_NAME = re.compile(r"^.*\) ", re.DOTALL)
PARENT, USER, SYSTEM = 1, 11, 12
"""Fields of `/proc/PID/stat` after the name; proc(5)."""
SOCKET = re.compile(r"socket:\[(\d+)\]")


def family(pid: int) -> list[int]:
    """The process and its living descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[PARENT])
    found = [pid]
    for member in found:
        found += [child for child, parent in parents.items() if parent == member]
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and its living descendants."""
    stats = [fields for member in family(pid) if (fields := _stat(member))]
    ticks = sum(int(fields[USER]) + int(fields[SYSTEM]) for fields in stats)
    return ticks / TICKS_PER_SECOND


def resident_mb(pid: int) -> float:
    """RSS of the process and its descendants; shared pages count in each."""
    kilobytes = 0
    for member in family(pid):
        for line in Path(f"/proc/{member}/status").read_text("ascii").splitlines():
            if line.startswith("VmRSS:"):
                kilobytes += int(line.split()[1])
    return kilobytes / 1024


@dataclass(frozen=True)
class Talk:
    """What was said to one database of Redis: commands, those within scripts too, and
    bytes of both directions."""

    commands: int
    size_bytes: int


def talk(redis: Redis, pid: int) -> dict[int, Talk]:
    """By database, over the connections that the process has open now."""
    ports = {port for member in family(pid) for port in _ports(member)}
    commands: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    for client in redis.client_list():
        if int(client["addr"].rpartition(":")[2]) in ports:
            database = int(client["db"])
            commands[database] += int(client["tot-cmds"])
            sizes[database] += int(client["tot-net-in"]) + int(client["tot-net-out"])
    return {number: Talk(commands[number], sizes[number]) for number in commands}


def _ports(pid: int) -> set[int]:
    """Local ports of the process' IPv4 connections."""
    inodes = {
        found[1]
        for entry in Path(f"/proc/{pid}/fd").iterdir()
        if (found := SOCKET.match(os.readlink(entry)))
    }
    ports = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text("ascii").splitlines()[1:]:
        fields = line.split()
        if fields[9] in inodes:
            ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def _stat(pid: int) -> list[str]:
    """Fields after the name; empty when the process has gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return AFTER_NAME.sub("", text).split()
