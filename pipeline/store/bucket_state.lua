-- What `status` shows; changes nothing. Returns {spacing, frozen, used today, left of the
-- day as the vendor said or -1, of how much, used in the window, wait}.
local b = open(false)
return {
  pace(b),
  b.frozen > now and b.frozen or 0,
  used_on(b, day_of(now)),
  b.daily == NONE and NONE or math.max(0, b.daily - b.since),
  b.limit,
  own_calls(b, now),
  math.max(0, math.max(b.next, b.frozen) - now),
}
