-- The ledger of one connection. ARGV[1] names the command; times are milliseconds of
-- Redis' own clock. Every command may be replayed: redis-py repeats a command whose
-- answer was lost, and a second execution must find nothing left to do.
-- What each key holds: state.py.
local function key(name) return KEYS[1] .. name end      -- a connection's keys begin alike
local BULK, LIVE, CONSENT = key('todo:bulk'), key('todo:live'), key('todo:consent')
local LEASED, TOKENS, LANES = key('leased'), key('tokens'), key('lanes')
local OWNERS = key('owners')                              -- id -> boot of the worker at it
local AGAIN, WRITING, HELD = key('again'), key('writing'), key('held')
local ATTEMPTS, EXPIRIES, DEAD = key('attempts'), key('expiries'), key('dead')
local RUN, FOUND, OPEN, RUNS = key('run'), key('found'), key('open'), key('runs')
local SNAPSHOTS, ADDRESSES, SEEN = key('snapshots'), key('addresses'), key('seen')
local HEALTH, SUSPECTS, FENCE = key('health'), key('suspects'), key('fence')
local TOUCHED, CROSSINGS = key('touched'), key('crossings')
local SWEPT = { t = key('swept:tasks'), a = key('swept:meetings') }
local SAID, ROW, SETUP = key('consent'), key('row:'), key('setup')
local RULES = key('rules')
local RESTS, BULK_RESTS = key('rests'), key('rests:bulk')
local OPERATOR_PAUSE = key('paused')                      -- all but consent waits
local SUCCESS = key('success')

local WAITING = { bulk = BULK, live = LIVE, consent = CONSENT }
local RANK = { consent = 0, live = 1, bulk = 2 }
local RUNS_KEPT = 50
local FRESH_LOOKED_AT = 100

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function waiting_lane(id)
  for lane, key in pairs(WAITING) do
    if redis.call('ZSCORE', key, id) then return lane end
  end
end

local function higher(a, b)
  if not a then return b end
  return RANK[b] < RANK[a] and b or a
end

-- Put an id to wait, or raise it, or remember that it changed while it was leased.
local function mark(id, lane, not_before)
  if redis.call('ZSCORE', LEASED, id) then
    redis.call('HSET', AGAIN, id, higher(redis.call('HGET', AGAIN, id), lane))
    return
  end
  local waits_in = waiting_lane(id)
  if waits_in and RANK[waits_in] <= RANK[lane] then return end
  if waits_in then redis.call('ZREM', WAITING[waits_in], id) end
  redis.call('ZADD', WAITING[lane], not_before, id)
end

local function holds(id, token)
  return redis.call('HGET', TOKENS, id) == token
end

-- Addresses are 8 raw bytes each, one after the other.
local function each_address(packed, visit)
  for i = 1, #(packed or ''), 8 do visit(string.sub(packed, i, i + 7)) end
end

-- End a lease, however it ended; returns the lane that the id must come back in because
-- it changed meanwhile, if it did.
local function release(id)
  each_address(redis.call('HGET', WRITING, id), function(address)
    if redis.call('HGET', HELD, address) == id then redis.call('HDEL', HELD, address) end
  end)
  local again = redis.call('HGET', AGAIN, id)
  redis.call('ZREM', LEASED, id)
  redis.call('HDEL', TOKENS, id)
  redis.call('HDEL', LANES, id)
  redis.call('HDEL', OWNERS, id)
  redis.call('HDEL', AGAIN, id)
  return again
end

local function run_state() return redis.call('HGET', RUN, 'state') or '' end

-- An operator paused the run, or it rests until its hours: no page, no bulk work.
local function is_set_aside(state) return state == 'paused' or state == 'resting' end

local function is_active(state)
  return state == 'listing' or state == 'draining' or is_set_aside(state)
end

local function finish_run(state)
  redis.call('HSET', RUN, 'state', state, 'finished_ms', now)
  redis.call('HDEL', RUN, 'resume_to', 'cursor')
  redis.call('LPUSH', RUNS, cjson.encode(redis.call('HGETALL', RUN)))
  redis.call('LTRIM', RUNS, 0, RUNS_KEPT - 1)
  redis.call('DEL', FOUND, OPEN)
end

-- A run that rests has nothing to wait for either once all of its contacts are done.
local function finish_run_if_done()
  local state = run_state()
  if state == 'resting' then state = redis.call('HGET', RUN, 'resume_to') end
  if state == 'draining' and redis.call('SCARD', OPEN) == 0 then finish_run('finished') end
end

-- An id of the run reached its end for this run: settled or dead.
local function close_in_run(id, counter, outcome)
  if redis.call('SREM', OPEN, id) == 0 then return end
  redis.call('HINCRBY', RUN, counter, 1)
  redis.call('HINCRBY', RUN, 'outcome:' .. outcome, 1)
  finish_run_if_done()
end

local function bury(id, letter, code)
  redis.call('HSET', DEAD, id, letter)
  redis.call('HDEL', ATTEMPTS, id)
  redis.call('HDEL', EXPIRIES, id)
  close_in_run(id, 'dead', code)
end

local function forget_address(address, id)
  local ids = {}
  for other in string.gmatch(redis.call('HGET', ADDRESSES, address) or '', '[^,]+') do
    if other ~= id then ids[#ids + 1] = other end
  end
  if #ids == 0 then redis.call('HDEL', ADDRESSES, address)
  else redis.call('HSET', ADDRESSES, address, table.concat(ids, ',')) end
end

local function remember_address(address, id)
  local ids = redis.call('HGET', ADDRESSES, address)
  if not ids then redis.call('HSET', ADDRESSES, address, id)
  elseif not string.find(',' .. ids .. ',', ',' .. id .. ',', 1, true) then
    redis.call('HSET', ADDRESSES, address, ids .. ',' .. id)
  end
end

local function is_paused() return redis.call('HEXISTS', HEALTH, 'paused_ms') == 1 end
local function is_for_consent_only() return redis.call('EXISTS', OPERATOR_PAUSE) == 1 end

-- A contact reached its end: others may go beside it again. Vendors that did what was
-- asked for it work; what fails of them after this begins a new count. During a pause
-- their answers are older than the failures.
local function worked(vendors)
  redis.call('HDEL', HEALTH, 'careful', 'together')
  if is_paused() then return end
  for vendor in string.gmatch(vendors, '%S+') do
    redis.call('HDEL', HEALTH, 'failures:' .. vendor)
    if redis.call('HGET', HEALTH, 'vendor') == vendor then
      redis.call('HDEL', HEALTH, 'vendor', 'cause', 'reason', 'since_ms', 'trials')
    end
    for _, suspect in ipairs(redis.call('HKEYS', SUSPECTS)) do
      if string.find(suspect, vendor .. ':', 1, true) == 1 then
        redis.call('HDEL', SUSPECTS, suspect)
      end
    end
  end
end

-- Say which kinds of activities to read when an id is synced next. The number tells a
-- settlement whether more was said since the work began.
local function touch(id, letters)
  local known = string.match(redis.call('HGET', TOUCHED, id) or '', '^%a*')
  for letter in string.gmatch(letters, '%a') do
    if not string.find(known, letter, 1, true) then known = known .. letter end
  end
  redis.call('HSET', TOUCHED, id, known .. redis.call('INCR', FENCE))
end

local command = {}

-- mark LANE ID... : these changed; sync them.
function command.mark(lane, ...)
  for _, id in ipairs({ ... }) do mark(id, lane, now) end
  return now
end

-- point_at LETTERS LANE ID... : read these kinds; without a lane, whenever they are
-- synced next.
function command.point_at(letters, lane, ...)
  for _, id in ipairs({ ... }) do
    touch(id, letters)
    if lane ~= '' then mark(id, lane, now) end
  end
  return 1
end

-- cross N : point at up to N contacts of which something fell due; how many they were.
-- What is due today does not wait for the night that a run rests until, and what a rule
-- does for a person waits for no run.
function command.cross(n)
  local lane = run_state() == 'resting' and 'live' or 'bulk'
  local due = redis.call('ZRANGEBYSCORE', CROSSINGS, '-inf', now, 'LIMIT', 0, n)
  for _, member in ipairs(due) do
    local letter, id = string.sub(member, 1, 1), string.sub(member, 2)
    touch(id, letter)
    mark(id, letter == 'e' and 'live' or lane, now)
    redis.call('ZREM', CROSSINGS, member)
  end
  return #due
end
