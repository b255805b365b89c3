"""What is kept of what people do with their mails, for the rules that want it."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from pipeline.store.engagement import (
    KEPT_SECONDS,
    MARKS_MOST,
    URL_LENGTH,
    WAITING_MOST,
    WAITING_SECONDS,
    EngagementStore,
)
from pipeline.sync.deeds import KeepSummary
from pipeline.sync.mail_event import EventKind, MailEvent
from pipeline.sync.rules import Rule
from tests.builders import make_event, make_rule

ADDRESS, OTHER = b"8 bytes.", b"\x00\xff:\n\x80*? "
NOW_MS = round(time.time()) * 1000
CALLS = make_rule(name="calls")
NOTES = make_rule(KeepSummary(), name="notes", on=frozenset({EventKind.OPEN}))
KINDS = st.sampled_from([EventKind.SENT, EventKind.OPEN, EventKind.CLICK])
EVENTS = st.builds(
    make_event,
    kind=KINDS,
    at_ms=st.integers(0, 9).map(lambda seconds: NOW_MS - seconds * 1000),
    message_id=st.integers(0, 3),
    campaign_id=st.integers(1, 2),
    campaign=st.sampled_from(["", "Spring", "Été"]),
    url=st.sampled_from(["https://a", "https://b?ü=\ud83d"]),
)
Build = Callable[..., EngagementStore]


def click(number: int = 0, **fields: object) -> MailEvent:
    return make_event(at_ms=NOW_MS + number * 1000, **fields)


@pytest.fixture
def build(redis: Redis) -> Build:
    def build(*rules: Rule) -> EngagementStore:
        return EngagementStore(redis, "default", rules)

    return build


def keys(redis: Redis) -> set[str]:
    return {key.decode() for key in redis.scan_iter("gm:default:*")}


def test_without_a_rule_that_wants_it_nothing_is_kept(
    redis: Redis, build: Build
) -> None:
    assert not build().add(ADDRESS, [click()])
    assert not build(CALLS).add(ADDRESS, [click(kind=EventKind.UNSUB)])

    assert keys(redis) == set()


def test_what_waits_is_handed_out_oldest_first_until_it_is_handled(
    build: Build,
) -> None:
    store = build(CALLS)
    assert store.add(ADDRESS, [click(3), click(1)])
    assert store.add(ADDRESS, [click(2), click(1)])
    assert store.add(OTHER, [click(9)])

    assert store.of(ADDRESS) == (click(1), click(2), click(3))
    store.handled(ADDRESS, store.of(ADDRESS)[:2])
    store.handled(ADDRESS, ())
    assert store.of(ADDRESS) == (click(3),)
    assert store.of(OTHER) == (click(9),)


def test_what_a_note_only_counts_asks_for_no_sync(build: Build) -> None:
    store = build(NOTES)

    assert not store.add(ADDRESS, [click(kind=EventKind.SENT), click(url="https://a")])
    assert store.of(ADDRESS) == ()
    (campaign,) = store.campaigns(ADDRESS).values()
    assert (campaign.mails, campaign.opened) == (1, 1)
    assert campaign.clicked == ("https://a",)
    assert store.campaigns(OTHER) == {}


def test_no_address_is_kept_and_events_without_a_message_are_told_apart(
    redis: Redis, build: Build
) -> None:
    store, email = build(CALLS, NOTES), "ann@example.com"
    facts = {"email": email, "mailjet_id": 99, "message_id": 0}
    store.add(ADDRESS, [click(1, **facts), click(2, **facts)])
    store.add(ADDRESS, [click(1, **{**facts, "mailjet_id": 0})])

    assert len(store.of(ADDRESS)) == 2
    assert keys(redis) == {
        f"gm:default:interactions:{ADDRESS.hex()}",
        f"gm:default:engaged:{ADDRESS.hex()}",
    }
    kept = str(redis.hgetall(f"gm:default:interactions:{ADDRESS.hex()}"))
    assert email not in kept
    assert "ann" not in kept
    store.handled(ADDRESS, store.of(ADDRESS))
    assert store.of(ADDRESS) == ()


def test_a_very_long_link_is_cut_and_can_be_handled(build: Build) -> None:
    store = build(CALLS, NOTES)
    store.add(ADDRESS, [click(url="https://x/" + "a" * 9000)])

    (event,) = store.of(ADDRESS)
    assert len(event.url) == URL_LENGTH
    store.handled(ADDRESS, [event])
    assert store.of(ADDRESS) == ()


def test_what_is_kept_lapses(redis: Redis, build: Build) -> None:
    build(CALLS, NOTES).add(ADDRESS, [click()])

    waiting = redis.ttl(f"gm:default:interactions:{ADDRESS.hex()}")
    assert WAITING_SECONDS - 60 < waiting <= WAITING_SECONDS
    kept = redis.ttl(f"gm:default:engaged:{ADDRESS.hex()}")
    assert KEPT_SECONDS - 60 < kept <= KEPT_SECONDS


def test_who_follows_every_link_is_bounded(build: Build) -> None:
    store = build(CALLS, NOTES)
    for start in range(0, 1000, 150):
        batch = [click(i, url=f"https://x/{i}") for i in range(start, start + 150)]
        assert store.add(ADDRESS, batch)

    assert len(store.of(ADDRESS)) == WAITING_MOST
    (campaign,) = store.campaigns(ADDRESS).values()
    assert campaign.clicked[0] == "https://x/1049"
    assert MARKS_MOST - 5 < len(campaign.clicked) < MARKS_MOST


def test_what_is_older_than_a_quarter_is_forgotten_beside_what_is_new(
    build: Build,
) -> None:
    store = build(NOTES)
    old = click(-KEPT_SECONDS - 60, kind=EventKind.OPEN, campaign_id=1)
    store.add(ADDRESS, [old, replace(old, at_ms=NOW_MS, campaign_id=2)])

    assert store.campaigns(ADDRESS).keys() == {2}


@given(data=st.data(), events=st.lists(EVENTS, min_size=1, max_size=8))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_order_and_repetition_change_nothing(
    data: st.DataObject, events: list[MailEvent], build: Build, redis: Redis
) -> None:
    again = data.draw(st.lists(st.sampled_from(events)))
    mixed = data.draw(st.permutations([*events, *again]))
    store = build(CALLS, NOTES)
    redis.delete(
        *(
            f"gm:default:{k}:{a.hex()}"
            for k in ("interactions", "engaged")
            for a in (ADDRESS, OTHER)
        )
    )
    store.add(ADDRESS, events)
    for event in mixed:
        store.add(OTHER, [event])

    assert store.campaigns(ADDRESS) == store.campaigns(OTHER)
    waiting = {event.identity for event in store.of(ADDRESS)}
    assert waiting == {event.identity for event in store.of(OTHER)}
