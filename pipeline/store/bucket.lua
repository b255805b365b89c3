-- What the bucket's scripts share. Before this text stands a prelude: `now`, `life()` (which
-- start of the server this is) and the constants of bucket.py in capitals. All times
-- are whole microseconds of Redis' clock. Every script may be replayed by redis-py.
-- KEYS[1] hash of the bucket; ARGV[1] calls allowed in ARGV[2] microseconds, as configured;
-- ARGV[3] calls a day, 0 = no limit; ARGV[4] how many of these bulk work leaves.
local KEY = KEYS[1]
local CONFIGURED_CALLS, CONFIGURED_WINDOW = tonumber(ARGV[1]), tonumber(ARGV[2])
local DAILY, RESERVE = tonumber(ARGV[3]), tonumber(ARGV[4])
local NONE = -1
local FIELDS = 24
local PACKED = '<' .. string.rep('d', FIELDS + SLOTS)

-- The bucket as it is stored, in this order; a loop over names would take longer than all
-- the rest of a script. What was never so is 0, and `daily` NONE.
local function named(seen, next, frozen, live, bulk, max, window, level, grown, struck, hold,
    held, deaf, others, others_until, day, used, daily, limit, told, since, spent, width, newest,
    ...)
  return {
    seen = seen,           -- when a script last ran
    next = next,           -- the next moment that nobody has reserved
    frozen = frozen,       -- nobody is granted a moment before this one
    live = live, bulk = bulk, -- the last moment that work of this lane has reserved
    max = max, window = window, -- the limit, as the vendor's headers said
    level = level,         -- share of the ceiling that we allow ourselves since a 429
    grown = grown,         -- up to here, clean windows have raised the level
    struck = struck,       -- level of the last 429 ...
    hold = hold, held = held, -- ... how long, and until when we stay below it
    deaf = deaf,           -- until here a 429 belongs to the incident already counted
    others = others, others_until = others_until, -- calls of somebody else, stood back for
    day = day, used = used, -- a day, in days since 1970, and the tokens granted in it
    daily = daily, limit = limit, -- what is left of the day, and of how much, as the vendor
    told = told,           -- said, and when
    since = since,         -- tokens granted after that
    spent = spent,         -- until here nothing is left, as the vendor said
    width = width, newest = newest, -- of the slots in which our own calls are counted:
    slots = { ... },       -- the last SLOTS of them, used in turn
  }
end

local function save(b)
  redis.call('HSET', KEY, 'state', struct.pack(PACKED, b.seen, b.next, b.frozen, b.live,
    b.bulk, b.max, b.window, b.level, b.grown, b.struck, b.hold, b.held, b.deaf, b.others,
    b.others_until, b.day, b.used, b.daily, b.limit, b.told, b.since, b.spent, b.width, b.newest,
    unpack(b.slots, 1, SLOTS)))
end

-- A window of exactly this spacing holds one call less than is allowed, so that calls
-- which arrive up to ARRIVAL after their moment never make one too many.
local function spacing(calls, window)
  return math.ceil((window + ARRIVAL) / math.max(calls - 1, 1))
end

local function window_of(b) return b.window > 0 and b.window or CONFIGURED_WINDOW end

local function ceiling(b)
  local configured = spacing(CONFIGURED_CALLS, CONFIGURED_WINDOW)
  return b.max > 0 and math.max(configured, spacing(b.max, b.window)) or configured
end

local function pace(b) return math.ceil(ceiling(b) / b.level) end

local function day_of(moment) return math.floor(moment / DAY) end

local function used_on(b, day) return b.day == day and b.used or 0 end

-- Since a 429 every clean window gives 5 % back, but for a while not up to where it struck.
local function grow(b)
  if b.level >= 1 then return end
  local windows = math.floor((now - b.grown) / window_of(b))
  if windows < 1 then return end
  local top = now < b.held and math.min(1, b.struck * BELOW_STRIKE) or 1
  b.level = math.max(b.level, math.min(top, b.level + GROWTH * windows))
  b.grown = b.grown + windows * window_of(b)
end

-- Tokens that we do not remember, or that a step of the clock brought nearer, may be
-- reserved up to AHEAD from now: wait until all of them are past.
local function stand_back(b)
  b.next = math.max(b.next, now + AHEAD + pace(b))
  b.live, b.bulk = b.next, b.next
end

-- Where a slot no longer means what it did, all calls that were counted count as of now.
local function count_as_of_now(b)
  local total = 0
  for i = 1, SLOTS do total, b.slots[i] = total + b.slots[i], 0 end
  b.width = math.ceil((window_of(b) + AHEAD) / (SLOTS - 4))
  b.newest = math.floor(now / b.width)
  b.slots[b.newest % SLOTS + 1] = total
end

local function set_back(b, by)
  for _, name in ipairs({ 'next', 'frozen', 'live', 'bulk', 'grown', 'held', 'deaf',
      'others_until', 'told', 'spent' }) do
    b[name] = b[name] - by
  end
  count_as_of_now(b)
end

local function new()
  local zeros = {}
  for i = 1, FIELDS + SLOTS do zeros[i] = 0 end
  local b = named(unpack(zeros))
  b.live, b.bulk, b.grown, b.level, b.daily = now, now, now, 1, NONE
  count_as_of_now(b)
  return b
end

local function open(doubt)
  local stored = redis.call('HGET', KEY, 'state')
  local b = stored and named(struct.unpack(PACKED, stored)) or new()
  -- The clock was set back: nothing comes later than it was to.
  if now < b.seen then set_back(b, b.seen - now) end
  grow(b)
  -- A server that started anew, or a promoted replica, may lack the last second of writes.
  -- None does that between two scripts that follow at once.
  if doubt or now - b.seen >= RESTART_LEAST then
    local lives = life()
    local is_new = redis.call('HGET', KEY, 'life') ~= lives
    if doubt or is_new then stand_back(b) end
    if is_new then redis.call('HSET', KEY, 'life', lives) end
  end
  b.seen = now
  return b
end

local function count_call(b, at)
  local slot = math.floor(at / b.width)
  for i = math.max(b.newest + 1, slot - SLOTS + 1), slot do b.slots[i % SLOTS + 1] = 0 end
  b.newest = math.max(b.newest, slot)
  b.slots[slot % SLOTS + 1] = b.slots[slot % SLOTS + 1] + 1
end

-- At most so many calls were granted moments between `now - window` and `upto`.
local function own_calls(b, upto)
  local total = 0
  for slot = math.max(b.newest - SLOTS + 1, math.floor((now - window_of(b)) / b.width)),
      math.min(b.newest, math.floor(upto / b.width)) do
    total = total + b.slots[slot % SLOTS + 1]
  end
  return total
end
