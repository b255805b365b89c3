-- Sending: which orders go out, to whom, and what became of them. Who sends holds a token,
-- as who syncs does.

local FRESH_MS = 300000           -- for so long a decision holds, but for consent
local LOOK_MS = 60000             -- before that Mailjet may not show what it was sent
local LOOKED_AT, PAGES, DRAFTS_AT_A_TIME = 200, 25, 20
local WEBHOOKS_AT_A_TIME = 3      -- each may take its 15 s of the lease
local LOOKING_MS = 30000          -- a last look at consent takes no longer; a dead one's mails wait

-- Whether somebody's answer to being mailed may just be changing.
local function consent_is_at_stake(contact)
  return redis.call('ZSCORE', CONSENT, contact)
    or redis.call('HGET', LANES, contact) == 'consent'
    or redis.call('HGET', AGAIN, contact) == 'consent'
end

local function is_of_token(order, token)
  return order and order.token == token
    and (order.state == 'sending' or order.state == 'doubtful')
end

-- Orders that were out for too long: what nobody knows the end of is looked up, a mail
-- that had not left is decided anew, and a webhook, which may come twice, is called again.
local function look_after(n, lease, token, taken)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', OUT, '-inf', now, 'LIMIT', 0, n)) do
    local order = order_of(id)
    if not order then redis.call('ZREM', OUT, id)
    elseif order.state == 'sending' and order.kind == 'webhook' then
      make_ready(id, order, now, '')
    elseif order.unsent then to_its_turn(id, order)
    elseif order.state == 'sending' then
      move(id, order, 'doubtful', '')
      redis.call('ZADD', OUT, now + LOOK_MS, id)
    elseif order.kind == 'draft' then to_its_turn(id, order)
    else
      order.token = token
      save(id, order)
      redis.call('ZADD', OUT, now + lease, id)
      taken[#taken + 1] = { id, order, '' }
    end
  end
end

-- How many of a kind somebody has in hand: drafts, and mails until they leave.
local function in_hand(kind)
  local count = 0
  for _, id in ipairs(redis.call('ZRANGE', OUT, 0, -1)) do
    local order = order_of(id)
    local is_held = order and order.kind == kind and (kind == 'draft' or order.unsent)
    if is_held then count = count + 1 end
  end
  return count
end

-- Whether the order may go with this batch. Drafts go with one sender at a time, because
-- what two look for at once both of them make.
local function has_room(order, room)
  if order.kind == 'draft' and not room.draft then
    room.draft = in_hand('draft') > 0 and 0 or DRAFTS_AT_A_TIME
  end
  if order.alone then return room.mail == room.most end
  return (room[order.kind] or 0) > 0
end

-- Take of one page what there is room for; how many were seen, and how many stay ready.
local function take_page(from, room, lease, token, taken)
  local stay = 0
  local ids = redis.call('ZRANGEBYSCORE', READY, '-inf', now, 'LIMIT', from, LOOKED_AT)
  for _, id in ipairs(ids) do
    local order, message = order_of(id), redis.call('GET', MESSAGE .. id) or ''
    if not order then redis.call('ZREM', READY, id)
    elseif order.kind ~= 'webhook' and message == ''
        or order.kind == 'mail' and order.ready_ms < now - FRESH_MS then
      to_its_turn(id, order)
    elseif has_room(order, room)
        and not (order.kind == 'mail' and consent_is_at_stake(order.contact)) then
      order.token, order.tries, order.unsent = token, order.tries + 1, true
      room[order.kind] = order.alone and 0 or room[order.kind] - 1
      move(id, order, 'sending', '')
      redis.call('ZADD', OUT, now + (order.kind == 'mail' and LOOKING_MS or lease), id)
      taken[#taken + 1] = { id, order, message }
    else stay = stay + 1 end
  end
  return #ids, stay
end

-- Webhooks that wait for a slow receiver must not keep mails from being seen behind them.
-- While a sender has its hands full, another would only take tokens from it, and a slot.
local function take_ready(n, lease, hands, token, taken)
  local most = tonumber(n)
  local mail = in_hand('mail') < tonumber(hands) and most or 0
  local room = { mail = mail, most = most, webhook = WEBHOOKS_AT_A_TIME }
  local from = 0
  for _ = 1, PAGES do
    local seen, stay = take_page(from, room, lease, token, taken)
    from = from + stay
    if seen < LOOKED_AT or room.mail == 0 then return end
  end
end

-- send N LEASE_MS HANDS : up to N mails to send, and what goes beside them: {token, id, order,
-- message, ...}. An order that is doubtful is to be looked up. What became old is decided
-- anew, and who may be saying no at this moment is left for later.
function command.send(n, lease, hands)
  local token, taken = tostring(redis.call('INCR', FENCE)), {}
  look_after(n, lease, token, taken)
  take_ready(n, lease, hands, token, taken)
  local told = { token }
  for _, one in ipairs(taken) do
    for _, part in ipairs({ one[1], cjson.encode(one[2]), one[3] }) do told[#told + 1] = part end
  end
  return told
end

-- due : how many orders `send` would look at.
function command.due()
  return redis.call('ZCOUNT', READY, '-inf', now) + redis.call('ZCOUNT', OUT, '-inf', now)
end

-- hold TOKEN LEASE_MS ID... : all of them leave now; 0 when one of them is lost, or who
-- gets it may be saying no by now.
function command.hold(token, lease, ...)
  for _, id in ipairs({ ... }) do
    local order = order_of(id)
    if not is_of_token(order, token) or order.state ~= 'sending'
        or order.kind == 'mail' and consent_is_at_stake(order.contact) then
      return 0
    end
  end
  for _, id in ipairs({ ... }) do
    local order = order_of(id)
    order.unsent = nil
    save(id, order)
    redis.call('ZADD', OUT, now + lease, id)
  end
  return 1
end

-- finish TOKEN STATE WHY ID... : their end. That a mail went is true whoever says it; that
-- it did not is known to its sender alone.
function command.finish(token, state, why, ...)
  for _, id in ipairs({ ... }) do
    local order = order_of(id)
    local may = order and (IS_NOT_SENT[state] and is_of_token(order, token)
      or not IS_NOT_SENT[state] and not IS_END[order.state])
    if may then move(id, order, state, why) end
  end
  return 1
end

-- doubt TOKEN ID... : they may have been sent.
function command.doubt(token, ...)
  for _, id in ipairs({ ... }) do
    local order = order_of(id)
    if is_of_token(order, token) and order.state == 'sending' then
      move(id, order, 'doubtful', '')
      redis.call('ZADD', OUT, now + LOOK_MS, id)
    end
  end
  return 1
end

-- again TOKEN WAIT_MS ALONE ID... : surely not sent; ready as they were, later.
function command.again(token, wait, alone, ...)
  for _, id in ipairs({ ... }) do
    local order = order_of(id)
    if is_of_token(order, token) and order.state == 'sending' then
      if alone == '1' then order.alone = true end
      make_ready(id, order, now + wait, '')
    end
  end
  return 1
end

-- back TOKEN ID... : not sent; the contacts' own turns decide them anew.
function command.back(token, ...)
  for _, id in ipairs({ ... }) do
    local order = order_of(id)
    if is_of_token(order, token) then to_its_turn(id, order) end
  end
  return 1
end

-- retry ID... : failed orders are decided anew; how many there were.
function command.retry(...)
  local retried = 0
  for _, id in ipairs({ ... }) do
    local order = order_of(id)
    if order and order.state == 'failed' then
      tally(order, -1)
      redis.call('ZREM', ENDED, id)
      list(order.contact, id)
      to_its_turn(id, order)
      retried = retried + 1
    end
  end
  return retried
end
