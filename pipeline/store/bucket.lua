-- What the bucket's scripts share. Before this text stands a prelude: `now`, `life` (which
-- start of the server this is) and the constants of bucket.py in capitals. All times
-- are whole microseconds of Redis' clock. Every script may be replayed by redis-py.
-- KEYS[1] hash of the bucket; ARGV[1] calls allowed in ARGV[2] microseconds, as configured.
local KEY = KEYS[1]
local CONFIGURED_CALLS, CONFIGURED_WINDOW = tonumber(ARGV[1]), tonumber(ARGV[2])

local NUMBERS = {
  'seen',               -- when a script last ran
  'next',               -- the next moment that nobody has reserved
  'frozen',             -- nobody is granted a moment before this one
  'bulk',               -- the last moment that bulk work has reserved
  'max', 'window',      -- the limit, as the vendor's headers said
  'level',              -- share of the ceiling that we allow ourselves since a 429
  'grown',              -- up to here, clean windows have raised the level
  'struck', 'hold', 'held', -- level of the last 429; how long, and until when we stay below
  'deaf',               -- until here a 429 belongs to the incident already counted
  'others', 'others_until', -- calls of somebody else for which we have stood back
  'daily', 'spent',     -- what is left of the day, as the vendor said; none until then
}
local MOMENTS = { 'next', 'frozen', 'bulk', 'grown', 'held', 'deaf', 'others_until', 'spent' }

-- A window of exactly this spacing holds one call less than is allowed, so that calls
-- which arrive up to ARRIVAL after their moment never make one too many.
local function spacing(calls, window)
  return math.ceil((window + ARRIVAL) / math.max(calls - 1, 1))
end

local function window_of(b) return b.window or CONFIGURED_WINDOW end

local function ceiling(b)
  local configured = spacing(CONFIGURED_CALLS, CONFIGURED_WINDOW)
  return b.max and math.max(configured, spacing(b.max, b.window)) or configured
end

local function pace(b) return math.ceil(ceiling(b) / b.level) end

-- Since a 429 every clean window gives 5 % back, but for a while not up to where it struck.
local function grow(b)
  local windows = math.floor((now - b.grown) / window_of(b))
  if b.level >= 1 or windows < 1 then return end
  local top = now < b.held and math.min(1, b.struck * BELOW_STRIKE) or 1
  b.level = math.max(b.level, math.min(top, b.level + GROWTH * windows))
  b.grown = b.grown + windows * window_of(b)
end

-- Tokens that we do not remember, or that a step of the clock brought nearer, may be
-- reserved up to AHEAD from now: wait until all of them are past.
local function stand_back(b)
  b.next = math.max(b.next, now + AHEAD + pace(b))
  b.bulk = b.next
end

local function open(doubt)
  local b = {}
  local values = redis.call('HMGET', KEY, 'life', unpack(NUMBERS))
  for i, name in ipairs(NUMBERS) do b[name] = tonumber(values[i + 1]) end
  b.level, b.next, b.frozen = b.level or 1, b.next or 0, b.frozen or 0
  b.bulk, b.grown = b.bulk or now, b.grown or now
  b.held, b.deaf = b.held or 0, b.deaf or 0
  if b.seen and now < b.seen then -- the clock was set back: nothing comes later than it was to
    for _, name in ipairs(MOMENTS) do
      b[name] = b[name] and b[name] - (b.seen - now)
    end
  end
  grow(b)
  -- A server that started anew, or a promoted replica, may lack the last second of writes.
  if doubt or values[1] ~= life then stand_back(b) end
  b.seen = now
  return b
end

local function save(b, ...)
  local pairs_of = { 'life', life, ... }
  for _, name in ipairs(NUMBERS) do
    if b[name] then
      pairs_of[#pairs_of + 1] = name
      pairs_of[#pairs_of + 1] = string.format('%.17g', b[name]) -- tostring keeps 14 digits
    end
  end
  redis.call('HSET', KEY, unpack(pairs_of))
end

-- Our own calls are counted in SLOTS fields `start:count`, used in turn.
local function slot_width(b) return math.ceil((window_of(b) + AHEAD) / (SLOTS - 4)) end

local function parse_slot(value)
  local start, count = string.match(value or '', '^(%d+):(%d+)$')
  return tonumber(start) or 0, tonumber(count) or 0
end

local function count_call(b, at)
  local width = slot_width(b)
  local start = at - at % width
  local name = string.format('slot%d', start / width % SLOTS)
  local counted, count = parse_slot(redis.call('HGET', KEY, name) or '')
  if counted ~= start then count = 0 end
  return name, string.format('%.0f:%d', start, count + 1)
end

-- At most so many calls were granted moments between `now - window` and `upto`.
local function own_calls(b, upto)
  local names = {}
  for i = 1, SLOTS do names[i] = string.format('slot%d', i - 1) end
  local total = 0
  for _, value in ipairs(redis.call('HMGET', KEY, unpack(names))) do
    local start, count = parse_slot(value or '')
    if start + slot_width(b) > now - window_of(b) and start <= upto then
      total = total + count
    end
  end
  return total
end

-- Redis' Lua has no os.date. Source: "chrono-Compatible Low-Level Date Algorithms",
-- civil_from_days, https://howardhinnant.github.io/date_algorithms.html
local function day_key(moment)
  local days = math.floor(moment / DAY) + 719468
  local era = math.floor(days / 146097)
  local doe = days - era * 146097
  local leaps = math.floor(doe / 1460) - math.floor(doe / 36524) + math.floor(doe / 146096)
  local yoe = math.floor((doe - leaps) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local march = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * march + 2) / 5) + 1
  local month = march < 10 and march + 3 or march - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%s:day:%04d%02d%02d', KEY, year, month, day)
end
