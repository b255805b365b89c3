"""The inbox on a real server: what is in it survives, comes back, and goes."""

import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import OutOfMemoryError

from pipeline.store import inbox as inbox_
from pipeline.store.inbox import MOST_TRIES, Claimed, Entry, Inbox, InboxFull, Source
from tests.inboxes import forget, pass_time
from tests.keyspace import rows_of
from tests.valkey import Valkey

ANN = "ann.marie@example.com"
BODY = f'{{"event": "unsub", "email": "{ANN}"}}'.encode()
ENTRY = Entry(Source.MAILJET, "default", 1_700_000_000_000, BODY)
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LEASE_SECONDS = 60.0


@pytest.fixture
def redis(valkey: Valkey) -> Iterator[Redis]:
    """A client of a server on which no inbox was ever."""
    with valkey.client() as client:
        forget(client)
        yield client


@pytest.fixture
def inbox(redis: Redis) -> Inbox:
    return Inbox(redis)


def numbered(number: int) -> Entry:
    return replace(ENTRY, body=b'{"event": "open", "MessageID": %d}' % number)


def claim_one(inbox: Inbox) -> Claimed:
    (claimed,) = inbox.claim(1, LEASE_SECONDS)
    return claimed


def fail_for_good(inbox: Inbox, entry: Entry, reason: str = "NotFound") -> Claimed:
    inbox.put(entry)
    claimed = claim_one(inbox)
    inbox.fail(claimed, reason, for_good=True)
    return claimed


def all_that_is_stored(redis: Redis) -> bytes:
    """Every value of the inbox, and behind it what is compressed in it."""
    found = []
    for key in redis.scan_iter("gm:inbox*"):
        match redis.type(key):
            case b"hash":
                pairs = redis.hgetall(key).items()
                found += [part for pair in pairs for part in pair]
            case b"zset":
                found += redis.zrange(key, 0, -1)
            case b"string":
                found.append(redis.get(key) or b"")
    for value in tuple(found):
        packed = value.partition(b"\n")[2]
        if packed.startswith(b"\x78"):
            found.append(zlib.decompress(packed))
    return b"\n".join(found)


def test_what_was_put_is_claimed_as_it_was_sent(inbox: Inbox) -> None:
    assert inbox.put(ENTRY) is True

    claimed = claim_one(inbox)

    assert claimed.entry == ENTRY
    assert claimed.attempt == 1


def test_what_is_claimed_is_nobody_elses(inbox: Inbox) -> None:
    inbox.put(ENTRY)
    inbox.claim(1, LEASE_SECONDS)

    assert inbox.claim(10, LEASE_SECONDS) == []
    assert inbox.waiting() == 1


def test_the_oldest_goes_first_and_no_more_than_asked_for(
    inbox: Inbox, redis: Redis
) -> None:
    for number in range(5):
        inbox.put(numbered(number))
        pass_time(redis, 10)

    claimed = inbox.claim(3, LEASE_SECONDS)

    assert [one.entry for one in claimed] == [numbered(n) for n in range(3)]


def test_a_repeat_is_kept_once_before_during_and_after_it_is_handled(
    inbox: Inbox,
) -> None:
    inbox.put(ENTRY)
    waiting = inbox.put(ENTRY)
    claimed = claim_one(inbox)
    in_hand = inbox.put(ENTRY)
    inbox.done(claimed.id, "mailjet:applied")
    handled = inbox.put(ENTRY)

    assert (waiting, in_hand, handled) == (False, False, False)
    assert inbox.waiting() == 0


def test_another_process_knows_a_repeat_too(inbox: Inbox, redis: Redis) -> None:
    inbox.put(ENTRY)

    assert Inbox(redis).put(ENTRY) is False


def test_a_repeat_is_known_for_seven_days(inbox: Inbox, redis: Redis) -> None:
    inbox.put(ENTRY)
    inbox.done(claim_one(inbox).id, "mailjet:applied")

    pass_time(redis, 7 * DAY_MS - HOUR_MS)
    before = inbox.put(ENTRY)
    pass_time(redis, HOUR_MS + 1000)

    assert (before, inbox.put(ENTRY)) == (False, True)


def test_what_still_waits_is_a_repeat_after_seven_days_too(
    inbox: Inbox, redis: Redis
) -> None:
    inbox.put(ENTRY)
    inbox.put_off(claim_one(inbox), "no budget", 30 * 86_400)
    pass_time(redis, 7 * DAY_MS + 1000)

    assert inbox.put(ENTRY) is False


def test_a_delivery_with_a_name_repeats_by_its_name(inbox: Inbox) -> None:
    first = replace(ENTRY, source=Source.GHL, delivery="d1")

    assert inbox.put(first)
    assert not inbox.put(replace(first, body=b"{}"))
    assert inbox.put(replace(first, delivery="d2"))


def test_the_same_body_for_another_connection_is_no_repeat(inbox: Inbox) -> None:
    assert inbox.put(ENTRY)
    assert inbox.put(replace(ENTRY, place="other"))


def test_what_a_workflow_says_twice_it_means_twice(inbox: Inbox) -> None:
    entry = replace(ENTRY, source=Source.WORKFLOW, what="contact")

    assert (inbox.put(entry), inbox.put(entry)) == (True, True)
    assert len(inbox.claim(10, LEASE_SECONDS)) == 2


def test_what_was_handled_leaves_nothing_of_a_person(
    inbox: Inbox, redis: Redis
) -> None:
    inbox.put(replace(ENTRY, delivery=ANN))
    before = all_that_is_stored(redis)
    inbox.done(claim_one(inbox).id, "mailjet:applied")
    after = all_that_is_stored(redis)

    assert ANN.encode() in before
    assert ANN.encode() not in after
    assert not redis.exists("gm:inbox", "gm:inbox-due", "gm:inbox-tries")


def test_what_somebody_died_with_comes_back_after_the_lease(
    inbox: Inbox, redis: Redis
) -> None:
    inbox.put(ENTRY)
    inbox.claim(1, LEASE_SECONDS)

    pass_time(redis, 59_000)
    early = inbox.claim(1, LEASE_SECONDS)
    pass_time(redis, 1_000)
    late = inbox.claim(1, LEASE_SECONDS)

    assert early == []
    assert [(one.attempt, one.entry) for one in late] == [(2, ENTRY)]


def test_a_renewed_claim_lasts_longer_and_a_void_one_is_not_renewed(
    inbox: Inbox, redis: Redis
) -> None:
    inbox.put(ENTRY)
    first = claim_one(inbox)
    pass_time(redis, 50_000)
    renewed = inbox.renew(first, LEASE_SECONDS)
    pass_time(redis, 50_000)
    held = inbox.claim(1, LEASE_SECONDS)
    pass_time(redis, 10_000)
    second = claim_one(inbox)

    assert renewed
    assert held == []
    assert not inbox.renew(first, LEASE_SECONDS)
    assert inbox.renew(second, LEASE_SECONDS)


def test_what_failed_comes_again_later_and_later(inbox: Inbox, redis: Redis) -> None:
    inbox.put(ENTRY)
    waits = []
    for _ in range(4):
        inbox.fail(claim_one(inbox), "VendorDown")
        [(_, due)] = redis.zrange("gm:inbox-due", 0, -1, withscores=True)
        seconds, microseconds = redis.time()
        waits.append(round((due - seconds * 1000 - microseconds / 1000) / 1000))
        pass_time(redis, waits[-1] * 1000 + 1000)

    assert waits == [10, 30, 90, 270]


def test_after_ten_tries_it_is_kept_with_its_reason(inbox: Inbox, redis: Redis) -> None:
    inbox.put(ENTRY)
    for _ in range(MOST_TRIES):
        inbox.fail(claim_one(inbox), "mailjet: GET /contact: 503")
        pass_time(redis, DAY_MS // 4)

    (failed,) = inbox.failed()

    assert inbox.claim(1, LEASE_SECONDS) == []
    assert (failed.source, failed.place, failed.attempts) == ("mailjet", "default", 10)
    assert failed.reason == "mailjet: GET /contact: 503"
    assert failed.received_ms == ENTRY.received_ms
    assert inbox.counts() == inbox_.Counts(waiting=0, due=0, failed=1)


def test_what_kills_its_worker_ten_times_is_kept_as_failed(
    inbox: Inbox, redis: Redis
) -> None:
    inbox.put(ENTRY)
    for _ in range(MOST_TRIES):
        claim_one(inbox)
        pass_time(redis, 61_000)

    nobody = inbox.claim(1, LEASE_SECONDS)

    assert nobody == []
    assert [failed.reason for failed in inbox.failed()] == [inbox_.WORKER_LOST]


def test_what_is_put_off_has_lost_no_try(inbox: Inbox, redis: Redis) -> None:
    inbox.put(ENTRY)
    for _ in range(2 * MOST_TRIES):
        inbox.put_off(claim_one(inbox), "no budget", 5.0)
        pass_time(redis, 5_001)

    assert claim_one(inbox).attempt == 1
    assert inbox.failed() == []


def test_whose_claim_is_void_changes_nothing(inbox: Inbox, redis: Redis) -> None:
    inbox.put(ENTRY)
    slow = claim_one(inbox)
    pass_time(redis, 61_000)
    claim_one(inbox)

    inbox.fail(slow, "too late", for_good=True)
    inbox.put_off(slow, "too late", 0)

    assert inbox.failed() == []
    assert inbox.claim(1, LEASE_SECONDS) == []


def test_a_replayed_entry_begins_anew(inbox: Inbox, redis: Redis) -> None:
    claimed = fail_for_good(inbox, ENTRY)

    assert inbox.put(ENTRY) is False
    assert inbox.replay(["unknown", claimed.id]) == 1
    assert inbox.replay([claimed.id]) == 0

    again = claim_one(inbox)
    assert (again.id, again.attempt, again.entry) == (claimed.id, 1, ENTRY)
    inbox.done(again.id, "mailjet:applied")
    assert not redis.exists("gm:inbox", "gm:inbox-failed", "gm:inbox-tries")


def test_after_seven_days_a_failed_one_is_given_up(inbox: Inbox, redis: Redis) -> None:
    fail_for_good(inbox, numbered(1))
    pass_time(redis, 7 * DAY_MS)

    inbox.claim(1, LEASE_SECONDS)

    assert inbox.failed() == []
    assert not redis.exists("gm:inbox", "gm:inbox-tries")
    assert inbox.handled() == {"given up": 1}


def test_of_failed_ones_ten_thousand_are_kept_and_the_oldest_go(
    inbox: Inbox, redis: Redis
) -> None:
    seconds, _ = redis.time()
    pipe = redis.pipeline()
    for number in range(10_000):
        pipe.zadd("gm:inbox-failed", {f"{number}": seconds * 1000 - 60_000 + number})
        pipe.hset("gm:inbox", f"{number}", numbered(number).pack())
        pipe.hset("gm:inbox-tries", f"{number}", "10 VendorDown")
    pipe.execute()

    last = fail_for_good(inbox, ENTRY)

    ids = [failed.id for failed in inbox.failed()]
    assert len(ids) == 10_000
    assert (ids[0], ids[-1]) == ("1", last.id)
    assert redis.hlen("gm:inbox") == redis.hlen("gm:inbox-tries") == 10_000


def test_a_full_inbox_takes_no_more_and_says_so(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_, "MOST_WAITING", 2)
    inbox.put(numbered(1))
    inbox.put(numbered(2))

    assert inbox.put(numbered(1)) is False
    with pytest.raises(InboxFull):
        inbox.put(numbered(3))
    with pytest.raises(InboxFull):
        inbox.probe()
    inbox.done(claim_one(inbox).id, "mailjet:applied")
    inbox.probe()
    assert inbox.put(numbered(3)) is True


def test_a_redis_that_takes_no_more_fails_the_probe(inbox: Inbox, redis: Redis) -> None:
    inbox.probe()
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(OutOfMemoryError):
            inbox.probe()
        with pytest.raises(OutOfMemoryError):
            inbox.put(ENTRY)
    finally:
        redis.config_set("maxmemory", 0)
    assert inbox.put(ENTRY) is True


def test_one_ring_is_enough_until_somebody_comes(inbox: Inbox) -> None:
    nothing_there = inbox.claim_ring()
    inbox.put(numbered(1))
    first, second = inbox.claim_ring(), inbox.claim_ring()
    claimed = claim_one(inbox)
    inbox.put(numbered(2))
    third = inbox.claim_ring()
    inbox.done(claimed.id, "mailjet:applied")

    assert (nothing_there, first, second, third) == (False, True, False, True)


def test_what_is_not_due_rings_for_nobody(inbox: Inbox, redis: Redis) -> None:
    inbox.put(ENTRY)
    inbox.fail(claim_one(inbox), "VendorDown")

    assert inbox.claim_ring() is False
    assert inbox.counts() == inbox_.Counts(waiting=1, due=0, failed=0)
    pass_time(redis, 10_001)
    assert inbox.claim_ring() is True


def test_ends_are_counted_once(inbox: Inbox) -> None:
    inbox.put(ENTRY)
    claimed = claim_one(inbox)

    inbox.done(claimed.id, "mailjet:applied")
    inbox.done(claimed.id, "mailjet:applied")

    assert inbox.handled() == {"mailjet:applied": 1}


def test_answers_add_up(inbox: Inbox) -> None:
    inbox.count_received({"ghl:2xx": 2, "ghl:4xx": 1})
    inbox.count_received({"ghl:2xx": 3})

    assert inbox.received() == {"ghl:2xx": 5, "ghl:4xx": 1}


def test_text_that_is_no_unicode_is_kept_as_well(inbox: Inbox) -> None:
    odd = replace(ENTRY, source=Source.GHL, place="\ud800", delivery="\udfff")

    assert (inbox.put(odd), inbox.put(odd)) == (True, False)
    assert claim_one(inbox).entry.place == "\ud800"


class Doubling(Redis):
    """Each script runs twice, as when its first answer was lost."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if args[0] == "EVALSHA":
            super().execute_command(*args, **options)
        return super().execute_command(*args, **options)


def test_every_script_may_be_replayed(valkey: Valkey, redis: Redis) -> None:
    with Doubling.from_url(valkey.url) as client:
        twice, once = Inbox(client), Inbox(redis)
        assert twice.put(ENTRY) is False  # the answer of the second
        first = claim_one(once)
        twice.fail(first, "VendorDown")
        assert once.counts() == inbox_.Counts(waiting=1, due=0, failed=0)
        pass_time(redis, 10_001)
        second = claim_one(once)
        twice.put_off(second, "no budget", 1.0)
        pass_time(redis, 1_001)
        third = claim_one(once)
        assert (second.attempt, third.attempt) == (2, 2)
        assert twice.renew(third, LEASE_SECONDS)
        twice.fail(third, "NotFound", for_good=True)
        assert [f.attempts for f in once.failed()] == [2]
        assert twice.replay([third.id]) == 0  # the answer of the second
        assert once.counts() == inbox_.Counts(waiting=1, due=1, failed=0)
        twice.done(claim_one(once).id, "mailjet:applied")

        assert once.handled() == {"mailjet:applied": 1}
        once.put(numbered(1))
        assert twice.claim(1, LEASE_SECONDS) == []  # they come back after the lease
        pass_time(redis, 61_000)
        assert claim_one(once).entry == numbered(1)


def test_a_crash_of_redis_keeps_what_was_put() -> None:
    with Valkey(appendonly="yes", appendfsync="always") as server:
        with server.client() as client:
            Inbox(client).put(ENTRY)
        server.restart()
        with server.client() as client:
            assert claim_one(Inbox(client)).entry == ENTRY


def test_every_key_is_in_the_table(inbox: Inbox, redis: Redis) -> None:
    fail_for_good(inbox, numbered(1))
    inbox.put(numbered(2))
    inbox.claim_ring()
    inbox.probe()
    inbox.done(claim_one(inbox).id, "mailjet:applied")
    inbox.put(numbered(3))
    inbox.claim_ring()
    inbox.count_received({"mailjet:2xx": 3})

    keys = [key.decode() for key in redis.scan_iter("gm:inbox*")]

    assert len(keys) == 8
    assert {key: len(rows_of(key)) for key in keys} == dict.fromkeys(keys, 1)
    lives = {key: redis.ttl(f"gm:{key}") for key in ("inbox-rung", "inbox-probe")}
    assert all(0 < life <= 60 for life in lives.values())
