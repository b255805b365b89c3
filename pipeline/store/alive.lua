-- Raise the time, in seconds since 1970, at which an address last took mail; four bytes,
-- the highest first. KEYS[1] hash, ARGV[1] address, ARGV[2] seconds.
local known = redis.call('HGET', KEYS[1], ARGV[1])
local before = 0
if known then
  local a, b, c, d = string.byte(known, 1, 4)
  before = ((a * 256 + b) * 256 + c) * 256 + d
end
local now = tonumber(ARGV[2])
if now <= before then return 0 end
local bytes = string.char(math.floor(now / 16777216) % 256, math.floor(now / 65536) % 256,
  math.floor(now / 256) % 256, now % 256)
redis.call('HSET', KEYS[1], ARGV[1], bytes)
return 1
