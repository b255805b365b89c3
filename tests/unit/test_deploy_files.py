"""What the deploy files start, and that no way of running it forgets something."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.probes import Process
from pipeline.store.processes import LEAVING_SECONDS

DEPLOY = Path(__file__).parents[2] / "deploy"
OURS = ("worker-urgent", "worker-bulk", "beat", "flower", "receiver")


@cache
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded["services"]


@cache
def unit(name: str) -> dict[str, str]:
    """The last value of each key."""
    text = (DEPLOY / "systemd" / f"ghl-mailjet-{name}.service").read_text()
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.M))


@cache
def deployment(name: str) -> dict[str, Any]:
    documents = yaml.safe_load_all(
        (DEPLOY / "kubernetes" / "base" / f"{name}.yaml").read_text()
    )
    (found,) = (each for each in documents if each["kind"] == "Deployment")
    pod: dict[str, Any] = found["spec"]["template"]["spec"]
    return pod


def container(name: str) -> dict[str, Any]:
    (found,) = deployment(name)["containers"]
    return found


def probes(name: str) -> Iterator[list[str]]:
    """Every command that asks for the health of a process, without `--liveness`."""
    yield compose()[name]["healthcheck"]["test"][1:]
    for kind in ("startupProbe", "readinessProbe"):
        yield container(name)[kind]["exec"]["command"]
    *liveness, last = container(name)["livenessProbe"]["exec"]["command"]
    assert last == "--liveness"
    yield liveness


@pytest.mark.parametrize("name", OURS)
def test_a_process_is_started_alike_everywhere(name: str) -> None:
    by_systemd = unit(name)["ExecStart"].replace("%%", "%")
    by_systemd = by_systemd.removeprefix("/usr/local/lib/ghl-mailjet/bin/")

    assert shlex.split(compose()[name]["command"]) == shlex.split(by_systemd)
    assert container(name)["command"] == shlex.split(by_systemd)


@pytest.mark.parametrize("name", OURS)
def test_a_process_is_asked_alike_everywhere_and_by_its_own_name(name: str) -> None:
    kind, _, node = name.partition("-")
    asked = [
        "ghl-mailjet",
        "health",
        Process(kind),
        *(["--node", node] if node else []),
    ]

    assert list(probes(name)) == [asked] * 4
    assert not node or f"-n {node}@%h" in compose()[name]["command"]


@pytest.mark.parametrize("name", [name for name in OURS if "worker" in name])
def test_a_worker_has_the_time_to_finish(name: str) -> None:
    grace = int(compose()[name]["stop_grace_period"].removesuffix("s"))

    assert grace > LEAVING_SECONDS
    assert int(unit(name)["TimeoutStopSec"]) > LEAVING_SECONDS
    assert deployment(name)["terminationGracePeriodSeconds"] > LEAVING_SECONDS


@pytest.mark.parametrize("name", OURS)
def test_no_line_of_the_example_undoes_what_a_unit_sets(name: str) -> None:
    # systemd lets the file win, whatever comes first; an empty line wins as well.
    text = (DEPLOY / "systemd" / f"ghl-mailjet-{name}.service").read_text()
    told = " ".join(re.findall(r"^Environment=(.*)$", text, re.M))
    example = (DEPLOY.parent / ".env.example").read_text()

    in_file = set(re.findall(r"^([A-Z_]+)=", example, re.M))
    assert not in_file & set(re.findall(r"([A-Z_]+)=", told))


def test_every_queue_has_its_worker() -> None:
    commands = [compose()[name]["command"] for name in OURS if "worker" in name]
    queues = [re.search(r"-Q (\S+)", command) for command in commands]

    served = ",".join(found[1] for found in queues if found)
    assert sorted(served.split(",")) == ["bulk", "consent", "live"]


@pytest.mark.parametrize("name", sorted(compose()))
def test_every_container_is_bounded_watched_and_started_again(name: str) -> None:
    service = compose()[name]

    assert {"healthcheck", "mem_limit"} <= set(service)
    assert service["restart"] == "unless-stopped"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", sorted(compose()))
def test_no_container_is_reached_from_another_machine(name: str) -> None:
    ports = compose()[name].get("ports", [])

    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert name != "redis" or not ports


def test_compose_holds_no_secret_and_starts_not_without_them() -> None:
    text = (DEPLOY / "compose.yaml").read_text()

    assert "${REDIS_PASSWORD:?" in text
    assert "${GRAFANA_PASSWORD:?" in text
    assert not re.findall(r"(?i)(?:password|secret|token)\w*: *[\"']?\w", text)


@pytest.mark.parametrize("name", OURS)
def test_no_pod_is_root_or_writes_where_it_need_not(name: str) -> None:
    pod, own = deployment(name)["securityContext"], container(name)["securityContext"]

    assert pod["runAsNonRoot"] is True
    assert own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
