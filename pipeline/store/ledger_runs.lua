-- Runs: their start, their pages, how an operator steers them.

-- start RUN_ID KIND CURSOR : the id of the run under way, or of the new one.
function command.start(run_id, kind, cursor)
  local state = redis.call('HGET', RUN, 'state')
  if state == 'listing' or state == 'draining' or state == 'paused' then
    return redis.call('HGET', RUN, 'id')
  end
  if redis.call('HGET', RUN, 'id') == run_id then return run_id end
  redis.call('DEL', RUN, FOUND, OPEN)
  redis.call('HSET', RUN, 'id', run_id, 'kind', kind, 'state', 'listing', 'cursor', cursor,
    'page', 0, 'discovered', 0, 'settled', 0, 'dead', 0, 'started_ms', now)
  return run_id
end

-- claim MS OWNER : this caller fetches the next page; {} when another does, or none is due.
function command.claim(milliseconds, owner)
  if redis.call('HGET', RUN, 'state') ~= 'listing' or is_paused() then return {} end
  if tonumber(redis.call('HGET', RUN, 'claimed_until') or 0) > now then return {} end
  redis.call('HSET', RUN, 'claimed_until', now + milliseconds, 'claimed_by', owner)
  return redis.call('HMGET', RUN, 'id', 'page', 'cursor')
end

-- wanted : the cursor of the page that nobody fetches at the moment, '' for none.
function command.wanted()
  local fields = redis.call('HMGET', RUN, 'state', 'claimed_until', 'cursor')
  if fields[1] ~= 'listing' or tonumber(fields[2] or 0) > now then return '' end
  if is_paused() then return '' end
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
  if stored[3] ~= 'listing' and stored[3] ~= 'paused' then return 0 end
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
    local ended = stored[3] == 'paused' and 'resume_to' or 'state'
    redis.call('HSET', RUN, ended, 'draining')
    redis.call('HDEL', RUN, 'cursor')
    finish_run_if_done()
  else
    redis.call('HSET', RUN, 'cursor', cursor)
  end
  return 1
end

-- control ACTION : pause, resume or cancel the run; its state afterwards.
function command.control(action)
  local state = redis.call('HGET', RUN, 'state')
  if action == 'pause' and (state == 'listing' or state == 'draining') then
    redis.call('HSET', RUN, 'state', 'paused', 'resume_to', state)
  elseif action == 'resume' and state == 'paused' then
    redis.call('HSET', RUN, 'state', redis.call('HGET', RUN, 'resume_to'))
    redis.call('HDEL', RUN, 'resume_to')
    finish_run_if_done()
  elseif action == 'cancel' and (state == 'listing' or state == 'draining' or state == 'paused') then
    for _, id in ipairs(redis.call('SMEMBERS', OPEN)) do redis.call('ZREM', BULK, id) end
    finish_run('cancelled')
  end
  return redis.call('HGET', RUN, 'state') or ''
end
