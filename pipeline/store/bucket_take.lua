-- Reserve the next free moment and renew the lease. Returns {verdict, wait, now}: GRANTED,
-- the token's moment is `wait` away, or so long past; TOLD, ask again after it; SPENT, the
-- day's calls are used up for so long; LOST, the lease is somebody else's or nobody's.
-- KEYS[2], KEYS[3] leased, tokens of the ledger (only with a lease); ARGV[5] the lane;
-- ARGV[6] 1 = the clock has jumped ahead; ARGV[7] id of the contact, '' = no lease;
-- ARGV[8] fencing token; ARGV[9] lease.
local lane, id = ARGV[5], ARGV[7]

if id ~= '' then
  local ours = redis.call('HGET', KEYS[3], id) == ARGV[8]
  if not ours or not redis.call('ZSCORE', KEYS[2], id) then return { LOST, 0, now } end
end

-- The ledger counts leases in milliseconds.
local function renew(wait)
  if id == '' then return end
  local until_ms = math.floor((now + math.max(wait, 0) + tonumber(ARGV[9])) / 1000)
  redis.call('ZADD', KEYS[2], 'XX', string.format('%.0f', until_ms), id)
end

-- How far ahead may be reserved. Each lane leaves what is further to those before it;
-- where these take every token, it has its turn among them: one token at a time.
local REACH = { consent = AHEAD, live = LIVE_AHEAD, bulk = BULK_AHEAD }
local function furthest(b, at)
  local last = b[lane] -- none for consent, which is before all others
  if last and at == b.next and at - last >= math.max(AHEAD, TURN * pace(b)) then return AHEAD end
  return REACH[lane]
end

-- For how long nothing may be granted because of the day; nil when it may.
local function day_is_spent(b, today)
  if now < b.spent then return b.spent - now end
  local keep = lane == 'bulk' and RESERVE or 0
  if DAILY > 0 and used_on(b, today) >= DAILY - keep then
    return (today + 1) * DAY - now
  end
  if keep == 0 or b.daily == NONE then return end
  -- The vendor's day may be smaller than we are told: 10,000 calls of a trial account.
  if b.daily - b.since <= math.min(keep, keep * b.limit / DAILY) then
    local again = b.told + PROBE_DAILY
    if now < again then return again - now end
    b.told = now -- one call will tell; until then nobody else asks
  end
end

local b = open(ARGV[6] == '1')
-- A moment just past is as good as now: its token could have been used as late as this.
local at = math.max(now - CATCH_UP, b.next, b.frozen)
local far = furthest(b, at)
if at - now > far then
  local wait = at - now - far
  renew(wait)
  save(b)
  return { TOLD, wait, now }
end
local today = day_of(math.max(at, now))
local spent = day_is_spent(b, today)
if spent then
  save(b)
  return { SPENT, spent, now }
end
if b.day ~= today then
  b.day, b.used = today, 0
  redis.call('EXPIRE', KEY, KEEP_BUCKET)
end
renew(at - now)
b.next = at + pace(b)
if b[lane] then b[lane] = at end
b.used, b.since = b.used + 1, b.since + 1
count_call(b, at)
save(b)
return { GRANTED, at - now, now }
