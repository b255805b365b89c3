"""Applying does what was reviewed, and leaves alone who is not as they were then."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import work
from pipeline.cli import main
from pipeline.errors import ConfigError
from pipeline.planning.applying import apply_plan
from pipeline.planning.plan_file import save_plan
from pipeline.planning.planner import plan
from pipeline.planning.writes import Effect
from pipeline.store.state import connection_key
from pipeline.sync.snapshot import Fingerprint
from tests.driver import Driver, dnd
from tests.sandbox import Row

TAG = "in mailjet"


def with_city(driver: Driver, person: Row) -> None:
    driver.sandbox.put_contact(id=person["id"], city="Faro")


def with_tag(driver: Driver, person: Row) -> None:
    driver.sandbox.put_contact(id=person["id"], tags=["lead", "vip"])


def with_dnd(driver: Driver, person: Row) -> None:
    driver.sandbox.put_contact(id=person["id"], **dnd("active"))


def with_a_note(driver: Driver, person: Row) -> None:
    driver.sandbox.put_note(contactId=person["id"], body="Likes turtles")


def with_an_opt_out_in_mailjet(driver: Driver, person: Row) -> None:
    place = {driver.list_id: {"unsubscribed": True}}
    driver.sandbox.put_subscriber(email=person["email"], lists=place)


def remembered(driver: Driver, contact_id: str) -> dict[str, object]:
    """What state holds of a contact."""
    names = ("snapshots", "writing", "attempts", "dead", "consent", "tokens")
    redis = driver.pipeline.redis
    return {n: redis.hget(connection_key("default", n), contact_id) for n in names}


@pytest.mark.parametrize(
    "drift", [with_city, with_tag, with_dnd, with_a_note, with_an_opt_out_in_mailjet]
)
def test_who_drifted_is_left_alone_and_all_others_are_done(driver, drift):
    changed, other = driver.person(), driver.person()
    made = plan(driver.kit)
    drift(driver, changed)
    before = remembered(driver, changed["id"])
    driver.sandbox.clear_log()

    applied = apply_plan(driver.kit, made)

    assert applied.drifted == (changed["id"],)
    assert remembered(driver, changed["id"]) == before
    assert driver.letters() == []
    assert len(driver.writes()) == 1
    assert driver.on_list(other["email"])
    there = driver.sandbox.subscriber(changed["email"])
    assert there is None or there["lists"][driver.list_id]["unsubscribed"]


def test_who_drifted_is_synced_by_the_next_run_as_ever(driver):
    person = driver.person()
    made = plan(driver.kit)
    with_city(driver, person)
    assert apply_plan(driver.kit, made).drifted == (person["id"],)

    assert driver.sync(person["id"]) == "created"

    assert driver.subscriber(person["email"])["properties"]["city"] == "Faro"


def test_who_drifted_in_the_middle_is_compared_with_the_real_subscriber_next(
    build_driver,
):
    driver = build_driver(SYNC_CONFIRMATION_TAG=TAG)
    driver.setup()
    person = driver.person()
    made = plan(driver.kit)
    [turn] = made.needed
    assert [write.vendor for write in turn.writes] == ["mailjet", "ghl"]
    first = made.turns[0].writes[:1]
    cut = type(turn)(turn.contact_id, turn.outcome, writes=first)

    applied = apply_plan(driver.kit, type(made)(**{**vars(made), "turns": (cut,)}))

    assert applied.drifted == (person["id"],)
    assert remembered(driver, person["id"])["writing"] is not None
    assert driver.sync(person["id"]) == "created"
    assert TAG in driver.sandbox.contact(person["id"])["tags"]


def test_what_is_so_already_is_not_written_again(build_driver):
    driver = build_driver(SYNC_CONFIRMATION_TAG=TAG)
    driver.setup()
    person = driver.person()
    made = plan(driver.kit)
    driver.sandbox.put_contact(id=person["id"], tags=["lead", TAG])

    applied = apply_plan(driver.kit, made)

    assert applied.drifted == ()
    assert applied.totals.routes.keys() < made.totals.routes.keys()
    assert applied.totals.effects == {Effect.SUBSCRIBED: 1}


def test_a_second_application_writes_nothing(driver):
    person = driver.person(**dnd("active"))
    made = plan(driver.kit)
    apply_plan(driver.kit, made)
    driver.sandbox.clear_log()

    applied = apply_plan(driver.kit, made)

    assert driver.writes() == []
    assert applied.already == (person["id"],)


def test_a_vendor_that_fails_for_a_moment_is_asked_again(driver):
    person = driver.person(**dnd("active"))
    made = plan(driver.kit)
    route = "/v3/REST/contact/*"
    driver.sandbox.add_fault(
        "500", vendor="mailjet", method="PUT", route=route, times=1
    )

    applied = apply_plan(driver.kit, made)

    assert applied.totals == made.totals
    assert driver.subscriber(person["email"])["excluded"]


def test_a_paused_connection_ends_the_application(driver):
    people = [driver.person() for _ in range(3)]
    made = plan(driver.kit)
    route = "/contacts/:contactId/notes"
    driver.sandbox.add_fault("scope_missing", vendor="ghl", route=route)

    applied = apply_plan(driver.kit, made)

    assert applied.undone.keys() == {person["id"] for person in people}
    assert all(text.startswith(work.PAUSED) for text in applied.undone.values())
    assert driver.writes() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"connection": "other"}, "the connection 'other'"),
        ({"location_id": "elsewhere"}, "the location elsewhere"),
        ({"list_id": 1}, "list 1"),
        ({"map_digest": b"\0" * 4}, "another mapping"),
    ],
)
def test_a_plan_of_something_else_is_refused(driver, change, words):
    driver.person()
    made = plan(driver.kit)

    with pytest.raises(ConfigError, match=words):
        apply_plan(driver.kit, type(made)(**{**vars(made), **change}))

    assert driver.writes() == []


def test_in_read_only_mode_a_plan_can_be_made_and_not_applied(build_driver):
    build_driver().setup()
    driver = build_driver(SYNC_MODE="read-only")
    driver.person()

    made = plan(driver.kit)

    assert len(made.needed) == 1
    with pytest.raises(ConfigError, match="read-only"):
        apply_plan(driver.kit, made)


def test_the_command_lists_who_drifted_and_ends_with_1(driver, valkey, tmp_path: Path):
    person, path = driver.person(), tmp_path / "plan.bin"
    key = Fingerprint(driver.kit.require_record().key)
    save_plan(plan(driver.kit), path, key)
    with_city(driver, person)
    env = {**driver.sandbox.env, "REDIS_URL": valkey.url}

    ended = CliRunner().invoke(main, ["apply", str(path)], env=env)

    assert ended.exit_code == 1
    assert "1 drifted since the plan" in ended.stdout
    assert person["id"] in ended.stdout
    assert person["email"] not in ended.output
