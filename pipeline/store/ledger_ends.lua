-- How a lease ends; and dead letters, which are one of its ends.

-- What was looked at around a contact: TOUCHED as it was when the work began, and for
-- each kind when time alone will change it; a crossing of 0 is none. That of rules is of
-- orders as well, of which not every look is told.
local function looked(id, touched, crossings)
  if touched ~= '' and redis.call('HGET', TOUCHED, id) == touched then
    redis.call('HDEL', TOUCHED, id)
  end
  for kind, moment in string.gmatch(crossings, '(%a)(%d+)') do
    if kind == 'e' then
      if moment ~= '0' then cross_at(id, moment) end
    elseif moment == '0' then redis.call('ZREM', CROSSINGS, kind .. id)
    else redis.call('ZADD', CROSSINGS, moment, kind .. id) end
    if SWEPT[kind] then redis.call('HDEL', SWEPT[kind], id) end
  end
end

local function forget(id)
  redis.call('HDEL', SNAPSHOTS, id)
  redis.call('HDEL', SAID, id)
  redis.call('HDEL', TOUCHED, id)
  redis.call('ZREM', CROSSINGS, 't' .. id, 'a' .. id)
  cancel(id)
end

-- What rules remember of a contact: '' leaves it, '-' forgets it.
local function remember_for_rules(id, packed)
  if packed == '-' then redis.call('HDEL', RULES, id)
  elseif packed ~= '' then redis.call('HSET', RULES, id, packed) end
end

-- settle ID TOKEN OUTCOME SNAPSHOT SAID OLD_ADDRESS NEW_ADDRESS ANSWERED TOUCHED
-- CROSSINGS RULES ORDERS N_MESSAGES MESSAGE... WAKE... : done; ORDERS is '' or as `place`
-- takes it. 0 when somebody else settled, or holds, the contact; 2 when nothing was ready
-- to be sent before, and something is now.
function command.settle(id, token, outcome, snapshot, said, old_address, new_address,
    answered, touched, crossings, rules, orders, count, ...)
  if not holds(id, token) then return 0 end
  local again, rest = release(id), { ... }
  looked(id, touched, crossings)
  local rings = orders ~= '' and place(id, orders, count, rest)
  if snapshot == '' then forget(id)
  else
    redis.call('HSET', SNAPSHOTS, id, snapshot)
    if said ~= '' then redis.call('HSET', SAID, id, said) end
    remember_for_rules(id, rules)
  end
  if old_address ~= '' and old_address ~= new_address then forget_address(old_address, id) end
  if new_address ~= '' then remember_address(new_address, id) end
  for _, key in ipairs({ WRITING, ATTEMPTS, EXPIRIES, DEAD }) do
    redis.call('HDEL', key, id)
  end
  worked(answered)
  redis.call('HSET', SUCCESS, 'synced', now)
  close_in_run(id, 'settled', outcome)
  if again then
    mark(id, again, now)
  else
    redis.call('DEL', ROW .. id)
    redis.call('HDEL', SEEN, id)
  end
  for i = count + 1, #rest do mark(rest[i], 'live', now) end
  return rings and 2 or 1
end

-- skip ID TOKEN OUTCOME ANSWERED UNTOUCHED : looked at, and left as it was.
function command.skip(id, token, outcome, answered, untouched)
  if not holds(id, token) then return 0 end
  local again = release(id)
  if untouched == '1' then redis.call('HDEL', WRITING, id) end
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

-- What a dead worker was making where nothing has an idempotency key may yet appear:
-- whoever looked at once would make it again.
local SETTLING_MS = 30000
local function settling(id)
  local letters = redis.call('HGET', TOUCHED, id) or ''
  local makes_contact = string.find(id, 'mailjet:', 1, true) == 1
  return (makes_contact or string.find(letters, '[ie]')) and SETTLING_MS or 0
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
      mark(id, higher(again, lane), now + settling(id))
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
