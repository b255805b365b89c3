-- Leases: how they are given out, opened, and marked before the first write.

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
-- MAX_OUT bounds how many bulk ids are out; of a more urgent lane as many may be out beside.
local ROOM = { bulk = 1, live = 2, consent = 3 }
function command.lease(n, max_out, milliseconds)
  local leases = {}
  if is_paused() or redis.call('EXISTS', RESTS) == 1 then return leases end
  local set_aside = is_set_aside(run_state()) or redis.call('EXISTS', BULK_RESTS) == 1
  local careful = redis.call('HEXISTS', HEALTH, 'careful') == 1
  local lanes = { 'consent', 'live', 'bulk' }
  if set_aside then lanes = { 'consent', 'live' } end
  if is_for_consent_only() then lanes = { 'consent' } end
  if careful then
    if redis.call('ZCARD', LEASED) > 0 then return leases end
    local first = lease_fresh(lanes, milliseconds)
    if first then return first end
  end
  local out, left = redis.call('ZCARD', LEASED), tonumber(n)
  for _, lane in ipairs(lanes) do
    local room = ROOM[lane] * max_out - out
    local take = math.min(left, room)
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

-- A contact's rows in the last sweep of a kind: '' where they are as they were carried,
-- '-' where there was no sweep.
local function swept(kind, id)
  return redis.call('HGET', SWEPT[kind], id) or redis.call('HGET', SWEPT[kind], 'complete') or '-'
end

-- rest LANE MS REASON : no contact of bulk, or for another lane of any, goes out until then.
function command.rest(lane, milliseconds, reason)
  redis.call('SET', lane == 'bulk' and BULK_RESTS or RESTS, reason, 'PX', milliseconds)
  return 1
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
    tonumber(redis.call('HGET', ATTEMPTS, id) or 0),
    redis.call('HGET', TOUCHED, id) or '', swept('t', id), swept('a', id),
    redis.call('HGET', RULES, id) or '', redis.call('HGETALL', SETUP) }
end

-- begin ID TOKEN ADDRESSES : mark as being written; 'held', 'stale', or from then on
-- what was said about the first address.
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
  return evidence(id, string.sub(packed, 1, 8))
end
