"""How close the bucket comes to the quota, and what a grant costs.

Run: python -m tests.bench.bucket
"""

import threading
import time

from redis import Redis

from pipeline.config import Rate
from pipeline.permit import Lane, Permit
from pipeline.store.bucket import Bucket
from tests.valkey import Valkey

GRANTS = 2_000
THREADS = 4
ROUNDS = 5
AT_LIMIT = Rate(10_000, 10.0)
NEVER_FULL = Rate(1_000_000, 1.0)


def ready(redis: Redis, key: str, rate: Rate) -> Bucket:
    """A bucket whose empty start is over."""
    bucket = Bucket(redis, key, rate)
    bucket.take(Permit(Lane.LIVE))
    return bucket


def seconds_at_limit(redis: Redis) -> float:
    """Threads that want every token there is."""
    bucket = ready(redis, "bench:limit", AT_LIMIT)

    def call() -> None:
        permit = Permit(Lane.BULK)
        for _ in range(GRANTS // THREADS):
            bucket.take(permit)

    threads = [threading.Thread(target=call) for _ in range(THREADS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def per_second(call: object) -> float:
    assert callable(call)
    start = time.perf_counter()
    for _ in range(GRANTS):
        call()
    return GRANTS / (time.perf_counter() - start)


def main() -> None:
    with Valkey() as server, server.client() as redis:
        floor = GRANTS / AT_LIMIT.per_second
        ratios = sorted(seconds_at_limit(redis) / floor for _ in range(ROUNDS))
        print(f"time for {GRANTS} grants over the quota's floor: {ratios}")
        bucket = ready(redis, "bench:free", NEVER_FULL)
        permit = Permit(Lane.BULK)
        nothing = redis.register_script("return 1")
        pairs = sorted(
            (per_second(lambda: bucket.take(permit)), per_second(nothing))
            for _ in range(ROUNDS)
        )
        grants, evalsha = pairs[ROUNDS // 2]
        print(f"grants/s {grants:.0f}, EVALSHA 'return 1' {evalsha:.0f}/s")
        usage = redis.info("commandstats")["cmdstat_evalsha"]["usec_per_call"]
        print(f"server time per EVALSHA, mean of both: {usage} us")


if __name__ == "__main__":
    main()
