-- Runs: their start, their pages, how an operator and the hours steer them.

local function set_aside(as, state) redis.call('HSET', RUN, 'state', as, 'resume_to', state) end

local function go_on()
  redis.call('HSET', RUN, 'state', redis.call('HGET', RUN, 'resume_to'))
  redis.call('HDEL', RUN, 'resume_to')
  finish_run_if_done()
end

-- start RUN_ID KIND CURSOR NIGHTLY : the id of the run under way, or of the new one. Who
-- orders what the night began wants it now: from then on it keeps no hours.
function command.start(run_id, kind, cursor, nightly)
  local state = run_state()
  if is_active(state) then
    if nightly == '' and redis.call('HGET', RUN, 'kind') == kind then
      redis.call('HDEL', RUN, 'nightly')
      if state == 'resting' then go_on() end
    end
    return redis.call('HGET', RUN, 'id')
  end
  if redis.call('HGET', RUN, 'id') == run_id then return run_id end
  redis.call('DEL', RUN, FOUND, OPEN)
  if nightly ~= '' then redis.call('HSET', RUN, 'nightly', 1) end
  redis.call('HSET', RUN, 'id', run_id, 'kind', kind, 'state', 'listing', 'cursor', cursor,
    'page', 0, 'discovered', 0, 'settled', 0, 'dead', 0, 'started_ms', now)
  return run_id
end

-- claim MS OWNER : this caller fetches the next page; {} when another does, or none is due.
function command.claim(milliseconds, owner)
  if redis.call('HGET', RUN, 'state') ~= 'listing' then return {} end
  if is_paused() or is_for_consent_only() then return {} end
  if tonumber(redis.call('HGET', RUN, 'claimed_until') or 0) > now then return {} end
  redis.call('HSET', RUN, 'claimed_until', now + milliseconds, 'claimed_by', owner)
  return redis.call('HMGET', RUN, 'id', 'page', 'cursor')
end

-- wanted : the cursor of the page that nobody fetches at the moment, '' for none.
function command.wanted()
  local fields = redis.call('HMGET', RUN, 'state', 'claimed_until', 'cursor')
  if fields[1] ~= 'listing' or tonumber(fields[2] or 0) > now then return '' end
  if is_paused() or is_for_consent_only() then return '' end
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
  if stored[3] ~= 'listing' and not is_set_aside(stored[3]) then return 0 end
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
    local ended = is_set_aside(stored[3]) and 'resume_to' or 'state'
    redis.call('HSET', RUN, ended, 'draining')
    redis.call('HDEL', RUN, 'cursor')
    finish_run_if_done()
  else
    redis.call('HSET', RUN, 'cursor', cursor)
  end
  return 1
end

-- control ACTION : pause, resume or cancel the run; its state afterwards. What an operator
-- lets go on keeps no hours any more: the next tick would let it rest again.
function command.control(action)
  local state = run_state()
  if action == 'pause' and (state == 'listing' or state == 'draining') then
    set_aside('paused', state)
  elseif action == 'pause' and state == 'resting' then
    redis.call('HSET', RUN, 'state', 'paused')
  elseif action == 'resume' and is_set_aside(state) then
    redis.call('HDEL', RUN, 'nightly')
    go_on()
  elseif action == 'cancel' and is_active(state) then
    for _, id in ipairs(redis.call('SMEMBERS', OPEN)) do redis.call('ZREM', BULK, id) end
    finish_run('cancelled')
  end
  return run_state()
end

-- keep_hours WITHIN : let the run that the night began rest outside its hours, and go on
-- within them; its state afterwards. What else waits in the bulk lane has no hours.
function command.keep_hours(within)
  local state = run_state()
  if within == '1' then
    if state == 'resting' then go_on() end
  elseif (state == 'listing' or state == 'draining') and redis.call('HEXISTS', RUN, 'nightly') == 1 then
    set_aside('resting', state)
    for _, id in ipairs(redis.call('ZRANGE', BULK, 0, -1)) do
      if redis.call('SISMEMBER', OPEN, id) == 0 then mark(id, 'live', redis.call('ZSCORE', BULK, id)) end
    end
  end
  return run_state()
end
