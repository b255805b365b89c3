-- Learn from an answer; what the vendor did not say is -1. Returns {freeze, explained}: how
-- long nobody may call, and the lowest Remaining that calls we know of explain (-1: no limit
-- was named). ARGV[5] HTTP status; ARGV[6] Max; ARGV[7] its window; ARGV[8] Remaining;
-- ARGV[9] Daily-Remaining; ARGV[10] Limit-Daily; ARGV[11] Retry-After; windows and waits in
-- microseconds.
local status, max, window = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local remaining, daily = tonumber(ARGV[8]), tonumber(ARGV[9])
local daily_limit, retry_after = tonumber(ARGV[10]), tonumber(ARGV[11])
local b = open(false)

-- After one whole window nothing that was called before counts any more.
local function clear_at() return math.max(b.next, now + window_of(b) + ARRIVAL) end

local function learn_limit()
  local before, window_before = ceiling(b), window_of(b)
  b.max, b.window = max, window > 0 and window or window_before
  if b.window ~= window_before then count_as_of_now(b) end
  if ceiling(b) == before then return end
  b.held = 0 -- where the last 429 struck was measured against another limit
  if ceiling(b) < before then return end
  -- A lower limit holds for the calls already made too: they are paid for at its pace.
  local paid_at = now + own_calls(b, now + AHEAD) * pace(b)
  b.next = math.min(math.max(b.next, paid_at), clear_at())
end

-- Somebody else's calls count once, for as long as the vendor remembers them.
local function learn_remaining()
  local others = now < b.others_until and b.others or 0
  local explained = max - own_calls(b, now + AHEAD) - others
  if remaining < 0 or remaining >= explained then return explained end
  local more = explained - remaining
  b.others, b.others_until = others + more, now + window_of(b)
  b.next = math.min(math.max(b.next, now) + more * pace(b), clear_at())
  return remaining
end

-- What is left grows only when the vendor's day turns, which need not be at midnight UTC:
-- from then on our own count is that of the new day.
local function learn_daily()
  local grown = b.daily == NONE and 0 or daily - (b.daily - b.since)
  if grown > math.max(IN_FLIGHT, DAY_TURNS * DAILY) then b.used = 0 end
  b.daily, b.told, b.since = daily, now, 0
  local at_least = daily + used_on(b, day_of(now))
  b.limit = daily_limit > 0 and daily_limit or math.max(b.limit, at_least)
  b.spent = 0
  if daily > 0 then return end
  local wait = math.min(DAY - now % DAY, PROBE_DAILY)
  if status == 429 and retry_after >= 0 then wait = retry_after end
  b.spent = now + wait
end

-- The calls of a window at the ceiling's pace.
local function full() return (window_of(b) + ARRIVAL) / ceiling(b) + 1 end

local function lower_to(level)
  local least = math.min(1, ceiling(b) / (window_of(b) + ARRIVAL))
  b.level = math.max(least, level)
end

-- Half the level, or just below where it struck, whichever is less. Our own count says
-- where that was, unless it is so small that the refusal must have another cause.
local function strike()
  local accepted = own_calls(b, now) - 1
  b.struck = b.level
  if accepted >= CREDIBLE * b.level * full() then
    b.struck = math.min(b.level, accepted / full())
  end
  if now >= b.held then
    local again = b.hold > 0 and now < b.held + b.hold
    b.hold = again and math.min(2 * b.hold, HOLD_MAX) or HOLD
  end
  lower_to(math.min(b.level / 2, b.struck * BELOW_STRIKE))
end

-- One more that our own count took for accepted when it struck.
local function strike_lower()
  b.struck = math.max(0, b.struck - 1 / full())
  lower_to(math.min(b.level, b.struck * BELOW_STRIKE))
end

local function freeze()
  b.frozen = math.max(b.frozen, now + (retry_after >= 0 and retry_after or window_of(b)))
  if now >= b.deaf then
    strike()
    b.deaf = now + INCIDENT
    b.held = b.frozen + b.hold
  elseif b.struck > 0 then
    strike_lower()
  end
  b.deaf = math.max(b.deaf, b.frozen)
  b.grown = b.frozen
end

local explained = -1
if max > 0 then
  learn_limit()
  explained = learn_remaining()
end
if daily >= 0 then learn_daily() end
-- A refusal for the day says nothing about the moment's rate.
if status == 429 and daily ~= 0 then freeze() end
save(b)
return { math.max(0, b.frozen - now), explained }
