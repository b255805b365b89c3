"""What a worker counts, and what the receiver tells of the state, on both vendors."""

import re
import socket
from collections.abc import Iterator

import pytest
import requests
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipeline import metrics
from pipeline.permit import Lane
from pipeline.store.dead_letters import DeadLetter
from tests.driver import Driver, dnd
from tests.valkey import free_port
from workers.exporter import Exporter
from workers.worker_metrics import WorkerMeters

Labels = tuple[tuple[str, str], ...]
PREFIX = metrics.PREFIX
MANAGE = "POST /v3/REST/contactslist/:listId/managecontact"


@pytest.fixture
def meters() -> WorkerMeters:
    return WorkerMeters()


@pytest.fixture
def metered(build_driver, meters) -> Driver:
    driver: Driver = build_driver(meters=meters)
    driver.setup()
    return driver


def samples(text: str) -> dict[tuple[str, Labels], float]:
    """Value by name and labels."""
    return {
        (one.name.removeprefix(PREFIX), tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def counted(meters: WorkerMeters) -> dict[tuple[str, Labels], float]:
    return samples(generate_latest(meters.registry).decode())


def told(driver: Driver) -> dict[tuple[str, Labels], float]:
    return samples(Exporter(driver.pipeline).text().decode())


def of(**labels: str) -> Labels:
    return tuple(sorted({"connection": "default", **labels}.items()))


def test_a_worker_tells_what_it_did(metered, meters):
    ana = metered.person()
    metered.sync(ana["id"])
    metered.sandbox.put_contact(id=ana["id"], **dnd("active"))
    metered.sync(ana["id"])

    found = counted(meters)

    one = {
        ("synced_contacts_total", of(lane="live", outcome="created")): 1,
        ("synced_contacts_total", of(lane="live", outcome="opted out")): 1,
        ("consent_changes_total", of(to="closed", source="ghl-email-dnd")): 1,
        ("change_lag_seconds_count", of(lane="live")): 2,
    }
    assert {key: found.get(key) for key in one} == one
    routes = {
        dict(labels)["route"]
        for name, labels in found
        if name == "vendor_calls_total" and ("vendor", "mailjet") in labels
    }
    assert MANAGE in routes
    waits = sum(
        v for (name, _), v in found.items() if name.endswith("wait_seconds_count")
    )
    sent = sum(v for (name, _), v in found.items() if name == "vendor_calls_total")
    assert waits == sent


def test_a_failure_is_counted_by_its_cause(metered, meters):
    ana = metered.person()
    metered.sandbox.add_fault("refused", vendor="mailjet", message="no")

    metered.sync(ana["id"])

    key = ("failed_attempts_total", of(vendor="mailjet", cause="Rejected"))
    assert counted(meters).get(key) == 1


def test_no_label_names_a_person(metered, meters):
    def series() -> set[tuple[str, Labels]]:
        return {*counted(meters), *told(metered)}

    some = [metered.person() for _ in range(2)]
    for one in some:
        metered.sync(one["id"])
    before = series()
    more = [metered.person() for _ in range(10)]
    for one in more:
        metered.sync(one["id"])

    assert series() == before
    text = repr(before)
    assert not [one for one in (*some, *more) if one["id"] in text]
    assert "@" not in text
    allowed = {label for row in metrics.TABLE for label in row.labels}
    assert {name for _, labels in before for name, _ in labels} <= allowed | {"le"}


def test_a_first_failure_of_the_receiver_is_an_increase(build_driver):
    driver = build_driver()
    driver.pipeline.redis.delete("gm:received")

    before = told(driver)
    driver.pipeline.inbox.count_received({"ghl:5xx": 4})

    failed = ("received_requests_total", (("source", "ghl"), ("status", "5xx")))
    assert (before[failed], told(driver)[failed]) == (0, 4)


def test_the_receiver_tells_what_waits_what_worked_and_what_is_left(metered):
    metered.full_run()
    ana = metered.person()
    metered.sync(ana["id"])
    metered.discovery.changes()
    metered.ledger.mark(Lane.LIVE, ["x1"])
    lease = metered.take("x1")
    letter = DeadLetter("x1", "Rejected", "why", "live", 1, 1)
    metered.ledger.bury(lease, letter.dump(), "Rejected")
    metered.ledger.mark(Lane.LIVE, ["x2"])
    metered.pipeline.redis.zadd("gm:default:todo:live", {"x2": 1_000})
    metered.kit.freshness.save_callbacks(6, ["open"])

    found = told(metered)

    assert found["dead_letters_by_cause", of(cause="Rejected")] == 1
    assert found["oldest_waiting_age_seconds", of(lane="live")] > 1_000_000
    assert found["oldest_waiting_age_seconds", of(lane="bulk")] == 0
    assert found["budget_day_calls", of(vendor="ghl")] == 200_000
    left = found["budget_left_calls", of(vendor="ghl")]
    assert left == 200_000 - found["budget_used_calls", of(vendor="ghl")]
    assert found["budget_pace_calls_per_second", of(vendor="mailjet-send")] > 0
    assert found["run_active", of()] == 0
    assert found["run_contacts", of(state="settled")] == 0
    assert found["webhook_callbacks", of(state="dead")] == 1
    now = metered.pipeline.processes.now_ms() / 1000
    for what in ("looked", "synced"):
        assert now - 60 < found["last_success_timestamp_seconds", of(what=what)] <= now


def test_every_row_of_the_state_is_told(metered):
    text = Exporter(metered.pipeline).text().decode()

    typed = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
    assert typed == {row.full_name for row in metrics.STATE}


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_answers_with_what_was_counted(meters):
    port = free_port()
    meters.count(metrics.FAILED, "default", "ghl", "VendorDown")
    meters.serve(f"127.0.0.1:{port}")

    text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text

    key = ("failed_attempts_total", of(vendor="ghl", cause="VendorDown"))
    assert samples(text)[key] == 1


@pytest.mark.parametrize("bind", ["nowhere", "127.0.0.1:99999", "127.0.0.1:"])
def test_a_port_that_cannot_be_had_is_done_without(meters, caplog, bind):
    meters.serve(bind)

    assert f"WORKER_METRICS_BIND={bind}: no metrics" in caplog.text


def test_a_taken_port_is_done_without(meters, caplog, taken_port):
    meters.serve(f"127.0.0.1:{taken_port}")

    assert "no metrics" in caplog.text
