"""One webhook is told what is wrong: once, until it is mended, and that it is."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import alerting
from pipeline.alert_conditions import conditions
from pipeline.alerting import Check, check
from pipeline.bootstrap import Pipeline
from pipeline.callbacks import note_callbacks, register
from pipeline.cli import main
from pipeline.config import from_env
from pipeline.errors import ConfigError
from pipeline.permit import Lane
from pipeline.store.dead_letters import DeadLetter
from pipeline.store.processes import Worker
from tests.driver import Driver
from tests.sandbox_events import Receiver
from tests.troubles import DEAD_TOKEN
from tests.valkey import free_port
from workers.watch import Watch

Change = Callable[[Driver], object]
SECRET = "a-secret-of-20-chars"
HOUR_MS = 3_600_000
FAR_SECONDS = 4_000_000_000
RUNBOOK = Path(__file__).parents[2] / "deploy" / "RUNBOOK.md"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def well(build_driver, hook) -> Driver:
    """An installation in which all is well, and that tells of it what is not."""
    driver: Driver = build_driver(
        SYNC_ALERT_WEBHOOK_URL=hook.url, SYNC_WEBHOOK_SECRET=SECRET
    )
    redis = driver.pipeline.redis
    for name in ("alerts", "alerts-counts", "alerts-claimed", "alerts-seen"):
        redis.delete(f"gm:{name}")
    redis.delete("gm:inbox-failed")
    driver.setup()
    driver.pipeline.processes.ticked()
    live_with(driver)
    return driver


def look(driver: Driver) -> Check:
    """The look of the next minute."""
    driver.pipeline.redis.delete("gm:alerts-claimed")
    return check(driver.pipeline)


def texts(hook: Receiver) -> list[str]:
    return [json.loads(one.body)["text"] for one in hook.received]


def bury(driver: Driver, ghl_id: str = "x1") -> None:
    driver.ledger.mark(Lane.LIVE, [ghl_id])
    letter = DeadLetter(ghl_id, "Rejected", "why", "live", 1, 1).dump()
    driver.ledger.bury(driver.take(ghl_id), letter, "Rejected")


def set_key(name: str, field: str, value: object) -> Change:
    return lambda driver: driver.pipeline.redis.hset(f"gm:default:{name}", field, value)


def pause(driver: Driver) -> None:
    driver.kit.health.pause(DEAD_TOKEN)
    set_key("health", "since_ms", 1)(driver)


def live_with(driver: Driver, *queues: str) -> None:
    """One worker is alive, for longer than the slowest machine takes for a test."""
    worker = Worker("boot", 16, "one", queues=queues).dump()
    driver.pipeline.redis.delete("gm:workers")
    driver.pipeline.redis.zadd("gm:workers", {worker: FAR_SECONDS})


def wait_long(lane: Lane) -> Change:
    def mark(driver: Driver) -> None:
        driver.ledger.mark(lane, ["x1"])
        driver.pipeline.redis.zadd(f"gm:default:todo:{lane}", {"x1": 1})

    return mark


def drift(**counts: int) -> Change:
    return lambda driver: driver.kit.setup.save_drift(json.dumps(counts))


WRONG: tuple[tuple[str, Change], ...] = (
    ("paused default", pause),
    ("backlog default consent", wait_long(Lane.CONSENT)),
    ("backlog default live", wait_long(Lane.LIVE)),
    ("backlog default bulk", wait_long(Lane.BULK)),
    ("looked default", set_key("success", "looked", 1)),
    ("drift default", drift(mailable=2)),
    ("drift default", drift(unblocked=1)),
    ("report default", drift(at_ms=1)),
    ("dead default", bury),
    (
        "callbacks default",
        lambda driver: driver.kit.freshness.save_callbacks(6, ["open"]),
    ),
    ("sends default", set_key("campaigns", "c\tmail\tfailed\twhy", 3)),
    ("beat", lambda driver: driver.pipeline.redis.set("gm:tick", 1)),
    ("beat", lambda driver: driver.pipeline.redis.delete("gm:tick")),
    ("workers", lambda driver: driver.pipeline.redis.delete("gm:workers")),
    ("queue bulk", lambda driver: live_with(driver, "consent", "live")),
    ("inbox", lambda driver: driver.pipeline.redis.zadd("gm:inbox-failed", {"e": 1})),
)


MAY_PASS = ("backlog ", "looked ", "beat", "workers", "queue ")
"""What begins names of conditions that are told once they have lasted."""


@pytest.mark.parametrize(
    ("name", "break_it"),
    WRONG,
    ids=[f"{i} {name}" for i, (name, _) in enumerate(WRONG)],
)
def test_what_is_wrong_is_told_once_and_leads_to_the_runbook(
    well, hook, name, break_it
):
    calm = look(well)
    break_it(well)
    if name.startswith(MAY_PASS):
        assert look(well) == Check()
        well.pipeline.redis.hset("gm:alerts-seen", name, 1)

    first, second = look(well), look(well)

    assert (calm, first, second) == (Check(), Check(told=(name,)), Check())
    (text,) = texts(hook)
    title = text.partition("deploy/RUNBOOK.md, ")[2].rstrip(")")
    assert f"### {title}\n" in RUNBOOK.read_text("utf-8")


def test_what_is_old_for_a_moment_after_a_pause_is_not_told(well):
    look(well)
    wait_long(Lane.LIVE)(well)
    set_key("success", "looked", 1)(well)
    at_the_end_of_the_pause = look(well)
    well.kit.freshness.looked()
    well.ledger.settle(well.take("x1"), "unchanged", None)
    assert look(well) == at_the_end_of_the_pause == Check()

    set_key("success", "looked", 1)(well)
    assert look(well) == Check()
    well.pipeline.redis.hset("gm:alerts-seen", "looked default", 1)
    assert look(well).told == ("looked default",)


def test_who_is_asked_rarely_is_not_asked_late(build_driver):
    driver = build_driver(SYNC_CHANGES_INTERVAL_SECONDS="3600")
    driver.setup()

    def is_late(seconds: int) -> bool:
        looked_ms = driver.pipeline.processes.now_ms() - seconds * 1000
        set_key("success", "looked", looked_ms)(driver)
        found = conditions(driver.pipeline, [driver.kit])
        return "looked default" in {one.name for one in found}

    assert [is_late(seconds) for seconds in (7_000, 12_000)] == [False, True]


def test_a_nearly_spent_day_is_told(well, monkeypatch):
    look(well)
    facts = (1000, 99)
    monkeypatch.setattr("pipeline.alert_conditions.day_of_ghl", lambda *_: facts)

    assert look(well).told == ("budget default",)


def test_that_it_is_over_is_told_once(well, hook):
    look(well)
    pause(well)
    look(well)
    well.kit.health.resume()

    third, fourth = look(well), look(well)

    assert (third, fourth) == (Check(ended=("paused default",)), Check())
    assert "over after 1 min: default is paused" in texts(hook)[1]
    pause(well)
    assert look(well).told == ("paused default",)


def test_what_is_meant_to_wait_is_not_told(well):
    look(well)
    well.kit.operator_pause.begin()
    for lane in (Lane.LIVE, Lane.BULK):
        wait_long(lane)(well)
    set_key("success", "looked", 1)(well)

    assert look(well) == Check()
    wait_long(Lane.CONSENT)(well)
    well.pipeline.redis.zadd("gm:default:todo:consent", {"x2": 1})
    look(well)
    well.pipeline.redis.hset("gm:alerts-seen", "backlog default consent", 1)
    assert look(well).told == ("backlog default consent",)


def test_a_pause_of_a_moment_is_not_told(well):
    look(well)
    well.kit.health.pause(DEAD_TOKEN)

    assert look(well) == Check()


def test_dead_letters_of_before_are_no_news_and_those_of_an_hour_ago_neither(well):
    bury(well)
    look(well)
    assert look(well) == Check()
    bury(well, "x2")
    assert look(well).told == ("dead default",)
    stored = json.dumps([2, well.pipeline.processes.now_ms() - HOUR_MS])
    well.pipeline.redis.hset("gm:alerts-counts", "dead default", stored)

    assert look(well).ended == ("dead default",)


def test_what_failed_and_was_sent_after_all_is_over(well):
    look(well)
    set_key("campaigns", "c\tmail\tfailed\twhy", 3)(well)
    assert look(well).told == ("sends default",)
    well.pipeline.redis.delete("gm:default:campaigns")

    assert look(well).ended == ("sends default",)


def test_a_webhook_that_is_away_is_told_later(well, hook, caplog):
    look(well)
    pause(well)
    with Receiver(500, 404) as failing:
        away = with_url(well, failing.url)
        assert [look_with(well, away) for _ in range(2)] == [Check(), Check()]
    nowhere = with_url(well, f"http://127.0.0.1:{free_port()}/s3cret")
    assert look_with(well, nowhere) == Check()

    assert look(well).told == ("paused default",)
    assert len(hook.received) == 1
    assert "the alert webhook" in caplog.text
    assert "s3cret" not in caplog.text


def with_url(driver: Driver, url: str) -> Pipeline:
    settings = replace(driver.pipeline.settings, alert_webhook_url=url)
    return replace(driver.pipeline, settings=settings)


def look_with(driver: Driver, pipeline: Pipeline) -> Check:
    driver.pipeline.redis.delete("gm:alerts-claimed")
    return check(pipeline)


def test_two_who_look_at_once_tell_it_once(well):
    look(well)
    pause(well)
    done: list[Check] = []
    with socket.create_server(("127.0.0.1", 0)) as slow:
        slowly = with_url(well, f"http://127.0.0.1:{slow.getsockname()[1]}/")
        first = threading.Thread(target=lambda: done.append(look_with(well, slowly)))
        first.start()
        posting, _ = slow.accept()
        second = check(slowly)
        posting.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        first.join()
        posting.close()
        slow.setblocking(False)
        with pytest.raises(BlockingIOError):
            slow.accept()

    assert (done, second) == ([Check(told=("paused default",))], Check())


def test_nothing_is_told_before_the_first_setup(build_driver, hook):
    driver = build_driver(SYNC_ALERT_WEBHOOK_URL=hook.url)
    driver.pipeline.redis.delete("gm:tick", "gm:workers", "gm:alerts")

    assert look(driver) == Check()


def test_without_an_address_nobody_looks(build_driver):
    driver = build_driver()
    driver.setup()
    driver.pipeline.redis.delete("gm:tick", "gm:workers", "gm:alerts")

    assert look(driver) == Check()
    assert driver.pipeline.redis.exists("gm:alerts-claimed") == 0


def test_no_alert_names_a_person(well, hook, monkeypatch):
    monkeypatch.setattr(alerting, "PASSING_SECONDS", 0)
    look(well)
    ana = well.person()
    well.sync(ana["id"])
    for _, break_it in WRONG:
        break_it(well)
    look(well)

    (text,) = texts(hook)
    assert not [word for word in (ana["id"], ana["email"], "x1", "@") if word in text]


def test_the_receiver_looks_by_itself_as_no_worker_can(well, hook, monkeypatch):
    monkeypatch.setattr(alerting, "PASSING_SECONDS", 0)
    look(well)
    well.pipeline.redis.delete("gm:workers", "gm:tick", "gm:alerts-claimed")
    watch = Watch(well.pipeline, interval_seconds=0.01)
    watch.start()
    hook.wait_for(1)
    watch.stop()

    assert "no worker is alive" in texts(hook)[0]
    assert "no tick of Beat" in texts(hook)[0]


def test_dead_callbacks_are_noted(well):
    note_callbacks(well.kit)
    assert well.kit.freshness.callbacks() is None
    register(well.kit, "https://sync.example.com", lambda _: None)

    note_callbacks(well.kit)

    alive, dead = well.kit.freshness.callbacks() or (0, ())
    assert (alive > 0, dead) == (True, ())


def test_a_test_message_arrives_or_says_why_not(well, hook, monkeypatch):
    typed = CliRunner()
    environ = {**well.sandbox.env, "REDIS_URL": "redis://127.0.0.1:1/0"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    unset = typed.invoke(main, ["alert-test"])
    monkeypatch.setenv("SYNC_ALERT_WEBHOOK_URL", hook.url)
    arrived = typed.invoke(main, ["alert-test"])
    with Receiver(404) as failing:
        monkeypatch.setenv("SYNC_ALERT_WEBHOOK_URL", failing.url)
        refused = typed.invoke(main, ["alert-test", "--json"])

    assert [one.exit_code for one in (unset, arrived, refused)] == [2, 0, 1]
    assert texts(hook) == [alerting.TEST]
    assert json.loads(refused.stdout) == {"arrived": False, "status": 404}
    assert "404" in refused.stderr


@pytest.mark.parametrize("url", ["http://hooks.example.com/s3cret", "s3cret"])
def test_an_address_that_cannot_be_used_is_refused_and_not_repeated(sandbox, url):
    with pytest.raises(ConfigError) as caught:
        from_env({**sandbox.env, "SYNC_ALERT_WEBHOOK_URL": url})

    assert "SYNC_ALERT_WEBHOOK_URL" in str(caught.value.problems)
    assert "s3cret" not in str(caught.value.problems)
