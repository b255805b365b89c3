"""An inbox that a test starts with, and the time that passes in it."""

from redis import Redis

from pipeline.store.state import process_key

SCORED = ("inbox-due", "inbox-failed", "inbox-seen")


def forget(redis: Redis) -> None:
    """No inbox was ever here."""
    for pattern in ("gm:inbox*", "gm:handled", "gm:received"):
        if keys := list(redis.scan_iter(pattern)):
            redis.delete(*keys)


def pass_time(redis: Redis, milliseconds: int) -> None:
    """Let everything in the inbox become older."""
    for name in SCORED:
        key = process_key(name)
        for id_, score in redis.zrange(key, 0, -1, withscores=True):
            redis.zadd(key, {id_: score - milliseconds})
