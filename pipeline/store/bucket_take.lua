-- Reserve the next free moment and renew the lease. Returns {verdict, wait, now}: GRANTED,
-- the token's moment is `wait` away; TOLD, ask again after it; SPENT, the day's calls are
-- used up for so long; LOST, the lease is somebody else's or nobody's.
-- KEYS[2], KEYS[3] leased, tokens of the ledger (only with a lease); ARGV[3] 1 = for bulk
-- work; ARGV[4] calls a day, 0 = no limit; ARGV[5] 1 = the clock has jumped
-- ahead; ARGV[6] id of the contact, '' = no lease; ARGV[7] fencing token; ARGV[8] lease.
local bulk, daily = ARGV[3] == '1', tonumber(ARGV[4])
local id, lease = ARGV[6], tonumber(ARGV[8])

if id ~= '' then
  local ours = redis.call('HGET', KEYS[3], id) == ARGV[7]
  if not ours or not redis.call('ZSCORE', KEYS[2], id) then return { LOST, 0, now } end
end

-- The ledger counts leases in milliseconds.
local function renew(wait)
  if id == '' then return end
  local expiry = string.format('%.0f', math.floor((now + wait + lease) / 1000))
  redis.call('ZADD', KEYS[2], 'XX', expiry, id)
end

-- How far ahead may be reserved. Bulk work leaves what is further to people's changes;
-- where these take every token, it has its turn among them: one token at a time.
local function furthest(b, at)
  if not bulk then return AHEAD end
  local turn = at == b.next and at - b.bulk >= math.max(AHEAD, BULK_TURN * pace(b))
  return turn and AHEAD or BULK_AHEAD
end

local b = open(ARGV[5] == '1')
local at = math.max(now, b.next, b.frozen)
if b.spent and now < b.spent then
  save(b)
  return { SPENT, b.spent - now, now }
end
local far = furthest(b, at)
if at - now > far then
  local wait = at - now - far
  renew(wait)
  save(b)
  return { TOLD, wait, now }
end
-- The day's key follows from Redis' clock, so it cannot be among KEYS.
local today = day_key(at)
if daily > 0 and (tonumber(redis.call('GET', today)) or 0) >= daily then
  save(b)
  return { SPENT, at - at % DAY + DAY - now, now }
end
if redis.call('INCR', today) == 1 then
  redis.call('EXPIRE', today, KEEP_DAY)
  redis.call('EXPIRE', KEY, KEEP_BUCKET)
end
renew(at - now)
b.next = at + pace(b)
if bulk then b.bulk = at end
save(b, count_call(b, at))
return { GRANTED, at - now, now }
