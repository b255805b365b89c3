-- Add what happened to contacts, each to the end of a list of its own. A command that is
-- repeated adds nothing: entries tell their time.
-- KEYS[1] what the lists begin with; ARGV: entry, entries kept, seconds kept, ID...
local entry, most, seconds = ARGV[1], ARGV[2], ARGV[3]
for i = 4, #ARGV do
  local list = KEYS[1] .. ARGV[i]
  if redis.call('LINDEX', list, -1) ~= entry then
    redis.call('RPUSH', list, entry)
    redis.call('LTRIM', list, -most, -1)
  end
  redis.call('EXPIRE', list, seconds)
end
return 1
