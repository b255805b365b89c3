"""What the deploy files start, started; and what their probes say of it."""

import re
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.permit import Lane
from pipeline.store.processes import unserved
from tests.system.installation import Installation, installation
from tests.system.processes import BIN, Process
from tests.valkey import free_port

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
PROBES = {
    "worker-urgent": ("worker", "--node", "urgent"),
    "worker-bulk": ("worker", "--node", "bulk"),
    "beat": ("beat",),
    "flower": ("flower",),
    "receiver": ("receiver",),
}
"""As `tests/unit/test_deploy_files.py` holds them against the files."""


class Deployed:
    """Each unit's command, running as systemd would start it."""

    def __init__(self, running: Installation) -> None:
        self.running = running
        self.processes: dict[str, Process] = {}

    def start(self, name: str) -> None:
        text = (UNITS / f"ghl-mailjet-{name}.service").read_text()
        (command,) = re.findall(r"^ExecStart=(.*)$", text, re.M)
        program, *words = shlex.split(command.replace("%%", "%"))
        program = str(BIN / Path(program).name)
        assert Path(program).exists()
        self.processes[name] = self.running.processes.start(
            name, sys.executable, program, *words
        )

    def health(self, name: str, *options: str) -> int:
        """The exit code of its probe."""
        done = self.running.processes.command("health", *PROBES[name], *options)
        return done.returncode

    def unhealthy(self) -> set[str]:
        with ThreadPoolExecutor() as pool:
            codes = dict(zip(PROBES, pool.map(self.health, PROBES), strict=True))
        return {name for name, code in codes.items() if code}


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    settings = {
        "FLOWER_PORT": str(free_port()),
        "FLOWER_BASIC_AUTH": "ana:pw",
        "RECEIVER_BIND": f"0.0.0.0:{free_port()}",
    }
    with installation("--contacts", "3", **settings) as running:
        running.setup()
        deployed = Deployed(running)
        yield deployed
        for process in deployed.processes.values():
            # Without Redis a worker would take its time to end in order.
            process.kill()


def test_the_probes_tell_what_runs_from_what_does_not(deployed: Deployed) -> None:
    nothing_runs = deployed.unhealthy()
    for name in PROBES:
        deployed.start(name)
    deployed.running.until(lambda: not deployed.unhealthy(), "all are healthy")
    work = deployed.running.resync()
    deployed.processes["worker-bulk"].kill()
    deployed.processes["beat"].kill()
    deployed.running.until(
        lambda: deployed.unhealthy() == {"worker-bulk", "beat"}, "two are missed"
    )
    alone = unserved(deployed.running.pipeline.processes.workers())
    deployed.running.valkey.kill()

    assert nothing_runs == set(PROBES)
    assert work.settled == 3
    assert alone == [Lane.BULK]
    assert deployed.unhealthy() == set(PROBES)
    for name in ("receiver", "flower"):
        # Of those that run, none would be the better for a new start. A probe waits a
        # second for an answer, which a busy machine may take for once.
        deployed.running.until(
            lambda name=name: deployed.health(name, "--liveness") == 0,
            f"the {name} is alive",
        )
