"""What goes out now: nobody waits behind another connection, and the queue stays short.

No vendor is called: leases are taken, and settled by hand.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from pipeline.bootstrap import Kit, Pipeline, build
from pipeline.config import from_env
from pipeline.dispatch import DEFAULT_SLOTS, Dispatcher
from pipeline.permit import Lane, Lease
from pipeline.retry import Cause, Trouble
from pipeline.store.processes import Worker
from tests.builders import TABLE, make_environ
from tests.valkey import Valkey

NAMES = ("acme", "bolt", "cobalt", "delta")
SECTION = f"""{TABLE}ghl_rate = "1000/10"
mailjet_rate = "1000/10"
"""
MANY = 300


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture
def several(server: Valkey, tmp_path: Path) -> Iterator[Pipeline]:
    """Four connections, and no worker that told of itself."""
    file = tmp_path / "connections.toml"
    file.write_text("".join(SECTION.format(name=name) for name in NAMES), "utf-8")
    yield from _pipeline(server, SYNC_CONNECTIONS_FILE=str(file))


@pytest.fixture
def only(server: Valkey) -> Iterator[Pipeline]:
    """One connection, which has budget for more than there are slots."""
    yield from _pipeline(server, GHL_RATE="1000/10", MAILJET_RATE="1000/10")


def _pipeline(server: Valkey, **env: str) -> Iterator[Pipeline]:
    pipeline = build(from_env(make_environ(REDIS_URL=server.url, **env)))
    pipeline.redis.flushdb()
    yield pipeline
    pipeline.redis.close()


def have_slots(pipeline: Pipeline, slots: int) -> None:
    pipeline.processes.worker_started(Worker("boot1", slots, "worker@here"))


def give_work(pipeline: Pipeline, *names: str, lane: Lane = Lane.BULK) -> None:
    for name in names:
        ids = [f"{name}{lane}{number}" for number in range(MANY)]
        pipeline.kit(name).ledger.mark(lane, ids)


def settle(pipeline: Pipeline, leases: list[Lease]) -> None:
    for lease in leases:
        assert pipeline.kit(lease.connection).ledger.settle(lease, "unchanged", None)


def out(leases: list[Lease]) -> dict[str, int]:
    """How many contacts of each connection go out."""
    names = [lease.connection for lease in leases]
    return {name: names.count(name) for name in names}


def leased(redis: Redis, kit: Kit) -> int:
    return int(redis.zcard(kit.ledger.key("leased")))


def test_where_nothing_waits_nothing_goes_out(several: Pipeline) -> None:
    assert Dispatcher(several).idle() == []
    assert several.processes.busy_connections() == 1


def test_who_works_alone_leaves_half_the_slots_to_the_others(several: Pipeline) -> None:
    have_slots(several, 16)
    give_work(several, "bolt")

    assert out(Dispatcher(several).idle()) == {"bolt": 8}


def test_connections_that_work_share_the_slots(several: Pipeline) -> None:
    have_slots(several, 16)
    give_work(several, *NAMES)

    assert out(Dispatcher(several).idle()) == dict.fromkeys(NAMES, 4)


def test_a_worker_that_has_not_told_of_itself_has_sixteen_slots(
    several: Pipeline,
) -> None:
    give_work(several, *NAMES)

    first = Dispatcher(several).idle()

    assert len(first) == DEFAULT_SLOTS


def test_nothing_more_goes_out_while_twice_the_slots_queue(several: Pipeline) -> None:
    have_slots(several, 3)
    give_work(several, *NAMES)
    dispatcher = Dispatcher(several)

    ticks = [len(dispatcher.idle()) for _ in range(3)]

    assert ticks == [4, 0, 0]


def test_more_connections_than_may_queue_have_one_contact_out_each(
    several: Pipeline,
) -> None:
    have_slots(several, 1)
    give_work(several, *NAMES)
    dispatcher = Dispatcher(several)

    leases = dispatcher.idle()

    # A connection without any would wait for ever: the others' settlements send theirs.
    assert out(leases) == dict.fromkeys(NAMES, 1)
    assert dispatcher.idle() == []


def test_where_a_limit_was_hit_no_other_contact_goes_out_to_find_out(
    several: Pipeline,
) -> None:
    have_slots(several, 16)
    give_work(several, "acme", "bolt")
    give_work(several, "bolt", lane=Lane.LIVE)
    several.kit("acme").ledger.rest(Lane.LIVE, 30, "a limit is reached")
    several.kit("bolt").ledger.rest(Lane.BULK, 30, "the day's calls are spent")

    leases = Dispatcher(several).idle()

    assert {(lease.connection, lease.lane) for lease in leases} == {("bolt", Lane.LIVE)}
    assert several.kit("bolt").ledger.resting().startswith("bulk work: the day")


def test_whoever_rests_leaves_its_slots_to_the_others(several: Pipeline) -> None:
    have_slots(several, 16)
    give_work(several, *NAMES)
    several.kit("acme").ledger.rest(Lane.BULK, 30, "the day's calls are spent")
    several.kit("bolt").health.pause(Trouble("ghl", Cause.OUTAGE, "away"))

    assert out(Dispatcher(several).idle()) == {"cobalt": 8, "delta": 8}


def test_a_rest_is_over_within_a_minute(several: Pipeline) -> None:
    ledger = several.kit("acme").ledger
    ledger.rest(Lane.LIVE, 86_400, "the day's calls are spent")

    assert 0 < several.redis.pttl(ledger.key("rests")) <= 60_000


def test_each_tick_begins_with_another_connection(several: Pipeline) -> None:
    have_slots(several, 16)
    give_work(several, *NAMES)
    dispatcher, first = Dispatcher(several), []
    for _ in NAMES:
        leases = dispatcher.idle()
        first.append(leases[0].connection)
        settle(several, leases)

    assert sorted(first) == sorted(NAMES)


def test_after_a_settlement_the_same_connection_goes_on(several: Pipeline) -> None:
    have_slots(several, 16)
    give_work(several, *NAMES)
    dispatcher = Dispatcher(several)
    leases = dispatcher.idle()
    mine = [lease for lease in leases if lease.connection == "acme"]
    kit = several.kit("acme")

    before = dispatcher.following(kit)
    settle(several, mine[:3])

    assert before == []
    assert out(dispatcher.following(kit)) == {"acme": 3}


def test_what_slots_there_are_is_looked_up_again_at_every_tick(
    several: Pipeline,
) -> None:
    have_slots(several, 16)
    give_work(several, "acme")
    dispatcher = Dispatcher(several)
    before = dispatcher.idle()

    have_slots(several, 32)
    more = dispatcher.idle()

    assert (len(before), len(more)) == (8, 8)


def test_no_more_than_six_for_each_slot_are_ever_leased(only: Pipeline) -> None:
    have_slots(only, 4)
    kit, dispatcher, depths = only.kit("default"), Dispatcher(only), []
    for lane in (Lane.BULK, Lane.LIVE, Lane.CONSENT):
        give_work(only, "default", lane=lane)
        for _ in range(3):
            dispatcher.following(kit)
        depths.append(leased(only.redis, kit))

    assert depths == [8, 16, 24]


def test_no_more_go_out_than_what_is_left_of_the_pace_can_serve(only: Pipeline) -> None:
    have_slots(only, 16)
    give_work(only, "default")
    limits = {"X-RateLimit-Max": "20", "X-RateLimit-Interval-Milliseconds": "10000"}
    only.kit("default").ghl_bucket.learn(200, limits, None)

    assert out(Dispatcher(only).idle()) == {"default": 2}
