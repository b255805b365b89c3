-- Orders: what rules want sent, from when it was placed to its end (pipeline/sync/orders.py).
-- An order moves only from where it is to what may follow on that, so a command that is
-- repeated finds it moved already.

local ORDERS, UNENDED = key('orders'), key('orders:of')
local READY, OUT, ENDED = key('orders:ready'), key('orders:out'), key('orders:ended')
local CAMPAIGNS, DAYS, MESSAGE = key('campaigns'), key('orders:day'), key('message:')

local MESSAGE_MS = 600000         -- the one place with a person's data
local KEPT_MS, KEPT_MOST = 90 * 86400000, 200000
local TRIMMED_AT_A_TIME = 100
local IS_END = { done = true, rehearsed = true, ['held back'] = true, failed = true }
local IS_NOT_SENT = { waiting = true, ['held back'] = true, failed = true }
local IS_COUNTED = { mail = true, list = true }

local function order_of(id)
  local packed = redis.call('HGET', ORDERS, id)
  return packed and cjson.decode(packed)
end

local function save(id, order) redis.call('HSET', ORDERS, id, cjson.encode(order)) end

local function list(contact, id)
  local ids = redis.call('HGET', UNENDED, contact)
  redis.call('HSET', UNENDED, contact, ids and ids .. ' ' .. id or id)
end

local function unlist(contact, id)
  local others = {}
  for other in string.gmatch(redis.call('HGET', UNENDED, contact) or '', '%S+') do
    if other ~= id then others[#others + 1] = other end
  end
  if #others == 0 then redis.call('HDEL', UNENDED, contact)
  else redis.call('HSET', UNENDED, contact, table.concat(others, ' ')) end
end

-- How many orders of a contact went, or are about to go, on a day of its own.
local function on_day(contact, day)
  local known, count = string.match(redis.call('HGET', DAYS, contact) or '', '^(.*):(%d+)$')
  return known == day and tonumber(count) or 0
end

local function count(order, day)
  if day == '' or order.day or not IS_COUNTED[order.kind] then return end
  redis.call('HSET', DAYS, order.contact, day .. ':' .. on_day(order.contact, day) + 1)
  order.day = day
end

local function uncount(order)
  local counted = order.day and on_day(order.contact, order.day) or 0
  if counted > 0 then
    redis.call('HSET', DAYS, order.contact, order.day .. ':' .. counted - 1)
  end
  order.day = nil
end

local function tally(order, by)
  local words = { order.campaign, order.kind, order.state, order.why }
  local name = table.concat(words, '\t')
  if redis.call('HINCRBY', CAMPAIGNS, name, by) <= 0 then redis.call('HDEL', CAMPAIGNS, name) end
end

local function trim()
  local old = redis.call('ZRANGEBYSCORE', ENDED, '-inf', now - KEPT_MS,
    'LIMIT', 0, TRIMMED_AT_A_TIME)
  local over = redis.call('ZCARD', ENDED) - #old - KEPT_MOST
  if over > 0 then
    local last = #old + math.min(over, TRIMMED_AT_A_TIME) - 1
    for _, id in ipairs(redis.call('ZRANGE', ENDED, #old, last)) do old[#old + 1] = id end
  end
  for _, id in ipairs(old) do
    redis.call('ZREM', ENDED, id)
    redis.call('HDEL', ORDERS, id)
  end
end

local function move(id, order, state, why)
  redis.call('ZREM', READY, id)
  redis.call('ZREM', OUT, id)
  if order.state ~= state then order.since_ms = now end
  order.state, order.why = state, why
  if state ~= 'sending' then order.unsent = nil end
  if IS_NOT_SENT[state] then uncount(order) end
  if state ~= 'ready' and state ~= 'sending' then redis.call('DEL', MESSAGE .. id) end
  if IS_END[state] then
    -- Whoever retries what failed needs to know what happened.
    if state ~= 'failed' then order.facts = nil end
    unlist(order.contact, id)
    tally(order, 1)
    redis.call('ZADD', ENDED, now, id)
    trim()
  end
  save(id, order)
end

-- To be decided anew by the contact's own turn, which looks at its consent.
local function to_its_turn(id, order)
  move(id, order, 'waiting', '')
  touch(order.contact, 'e')
  mark(order.contact, 'live', now)
end

local function make_ready(id, order, at, message)
  if message ~= '' then redis.call('SET', MESSAGE .. id, message, 'PX', MESSAGE_MS) end
  move(id, order, 'ready', '')
  redis.call('ZADD', READY, at, id)
end

-- A member of CROSSINGS is of the contact, not of one order: the earliest moment stays,
-- and whoever has nothing to decide then costs one look.
local function cross_at(contact, moment)
  redis.call('ZADD', CROSSINGS, 'LT', moment, 'e' .. contact)
end

-- A contact was settled in whose turn somebody said no, or may have, or whose address is
-- another now: what was decided before is decided anew.
local function recall(contact)
  for id in string.gmatch(redis.call('HGET', UNENDED, contact) or '', '%S+') do
    local order = order_of(id)
    local is_here = order and (order.state == 'ready' or order.unsent)
    if is_here and order.kind == 'mail' then to_its_turn(id, order)
    elseif order and order.state == 'sending' and order.kind == 'mail' then
      -- It may have left: who sends it holds it no more, and it is looked up.
      order.token = nil
      save(id, order)
    end
  end
end

-- What a settled turn says. REST is N messages, then who has to look again because of it,
-- such as others with the address, whose mails wait for that. TEXT is {new = {{id, order}...}, decided = {{id, state, why,
-- not before, number of its message or 0, day}...}, recalls}. Whether somebody has to be
-- told that something is ready: whoever sends takes all that is.
local function place(contact, text, n, rest)
  local told, idle = cjson.decode(text), redis.call('ZCARD', READY) == 0
  if told.recalls then
    recall(contact)
    for i = n + 1, #rest do recall(rest[i]) end
  end
  for _, new in ipairs(told.new) do
    local id, order = new[1], new[2]
    if redis.call('HEXISTS', ORDERS, id) == 0 then
      order.state, order.why, order.since_ms, order.tries = 'waiting', '', now, 0
      save(id, order)
      list(order.contact, id)
    end
  end
  for _, one in ipairs(told.decided) do
    local id, state, why, not_before, number, day = unpack(one)
    local order = order_of(id)
    if order and order.state == 'waiting' then
      if state == 'ready' or state == 'done' then count(order, day) end
      if state == 'ready' then
        order.ready_ms, order.tries, order.alone = now, 0, nil
        make_ready(id, order, now, rest[number] or '')
      else
        move(id, order, state, why)
        if state == 'waiting' and not_before > 0 then cross_at(order.contact, not_before) end
      end
    end
  end
  return idle and redis.call('ZCARD', READY) > 0
end

-- The contact is gone from GHL. What is being sent ends as its answer says, and a
-- campaign is for others too.
local function cancel(contact)
  for id in string.gmatch(redis.call('HGET', UNENDED, contact) or '', '%S+') do
    local order = order_of(id)
    local is_ready = order and order.state == 'ready' and order.kind ~= 'draft'
    if is_ready or order and order.state == 'waiting' then
      move(id, order, 'held back', 'deleted in GHL')
    end
  end
  redis.call('HDEL', RULES, contact)
  redis.call('HDEL', DAYS, contact)
  redis.call('ZREM', CROSSINGS, 'e' .. contact)
end
