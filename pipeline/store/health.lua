-- Whether a connection can work at all. ARGV[1] names the command.
local HEALTH, SUSPECTS, ATTEMPTS = KEYS[1], KEYS[2], KEYS[3]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local command = {}

-- The vendor was at fault: the attempts were not the contacts'.
local function take_back_attempts()
  local suspects = redis.call('HGETALL', SUSPECTS)
  for i = 1, #suspects, 2 do
    if redis.call('HINCRBY', ATTEMPTS, suspects[i], -suspects[i + 1]) <= 0 then
      redis.call('HDEL', ATTEMPTS, suspects[i])
    end
  end
  redis.call('DEL', SUSPECTS)
end

local function pause(reason, probe_ms)
  redis.call('HSETNX', HEALTH, 'paused_ms', now)
  redis.call('HSET', HEALTH, 'reason', reason, 'probe_at', now + probe_ms)
end

-- pause REASON PROBE_MS : stop at once; look again after PROBE_MS.
function command.pause(reason, probe_ms)
  if redis.call('HEXISTS', HEALTH, 'paused_ms') == 0 then pause(reason, probe_ms) end
  return 1
end

-- stumble REASON PROBE_MS FAILURES CONTACTS : a call failed and nothing succeeded since
-- the last that did. Paused after FAILURES in a row; several contacts are proof enough
-- that it is not the contacts.
function command.stumble(reason, probe_ms, failures, contacts)
  if redis.call('HLEN', SUSPECTS) >= tonumber(contacts) then take_back_attempts() end
  if redis.call('HINCRBY', HEALTH, 'failures', 1) >= tonumber(failures) then
    command.pause(reason, probe_ms)
  end
  return 1
end

-- claim MS : 1 when a probe is due; the next is MS later.
function command.claim(probe_ms)
  local probe_at = redis.call('HGET', HEALTH, 'probe_at')
  if redis.call('HEXISTS', HEALTH, 'paused_ms') == 0 or tonumber(probe_at) > now then
    return 0
  end
  redis.call('HSET', HEALTH, 'probe_at', now + probe_ms)
  return 1
end

-- resume FAILURES : the probe succeeded; FAILURES before the next are remembered, so
-- that it pauses again.
function command.resume(failures)
  redis.call('HDEL', HEALTH, 'paused_ms', 'reason', 'probe_at')
  redis.call('HSET', HEALTH, 'failures', failures)
  redis.call('DEL', SUSPECTS)
  return 1
end

-- still_down REASON : the probe failed.
function command.still_down(reason)
  take_back_attempts()
  redis.call('HSET', HEALTH, 'reason', reason)
  return 1
end

local name = table.remove(ARGV, 1)
return command[name](unpack(ARGV))
