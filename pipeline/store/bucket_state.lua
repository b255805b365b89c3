-- What `status` shows; changes nothing. Returns {spacing, frozen, used today, left of the
-- day as the vendor said or -1, used in the window}.
local b = open(false)
return {
  pace(b),
  b.frozen > now and b.frozen or 0,
  tonumber(redis.call('GET', day_key(now))) or 0,
  b.daily or -1,
  own_calls(b, now),
}
