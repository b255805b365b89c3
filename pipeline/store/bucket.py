"""One vendor's allowance, shared by every worker: who may call at which moment.

The bucket holds a single token and refills at (allowance - 1) / (window + 0.19 s), so
no window of the stated length ever sees more than the allowance, at 1.03 times the
least possible time. A script reserves the next free moment by Redis' clock and the
caller sleeps until then. The scripts are the `bucket*.lua` files beside this one; what
the vendor says about its own limits is read in `limits.py`.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import ConnectionError as RedisDown
from redis.exceptions import TimeoutError as RedisSilent

from pipeline.config import Rate
from pipeline.errors import BudgetSpent, LeaseLost
from pipeline.permit import Lane, Permit
from pipeline.store import scripts
from pipeline.store.clock import ClockReading
from pipeline.store.limits import Limits, Reporter

ARRIVAL_SECONDS = (
    0.19  # from a token's moment to the vendor's counter: 0.1 late + network
)
TOKEN_LIFE_SECONDS = 0.1  # later than this a token would arrive in another's place
CATCH_UP_SECONDS = 0.06  # a moment so long past may still be used; the rest of its life
# is for the way back from Redis
BULK_AHEAD_SECONDS = 0.15  # what a person's change may have to wait behind bulk work
LIVE_AHEAD_SECONDS = 1.0  # what a no may have to wait behind people's changes
AHEAD_SECONDS = 2.0  # the most that can be reserved when the memory of it is lost
NEW_PATIENCE_SECONDS = 2.0  # a bulk contact without a call gives its slot to others
BEGUN_PATIENCE_SECONDS = 10.0  # no call already paid is thrown away lightly
FREEZE_MAX_SECONDS = 3600.0  # a vendor that asks for more is asked again after an hour
DAY_SECONDS = 86_400.0

REDIS_CLOCK = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function life()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end
"""


GRANTED, TOLD, SPENT, LOST = 1, 2, 3, 4
"""What the take script answers."""


def _micros(seconds: float) -> int:
    return round(seconds * 1_000_000)


SCRIPT_CONSTANTS: dict[str, float] = {
    **{"GRANTED": GRANTED, "TOLD": TOLD, "SPENT": SPENT, "LOST": LOST},
    "ARRIVAL": _micros(ARRIVAL_SECONDS),
    "CATCH_UP": _micros(CATCH_UP_SECONDS),
    "AHEAD": _micros(AHEAD_SECONDS),
    "LIVE_AHEAD": _micros(LIVE_AHEAD_SECONDS),
    "BULK_AHEAD": _micros(BULK_AHEAD_SECONDS),
    "TURN": 20,  # one token in so many is a lane's, whatever those before it want
    "RESTART_LEAST": _micros(0.01),  # no server starts again in less
    "DAY": _micros(DAY_SECONDS),
    "DAY_TURNS": 0.05,  # of the day's calls: what is left grows by more only then,
    "IN_FLIGHT": 50,  # or by tokens that the vendor has not seen yet
    "KEEP_BUCKET": 7 * DAY_SECONDS,  # a connection that was removed leaves nothing
    "SLOTS": 20,  # our own calls are counted in sixteenths of a window and 2 s
    "GROWTH": 0.05,  # of the ceiling, per clean window: back from nothing in 20
    "BELOW_STRIKE": 0.95,
    "CREDIBLE": 0.1,  # a refusal below a tenth of our pace was not about our pace
    "HOLD": _micros(120),  # how long to stay below a 429 before trying again ...
    "HOLD_MAX": _micros(300),  # ... and at most, when trying met the limit again
    "INCIDENT": _micros(3),  # tokens up to 2 s ahead and their answers belong together
    "PROBE_DAILY": _micros(900),  # nobody documents when a vendor's day ends: look
}


def script_text(name: str) -> str:
    """The clock, the constants, what the scripts share, and the script `name`."""
    constants = "".join(
        f"local {key} = {value + 0}\n" for key, value in SCRIPT_CONSTANTS.items()
    )
    return REDIS_CLOCK + constants + scripts.read("bucket") + scripts.read(name)


@dataclass(frozen=True)
class BucketState:
    """What `status` shows of one bucket.

    Args:
        calls_per_second: the pace at the moment, after headers and refusals.
        frozen_until: Unix time in seconds on Redis' clock; None when calls are allowed.
        used_today: tokens granted on this UTC day.
        daily_remaining: what the vendor last said, less our calls since; None when it
            has not.
        daily_limit: of how much; None when the vendor has not said.
        used_in_window: tokens of the last window, rounded up to whole sixteenths of it.
        wait_seconds: until the next free moment.
    """

    calls_per_second: float
    frozen_until: float | None
    used_today: int
    daily_remaining: int | None
    daily_limit: int | None
    used_in_window: int
    wait_seconds: float


class Bucket:
    """One vendor's allowance for one resource: per GHL location, per Mailjet key.

    May be shared by threads; every process makes its own.

    Args:
        key: prefix of every key made here, such as `gm:bucket:ghl:<location>`.
        rate: the ceiling; what the vendor's answers teach can only lower it.
        daily: tokens per UTC day; None means no limit.
        reserve: how many of them bulk work leaves to the other lanes.
        lease_keys: the ledger's `leased` and `tokens` keys, for permits with a lease.
        lease_seconds: what every ask renews the lease to.
        sleep: waits so many seconds.
        clock: seconds of a clock that nobody sets.
    """

    def __init__(
        self,
        redis: Redis,
        key: str,
        rate: Rate,
        *,
        daily: int | None = None,
        reserve: int = 0,
        lease_keys: tuple[str, str] | None = None,
        lease_seconds: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = [key]
        self._leased_keys = [key, *(lease_keys or ())]
        limits = (rate.calls, _micros(rate.window_seconds), daily or 0, reserve)
        # As text: redis-py takes longer over numbers.
        self._limits = tuple(map(str, limits))
        self._lease = str(_micros(lease_seconds))
        self._sleep = sleep
        self._clock = clock
        self._take, self._learn, self._state = (
            scripts.LuaScript(redis, script_text(f"bucket_{name}"))
            for name in ("take", "learn", "state")
        )
        self._anchor: ClockReading | None = None
        self._frozen_until = clock()
        self._reporter = Reporter(clock)

    def take(self, permit: Permit) -> None:
        """Wait for a token and count it in `permit.calls`; to be used at once.

        Raises:
            BudgetSpent: no token in the time this permit may wait; ask again after it.
            LeaseLost: the permit's lease is void; nothing was granted.
            redis.exceptions.RedisError: no Redis, no calls.
        """
        for pause in self.pauses(permit):
            self._sleep(pause)
        permit.calls += 1

    def pauses(self, permit: Permit) -> Iterator[float]:
        """`take` for a caller that sleeps by itself: yields seconds; ends with a token.

        Raises:
            BudgetSpent, LeaseLost, redis.exceptions.RedisError: as `take`.
        """
        patient_until: float | None = None
        doubt = False
        while True:
            anchor = self._anchor
            verdict, wait, reading = self._ask(permit, doubt)
            doubt = not doubt and self._clock_jumped(anchor, reading)
            if doubt:
                continue
            if verdict == SPENT:
                raise BudgetSpent(wait, daily=True)
            if verdict == GRANTED:
                if wait > 0:
                    yield wait
                used = self._clock()
                # The script may have run as early as we asked.
                in_time = used - reading.sent <= wait + TOKEN_LIFE_SECONDS
                if in_time and used >= self._frozen_until:
                    return
                wait = 0.0
            now = self._clock()
            if patient_until is None:
                patient_until = reading.sent + patience_seconds(permit)
            if now + wait > patient_until:
                raise BudgetSpent(wait)
            if wait > 0:
                yield wait

    def _ask(self, permit: Permit, doubt: bool) -> tuple[int, float, ClockReading]:
        """One round trip: verdict, seconds to wait, and when all that was.

        A command that redis-py repeats may waste a token; none is used twice.
        """
        lease = permit.lease
        holder = (lease.ghl_id, str(lease.token)) if lease else ("", "")
        sent = self._clock()
        verdict, wait, now = self._take(
            self._leased_keys if lease else self._keys,
            (*self._limits, permit.lane, "1" if doubt else "0", *holder, self._lease),
        )
        reading = ClockReading(sent, self._clock(), now / 1_000_000)
        if verdict == LOST:
            raise LeaseLost
        if doubt:
            self._anchor = reading
        return verdict, wait / 1_000_000, reading

    def _clock_jumped(self, anchor: ClockReading | None, reading: ClockReading) -> bool:
        """Whether Redis' clock was set ahead, so that reserved tokens came too near.

        The old anchor stays until a script has stood back, so that every thread of
        ours finds out by itself.
        """
        lead = reading.lead(anchor) if anchor else 0.0
        if lead < 0 or (lead == 0 and reading.replaces(anchor)):
            self._anchor = reading
        return lead > 0

    def learn(
        self,
        status: int,
        headers: Mapping[str, str],
        retry_after_seconds: float | None,
    ) -> None:
        """Adjust to what an answer says about the vendor's limits.

        Asks Redis only after a 429, or when the headers say something new or nothing
        was reported for a second. Never raises because Redis is away: the answer in
        the caller's hands is worth more, and the next `take` will raise.
        """
        limits = Limits.read(headers)
        if status != 429 and not self._reporter.is_due(limits):
            return
        retry_after = -1.0
        if retry_after_seconds is not None and retry_after_seconds >= 0:
            longest = DAY_SECONDS if limits.daily_remaining == 0 else FREEZE_MAX_SECONDS
            retry_after = min(retry_after_seconds, longest)
        try:
            freeze, explained = self._learn(
                self._keys,
                [*self._limits, status, *limits.for_script(), _micros(retry_after)],
            )
        except (RedisDown, RedisSilent):
            return
        self._frozen_until = max(self._frozen_until, self._clock() + freeze / 1_000_000)
        self._reporter.reported(limits, explained)

    def state(self) -> BucketState:
        """Read what this bucket allows now.

        Raises:
            redis.exceptions.RedisError: Redis did not answer.
        """
        spacing, frozen, used, left, limit, window, wait = self._state(
            self._keys, self._limits
        )
        return BucketState(
            calls_per_second=1_000_000 / spacing,
            frozen_until=frozen / 1_000_000 if frozen else None,
            used_today=used,
            daily_remaining=left if left >= 0 else None,
            daily_limit=limit or None,
            used_in_window=window,
            wait_seconds=wait / 1_000_000,
        )


def patience_seconds(permit: Permit) -> float:
    """How long `take` goes on asking before it raises BudgetSpent."""
    if permit.patience_seconds is not None:
        return permit.patience_seconds
    new_contact = permit.lease is not None and permit.calls == 0
    if permit.lane is Lane.BULK and new_contact:
        return NEW_PATIENCE_SECONDS
    return BEGUN_PATIENCE_SECONDS
