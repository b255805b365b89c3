-- The ledger of one connection. ARGV[1] names the command; times are milliseconds of
-- Redis' own clock. Every command may be replayed: redis-py repeats a command whose
-- answer was lost, and a second execution must find nothing left to do.
local BULK, LIVE, CONSENT = KEYS[1], KEYS[2], KEYS[3]     -- zset id -> not before
local LEASED, TOKENS, LANES = KEYS[4], KEYS[5], KEYS[6]   -- zset id -> expiry; hashes
local OWNERS = KEYS[7]                                    -- id -> boot of the worker at it
local AGAIN, WRITING, HELD = KEYS[8], KEYS[9], KEYS[10]   -- id -> lane; id -> addresses; address -> id
local ATTEMPTS, EXPIRIES, DEAD = KEYS[11], KEYS[12], KEYS[13]
local RUN, FOUND, OPEN, RUNS = KEYS[14], KEYS[15], KEYS[16], KEYS[17]
local SNAPSHOTS, ADDRESSES, SEEN = KEYS[18], KEYS[19], KEYS[20]
local HEALTH, SUSPECTS, FENCE = KEYS[21], KEYS[22], KEYS[23]
local ROW = KEYS[24]                                      -- a prefix

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

local function finish_run(state)
  redis.call('HSET', RUN, 'state', state, 'finished_ms', now)
  redis.call('LPUSH', RUNS, cjson.encode(redis.call('HGETALL', RUN)))
  redis.call('LTRIM', RUNS, 0, RUNS_KEPT - 1)
  redis.call('DEL', FOUND, OPEN)
end

local function finish_run_if_done()
  if redis.call('HGET', RUN, 'state') == 'draining' and redis.call('SCARD', OPEN) == 0 then
    finish_run('finished')
  end
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

local command = {}

-- mark LANE ID... : these changed; sync them.
function command.mark(lane, ...)
  for _, id in ipairs({ ... }) do mark(id, lane, now) end
  return now
end

-- start RUN_ID KIND CURSOR : the id of the run under way, or of the new one.
function command.start(run_id, kind, cursor)
  local state = redis.call('HGET', RUN, 'state')
  if state == 'listing' or state == 'draining' or state == 'paused' then
    return redis.call('HGET', RUN, 'id')
  end
  if redis.call('HGET', RUN, 'id') == run_id then return run_id end
  redis.call('DEL', RUN, FOUND, OPEN)
  redis.call('HSET', RUN, 'id', run_id, 'kind', kind, 'state', 'listing', 'cursor', cursor,
    'page', 0, 'discovered', 0, 'settled', 0, 'dead', 0, 'started_ms', now)
  return run_id
end

-- claim MS OWNER : this caller fetches the next page; {} when another does, or none is due.
function command.claim(milliseconds, owner)
  if redis.call('HGET', RUN, 'state') ~= 'listing' or is_paused() then return {} end
  if tonumber(redis.call('HGET', RUN, 'claimed_until') or 0) > now then return {} end
  redis.call('HSET', RUN, 'claimed_until', now + milliseconds, 'claimed_by', owner)
  return redis.call('HMGET', RUN, 'id', 'page', 'cursor')
end

-- wanted : the cursor of the page that nobody fetches at the moment, '' for none.
function command.wanted()
  local fields = redis.call('HMGET', RUN, 'state', 'claimed_until', 'cursor')
  if fields[1] ~= 'listing' or tonumber(fields[2] or 0) > now then return '' end
  if is_paused() then return '' end
  return fields[3]
end

-- unclaim RUN_ID MS : the page could not be fetched; another may try in MS.
function command.unclaim(run_id, milliseconds)
  if redis.call('HGET', RUN, 'id') == run_id then
    redis.call('HSET', RUN, 'claimed_until', now + milliseconds, 'claimed_by', '')
  end
  return 1
end

-- commit RUN_ID PAGE NEXT_CURSOR ROW_MS LANE N_IDS ID... [ID ROW]... : one page found.
-- An empty cursor ends the listing. 0 when the page was committed before.
function command.commit(run_id, page, cursor, row_ms, lane, count, ...)
  local stored = redis.call('HMGET', RUN, 'id', 'page', 'state')
  if stored[1] ~= run_id or stored[2] ~= page then return 0 end
  if stored[3] ~= 'listing' and stored[3] ~= 'paused' then return 0 end
  local rest, count = { ... }, tonumber(count)
  for i = count + 1, #rest, 2 do
    redis.call('SET', ROW .. rest[i], rest[i + 1], 'PX', row_ms)
  end
  for i = 1, count do
    local id = rest[i]
    if redis.call('SADD', FOUND, id) == 1 then
      redis.call('SADD', OPEN, id)
      redis.call('HINCRBY', RUN, 'discovered', 1)
      mark(id, lane, now)
    end
  end
  redis.call('HINCRBY', RUN, 'page', 1)
  redis.call('HDEL', RUN, 'claimed_until', 'claimed_by')
  if cursor == '' then
    local ended = stored[3] == 'paused' and 'resume_to' or 'state'
    redis.call('HSET', RUN, ended, 'draining')
    redis.call('HDEL', RUN, 'cursor')
    finish_run_if_done()
  else
    redis.call('HSET', RUN, 'cursor', cursor)
  end
  return 1
end

-- control ACTION : pause, resume or cancel the run; its state afterwards.
function command.control(action)
  local state = redis.call('HGET', RUN, 'state')
  if action == 'pause' and (state == 'listing' or state == 'draining') then
    redis.call('HSET', RUN, 'state', 'paused', 'resume_to', state)
  elseif action == 'resume' and state == 'paused' then
    redis.call('HSET', RUN, 'state', redis.call('HGET', RUN, 'resume_to'))
    redis.call('HDEL', RUN, 'resume_to')
    finish_run_if_done()
  elseif action == 'cancel' and (state == 'listing' or state == 'draining' or state == 'paused') then
    for _, id in ipairs(redis.call('SMEMBERS', OPEN)) do redis.call('ZREM', BULK, id) end
    finish_run('cancelled')
  end
  return redis.call('HGET', RUN, 'state') or ''
end

local function grant(id, lane, milliseconds)
  local token = tostring(redis.call('INCR', FENCE))
  redis.call('ZREM', WAITING[lane], id)
  redis.call('ZADD', LEASED, now + milliseconds, id)
  redis.call('HSET', TOKENS, id, token)
  redis.call('HSET', LANES, id, lane)
  return token
end

-- take ID LANE MS : lease this id now, due or not; {} while somebody else holds it.
function command.take(id, lane, milliseconds)
  if redis.call('ZSCORE', LEASED, id) then return {} end
  local waits_in = waiting_lane(id)
  if waits_in then redis.call('ZREM', WAITING[waits_in], id) end
  return { id, grant(id, lane, milliseconds), lane }
end

-- After a pause: one contact that has not failed yet tells the vendor's fault from that
-- of the contacts which have. Where all have, they go together and each has its attempt.
local function lease_fresh(lanes, milliseconds)
  for _, lane in ipairs(lanes) do
    local due = redis.call('ZRANGEBYSCORE', WAITING[lane], '-inf', now,
      'LIMIT', 0, FRESH_LOOKED_AT)
    for _, id in ipairs(due) do
      if redis.call('HEXISTS', ATTEMPTS, id) == 0 then
        return { id, grant(id, lane, milliseconds), lane }
      end
    end
  end
end

-- lease N MAX_OUT MS : up to N due ids, most urgent lane first: {id, token, lane, ...}.
-- MAX_OUT bounds how many bulk ids are out; urgent ones may be out beside as many.
function command.lease(n, max_out, milliseconds)
  local leases = {}
  if is_paused() then return leases end
  local paused = redis.call('HGET', RUN, 'state') == 'paused'
  local careful = redis.call('HEXISTS', HEALTH, 'careful') == 1
  if careful then
    if redis.call('ZCARD', LEASED) > 0 then return leases end
    local lanes = paused and { 'consent', 'live' } or { 'consent', 'live', 'bulk' }
    local first = lease_fresh(lanes, milliseconds)
    if first then return first end
  end
  local out, left = redis.call('ZCARD', LEASED), tonumber(n)
  for _, lane in ipairs({ 'consent', 'live', 'bulk' }) do
    local room = lane == 'bulk' and max_out - out or 2 * max_out - out
    local take = paused and lane == 'bulk' and 0 or math.min(left, room)
    local ids = {}
    if take > 0 then
      ids = redis.call('ZRANGEBYSCORE', WAITING[lane], '-inf', now, 'LIMIT', 0, take)
    end
    for _, id in ipairs(ids) do
      local token = grant(id, lane, milliseconds)
      for _, value in ipairs({ id, token, lane }) do leases[#leases + 1] = value end
    end
    out, left = out + #ids, left - #ids
  end
  if careful and out > 0 then redis.call('HSET', HEALTH, 'together', out) end
  return leases
end

-- open ID TOKEN MS OWNER : what a sync starts from; {} when the lease is void. Without
-- an owner nothing but its expiry ends a lease that nobody ends.
-- Before a vendor that is known to be away is called, the contact goes back: {'paused'}.
function command.open(id, token, milliseconds, owner)
  if not holds(id, token) then return {} end
  if is_paused() then
    local lane = redis.call('HGET', LANES, id)
    redis.call('HDEL', EXPIRIES, id)
    mark(id, higher(release(id), lane), now)
    return { 'paused' }
  end
  redis.call('ZADD', LEASED, now + milliseconds, id)
  if owner ~= '' then redis.call('HSET', OWNERS, id, owner) end
  return { redis.call('HGET', LANES, id),
    redis.call('GET', ROW .. id) or '',
    redis.call('HGET', SNAPSHOTS, id) or '',
    redis.call('HGET', SEEN, id) or '',
    redis.call('HEXISTS', WRITING, id),
    tonumber(redis.call('HGET', ATTEMPTS, id) or 0) }
end

-- begin ID TOKEN ADDRESSES : mark as being written; 'held', 'stale' or 'ok'.
function command.begin(id, token, packed)
  if not holds(id, token) then return 'stale' end
  local held = false
  each_address(packed, function(address)
    local holder = redis.call('HGET', HELD, address)
    if holder and holder ~= id and redis.call('ZSCORE', LEASED, holder) then held = true end
  end)
  if held then return 'held' end
  each_address(packed, function(address) redis.call('HSET', HELD, address, id) end)
  redis.call('HSET', WRITING, id, packed)
  return 'ok'
end

-- settle ID TOKEN OUTCOME SNAPSHOT OLD_ADDRESS NEW_ADDRESS ANSWERED WAKE... : done.
-- 0 when somebody else settled, or holds, the contact.
function command.settle(id, token, outcome, snapshot, old_address, new_address, answered, ...)
  if not holds(id, token) then return 0 end
  local again = release(id)
  if snapshot == '' then redis.call('HDEL', SNAPSHOTS, id)
  else redis.call('HSET', SNAPSHOTS, id, snapshot) end
  if old_address ~= '' and old_address ~= new_address then forget_address(old_address, id) end
  if new_address ~= '' then remember_address(new_address, id) end
  for _, key in ipairs({ WRITING, ATTEMPTS, EXPIRIES, DEAD }) do
    redis.call('HDEL', key, id)
  end
  worked(answered)
  close_in_run(id, 'settled', outcome)
  if again then
    mark(id, again, now)
  else
    redis.call('DEL', ROW .. id)
    redis.call('HDEL', SEEN, id)
  end
  for _, other in ipairs({ ... }) do mark(other, 'live', now) end
  return 1
end

-- skip ID TOKEN OUTCOME ANSWERED : looked at, and left as it was.
function command.skip(id, token, outcome, answered)
  if not holds(id, token) then return 0 end
  local again = release(id)
  worked(answered)
  close_in_run(id, 'settled', outcome)
  if again then mark(id, again, now) end
  return 1
end

-- give_back ID TOKEN WAIT_MS COUNTED SUSPECT UNTOUCHED : to be tried again after a wait.
-- An attempt that may be the fault of the vendor SUSPECT can be taken back;
-- where no call had left yet, the mark of writing goes.
function command.give_back(id, token, wait, counted, suspect, untouched)
  if not holds(id, token) then return 0 end
  local lane = redis.call('HGET', LANES, id)
  local again = release(id)
  if counted == '1' then redis.call('HINCRBY', ATTEMPTS, id, 1) end
  if suspect ~= '' then redis.call('HINCRBY', SUSPECTS, suspect .. ':' .. id, 1) end
  if untouched == '1' then redis.call('HDEL', WRITING, id) end
  redis.call('HDEL', EXPIRIES, id)
  mark(id, higher(again, lane), again and now or now + wait)
  return 1
end

-- bury ID TOKEN LETTER CODE : failed for good, unless it changed meanwhile.
function command.bury(id, token, letter, code)
  if not holds(id, token) then return 0 end
  local again = release(id)
  bury(id, letter, code)
  if again then mark(id, again, now) end
  return 1
end

-- expire MAX LETTER ALIVE... : return what expired, and at once what a worker held that
-- is not alive, the page it was fetching too; the tenth time in a row is a dead letter.
-- The dead worker's last request may still be at the vendor, as it may after an expiry:
-- the mark of writing stays, so the next attempt compares with the real subscriber.
-- Whoever was declared dead wrongly finds his lease void.
function command.expire(max_expiries, letter, ...)
  local alive, owners = { [''] = true }, redis.call('HGETALL', OWNERS)
  for _, boot in ipairs({ ... }) do alive[boot] = true end
  if not alive[redis.call('HGET', RUN, 'claimed_by') or ''] then
    redis.call('HDEL', RUN, 'claimed_until', 'claimed_by')
  end
  for i = 1, #owners, 2 do
    if not alive[owners[i + 1]] then redis.call('ZADD', LEASED, 'XX', now, owners[i]) end
  end
  local ids = redis.call('ZRANGEBYSCORE', LEASED, '-inf', now, 'LIMIT', 0, 500)
  for _, id in ipairs(ids) do
    local lane = redis.call('HGET', LANES, id) or 'bulk'
    local again = release(id)
    if redis.call('HINCRBY', EXPIRIES, id, 1) >= tonumber(max_expiries) then
      bury(id, letter, 'worker lost')
      if again then mark(id, again, now) end
    else
      mark(id, higher(again, lane), now)
    end
  end
  return #ids
end

-- replay ID... : dead letters wait again, in the live lane; how many there were.
function command.replay(...)
  local replayed = 0
  for _, id in ipairs({ ... }) do
    if redis.call('HDEL', DEAD, id) == 1 then
      mark(id, 'live', now)
      replayed = replayed + 1
    end
  end
  return replayed
end

local name = table.remove(ARGV, 1)
return command[name](unpack(ARGV))
