-- Whether a connection can work at all. ARGV[1] names the command.
local HEALTH, SUSPECTS, ATTEMPTS = KEYS[1], KEYS[2], KEYS[3]
local EPISODE_MS = 600000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local command = {}

local function is_paused() return redis.call('HEXISTS', HEALTH, 'paused_ms') == 1 end

-- The vendor was at fault: the attempts were not the contacts'.
local function take_back_attempts()
  local suspects = redis.call('HGETALL', SUSPECTS)
  for i = 1, #suspects, 2 do
    local id = string.match(suspects[i], '^[^:]*:(.*)$')
    if redis.call('HINCRBY', ATTEMPTS, id, -suspects[i + 1]) <= 0 then
      redis.call('HDEL', ATTEMPTS, id)
    end
  end
  redis.call('DEL', SUSPECTS)
end

-- One episode lasts, through all its resumes, until a contact was synced by way of the
-- vendor (ledger.lua: `worked`), or for ten minutes without a failure.
local function begin_episode()
  local resumed = tonumber(redis.call('HGET', HEALTH, 'resumed_ms') or now)
  if now - resumed > EPISODE_MS then redis.call('HDEL', HEALTH, 'trials', 'since_ms') end
  redis.call('HSETNX', HEALTH, 'since_ms', now)
end

-- pause VENDOR CAUSE REASON WAIT_MS FIRST_MS LONGEST_MS : stop at once; look again after
-- FIRST_MS, doubled with every resume of this episode.
function command.pause(vendor, cause, reason, wait, first, longest)
  if is_paused() then return 1 end
  begin_episode()
  local trials = tonumber(redis.call('HGET', HEALTH, 'trials') or 0)
  local look = math.max(wait, math.min(first * 2 ^ trials, longest))
  redis.call('HSET', HEALTH, 'paused_ms', now, 'probe_at', math.floor(now + look),
    'vendor', vendor, 'cause', cause, 'reason', reason)
  return 1
end

-- stumble OCCURRENCE FAILURES VENDOR CAUSE REASON ... : a call failed, and none to that
-- vendor has succeeded since the last that did. Paused after FAILURES in a row; where the
-- pause had just ended, after one, or once all have failed that went out together. An
-- occurrence counts once, however often it is told.
function command.stumble(occurrence, failures, vendor, ...)
  if is_paused() then return 1 end
  local field = 'failures:' .. vendor
  local told = redis.call('HGET', HEALTH, field) or ''
  if string.find(told, ' ' .. occurrence .. ';', 1, true) then return 1 end
  told = told .. ' ' .. occurrence .. ';'
  redis.call('HSET', HEALTH, field, told)
  local _, count = string.gsub(told, ';', '')
  local again = redis.call('HEXISTS', HEALTH, 'trials') == 1
    and redis.call('HGET', HEALTH, 'vendor') == vendor
  if again then failures = redis.call('HGET', HEALTH, 'together') or 1 end
  if count >= tonumber(failures) then command.pause(vendor, ...) end
  return 1
end

-- claim FIRST_MS LONGEST_MS : 1 when a probe is due; the next comes after as long again as
-- it has been paused.
function command.claim(first, longest)
  if not is_paused() or tonumber(redis.call('HGET', HEALTH, 'probe_at')) > now then
    return 0
  end
  local been = now - tonumber(redis.call('HGET', HEALTH, 'paused_ms'))
  local wait = math.min(math.max(been, first), longest)
  redis.call('HSET', HEALTH, 'probe_at', math.floor(now + wait))
  return 1
end

-- resume : the probe succeeded. The next contact goes alone (ledger_leases.lua: `lease`), and
-- what fails from now on was not the vendor's fault as far as a probe can tell.
function command.resume()
  if not is_paused() then return 1 end
  for _, field in ipairs(redis.call('HKEYS', HEALTH)) do
    if string.find(field, '^failures:') then redis.call('HDEL', HEALTH, field) end
  end
  redis.call('HDEL', HEALTH, 'paused_ms', 'probe_at', 'together')
  redis.call('HSET', HEALTH, 'careful', 1, 'resumed_ms', now)
  redis.call('HINCRBY', HEALTH, 'trials', 1)
  redis.call('DEL', SUSPECTS)
  return 1
end

-- still_down VENDOR CAUSE REASON WAIT_MS : the probe failed.
function command.still_down(vendor, cause, reason, wait)
  if not is_paused() then return 1 end
  take_back_attempts()
  local probe_at = math.max(tonumber(redis.call('HGET', HEALTH, 'probe_at')), now + wait)
  redis.call('HSET', HEALTH, 'vendor', vendor, 'cause', cause, 'reason', reason,
    'probe_at', probe_at)
  return 1
end

local name = table.remove(ARGV, 1)
return command[name](unpack(ARGV))
