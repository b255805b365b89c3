"""Flower as typed in the README: behind a login, on this machine, and read-only."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.system.installation import Installation, installation
from tests.system.processes import Process, Processes
from tests.valkey import free_port

MADE_UP = re.compile(r"Flower: user operator, password (\S+) for this start")
CALL_SECONDS = 30.0
LOGIN = ("ana", "pw")


@dataclass(frozen=True)
class Flower:
    """A Flower that answers, and where."""

    process: Process
    port: int

    def get(
        self, path: str, login: tuple[str, str] | None = None, ip: str = "127.0.0.1"
    ):
        url = f"http://{ip}:{self.port}{path}"
        return requests.get(url, auth=login, timeout=CALL_SECONDS)

    def post(self, path: str, login: tuple[str, str]) -> requests.Response:
        url = f"http://127.0.0.1:{self.port}{path}"
        return requests.post(url, auth=login, timeout=CALL_SECONDS)

    def a_task_seen(self, running: Installation) -> str:
        """Call one until it is seen, as what came before Flower listened is not."""
        called: list[str] = []
        seen: list[str] = []

        def look() -> bool:
            called.append(running.processes.call("consent.report"))
            tasks = self.get("/api/tasks", LOGIN).json()
            seen.extend(task for task in called if task in tasks)
            return bool(seen)

        running.until(look, "a task is seen")
        return seen[0]

    @property
    def made_up_login(self) -> tuple[str, str] | None:
        found = MADE_UP.search(self.process.log)
        return ("operator", found[1]) if found else None


def start(running: Installation, **env: str) -> Iterator[Flower]:
    port = free_port()
    settings = {**running.processes.env, "FLOWER_PORT": str(port), **env}
    with Processes(settings) as processes:
        flower = processes.flower()
        flower.wait_for("Connected to redis")
        yield Flower(flower, port)


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    """A worker is there to be looked at."""
    with installation("--contacts", "0") as running:
        running.processes.worker()
        running.until(running.pipeline.processes.slots, "a worker is ready")
        yield running


@pytest.fixture(scope="module")
def flower(running: Installation) -> Iterator[Flower]:
    """Nobody set anything; an empty line of `.env` is no setting."""
    yield from start(running, FLOWER_BASIC_AUTH="", FLOWER_ADDRESS="")


@pytest.fixture(scope="module")
def flower_with_login(running: Installation) -> Iterator[Flower]:
    yield from start(running, FLOWER_BASIC_AUTH="ana:my own password")


@pytest.mark.parametrize("path", ["/", "/workers", "/tasks", "/broker", "/api/workers"])
def test_every_page_asks_for_the_login(flower: Flower, path: str) -> None:
    login = flower.made_up_login
    assert login is not None

    refused = [flower.get(path), flower.get(path, ("operator", "a guess"))]

    assert [answer.status_code for answer in refused] == [401, 401]
    assert flower.get(path, login).status_code == 200


def test_flower_listens_to_this_machine_alone(flower: Flower) -> None:
    # Another address of the loopback: who listens on all addresses answers there too.
    with pytest.raises(requests.ConnectionError):
        flower.get("/healthcheck", ip="127.0.0.2")

    assert flower.get("/healthcheck").status_code in {200, 401}


def test_flower_shows_and_changes_nothing(
    running: Installation, flower: Flower
) -> None:
    login = flower.made_up_login
    assert login is not None
    # Flower asks once, which may be before the worker is there, unless told to again.
    workers = "/api/workers?refresh=1"
    running.until(lambda: flower.get(workers, login).json(), "a worker is seen")
    (worker,) = flower.get("/api/workers", login).json()

    answers = [
        flower.post(path, login)
        for path in (
            f"/api/worker/shutdown/{worker}",
            f"/api/worker/pool/restart/{worker}",
            f"/api/worker/queue/cancel-consumer/{worker}?queue=bulk",
            "/api/task/async-apply/resync.full",
        )
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert running.pipeline.processes.slots() > 0


def test_a_password_is_made_up_when_none_is_set_and_differs_each_time(
    running: Installation, flower: Flower
) -> None:
    first = flower.made_up_login
    for other in start(running):
        second = other.made_up_login
        answers = [other.get("/", login).status_code for login in (first, second)]

    assert first is not None
    assert second is not None
    assert len(first[1]) >= 12
    assert answers == [401, 200]


def test_a_password_that_is_set_is_taken_and_not_shown(
    flower_with_login: Flower,
) -> None:
    answer = flower_with_login.get("/", ("ana", "my own password"))

    assert answer.status_code == 200
    assert flower_with_login.made_up_login is None
    assert "my own password" not in flower_with_login.process.log


def test_tasks_outlive_flower_where_it_has_a_file(
    running: Installation, tmp_path: Path
) -> None:
    settings = {"FLOWER_BASIC_AUTH": "ana:pw", "FLOWER_DB": str(tmp_path / "flower")}
    for first in start(running, **settings):
        seen = first.a_task_seen(running)

    for second in start(running, **settings):
        remembered = second.get("/api/tasks", LOGIN).json()

    assert remembered[seen]["name"] == "consent.report"


def test_flower_lives_under_the_path_that_a_proxy_gives_it(
    running: Installation,
) -> None:
    settings = {"FLOWER_BASIC_AUTH": "ana:pw", "FLOWER_URL_PREFIX": "flower"}
    for flower in start(running, **settings):
        page = flower.get("/flower/workers", LOGIN)
        refused = flower.get("/flower/workers")
        links = set(re.findall(r'(?:href|src)="(/[^"]*)"', page.text))
        style = next(link for link in sorted(links) if ".css" in link)

        assert (page.status_code, refused.status_code) == (200, 401)
        assert {link.split("/")[1] for link in links} == {"flower"}
        assert flower.get(style, LOGIN).status_code == 200
        assert flower.get("/workers", LOGIN).status_code == 404


def test_only_flower_makes_up_a_password(running: Installation) -> None:
    logs = "".join(running.processes.full_logs())

    assert "celery@" in logs
    assert "password" not in logs
