-- What came in and is still to be handled. ARGV[1] names the command.
-- Every command may be replayed: redis-py repeats one whose answer was lost.
local ENTRIES, DUE, TRIES = KEYS[1], KEYS[2], KEYS[3]  -- hash id -> entry; zset id -> not before; hash id -> "N reason"
local FAILED, SEEN = KEYS[4], KEYS[5]                  -- zsets id -> since
local SECRET, RUNG, HANDLED = KEYS[6], KEYS[7], KEYS[8]
local KEPT_MS = 7 * 86400 * 1000
local MOST_FAILED = 10000
local TRIMMED_AT_A_TIME = 1000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local command = {}

local function tries_of(id)
  local tries, reason = string.match(redis.call('HGET', TRIES, id) or '0 ', '^(%d+) (.*)$')
  return tonumber(tries), reason
end

local function drop(id)
  redis.call('ZREM', DUE, id)
  redis.call('ZREM', FAILED, id)
  redis.call('HDEL', TRIES, id)
  return redis.call('HDEL', ENTRIES, id) == 1
end

-- Failed entries hold what was sent, so they are kept for a week, and not without end.
local function trim()
  local old = redis.call('ZRANGEBYSCORE', FAILED, '-inf', now - KEPT_MS,
    'LIMIT', 0, TRIMMED_AT_A_TIME)
  local over = redis.call('ZCARD', FAILED) - #old - MOST_FAILED
  if over > 0 then
    for _, id in ipairs(redis.call('ZRANGE', FAILED, #old, #old + over - 1)) do
      old[#old + 1] = id
    end
  end
  for _, id in ipairs(old) do
    if drop(id) then redis.call('HINCRBY', HANDLED, 'given up', 1) end
  end
end

local function keep_as_failed(id, tries, reason)
  redis.call('ZREM', DUE, id)
  redis.call('HSET', TRIES, id, tries .. ' ' .. reason)
  redis.call('ZADD', FAILED, now, id)
  trim()
end

-- rewrite ID ENTRY : hold this instead of what was sent; '' forgets it all.
function command.rewrite(id, entry)
  if entry == '' then drop(id)
  elseif redis.call('HEXISTS', ENTRIES, id) == 1 then redis.call('HSET', ENTRIES, id, entry) end
  return 1
end

-- put KEY ID ENTRY MOST REMEMBER : 'new', 'repeat' or 'full'; {'key', KEY} where ids are
-- made with another key, which the caller then takes.
function command.put(key, id, entry, most, remember)
  local stored = redis.call('GET', SECRET)
  if not stored then redis.call('SET', SECRET, key)
  elseif stored ~= key then return { 'key', stored } end
  redis.call('ZREMRANGEBYSCORE', SEEN, '-inf', now - KEPT_MS)
  if redis.call('ZSCORE', SEEN, id) or redis.call('HEXISTS', ENTRIES, id) == 1 then
    return { 'repeat' }
  end
  if redis.call('ZCARD', DUE) >= tonumber(most) then return { 'full' } end
  if remember == '1' then redis.call('ZADD', SEEN, now, id) end
  redis.call('HSET', ENTRIES, id, entry)
  redis.call('ZADD', DUE, now, id)
  return { 'new' }
end

-- claim N LEASE_MS MOST_TRIES REASON : {id, try, entry, ...}. Who dies leaves its entries
-- to come back after the lease; one that was never ended is kept as failed for REASON.
function command.claim(n, lease, most, lost)
  redis.call('DEL', RUNG)
  trim()
  local claimed = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, n)) do
    local entry = redis.call('HGET', ENTRIES, id)
    local tries, reason = tries_of(id)
    if not entry then drop(id)
    elseif tries >= tonumber(most) then keep_as_failed(id, tries, lost)
    else
      redis.call('HSET', TRIES, id, (tries + 1) .. ' ' .. reason)
      redis.call('ZADD', DUE, now + lease, id)
      for _, value in ipairs({ id, tries + 1, entry }) do claimed[#claimed + 1] = value end
    end
  end
  return claimed
end

-- Whether that try still holds the entry.
local function holds(id, try)
  return redis.call('ZSCORE', DUE, id) and tries_of(id) == tonumber(try)
end

-- renew ID TRY LEASE_MS : 0 when somebody else has it by now.
function command.renew(id, try, lease)
  if not holds(id, try) then return 0 end
  redis.call('ZADD', DUE, now + lease, id)
  return 1
end

-- done ID OUTCOME : only the id stays, for repeats.
function command.done(id, outcome)
  if drop(id) then redis.call('HINCRBY', HANDLED, outcome, 1) end
  return 1
end

-- fail ID TRY WAIT_MS REASON : again later; with a negative wait it is kept as failed.
function command.fail(id, try, wait, reason)
  if not holds(id, try) then return 0 end
  if tonumber(wait) < 0 then keep_as_failed(id, try, reason)
  else
    redis.call('HSET', TRIES, id, try .. ' ' .. reason)
    redis.call('ZADD', DUE, now + wait, id)
  end
  return 1
end

-- put_off ID TRY WAIT_MS REASON : again later, and that was no try.
function command.put_off(id, try, wait, reason)
  if not holds(id, try) then return 0 end
  redis.call('HSET', TRIES, id, (try - 1) .. ' ' .. reason)
  redis.call('ZADD', DUE, now + wait, id)
  return 1
end

-- replay ID... : how many of them had failed.
function command.replay(...)
  local replayed = 0
  for _, id in ipairs({ ... }) do
    if redis.call('ZREM', FAILED, id) == 1 then
      local _, reason = tries_of(id)
      redis.call('HSET', TRIES, id, '0 ' .. reason)
      redis.call('ZADD', DUE, now, id)
      replayed = replayed + 1
    end
  end
  return replayed
end

-- counts : {waiting, due, failed}.
function command.counts()
  return { redis.call('ZCARD', DUE), redis.call('ZCOUNT', DUE, '-inf', now),
    redis.call('ZCARD', FAILED) }
end

-- ring MS : 1 when something is due and nobody was rung for it in that time.
function command.ring(milliseconds)
  if redis.call('ZCOUNT', DUE, '-inf', now) == 0 then return 0 end
  return redis.call('SET', RUNG, 1, 'NX', 'PX', milliseconds) and 1 or 0
end

local name = table.remove(ARGV, 1)
return command[name](unpack(ARGV))
