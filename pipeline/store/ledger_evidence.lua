-- What was said about one contact and its address, whoever told us.

local TOLD, ALIVE = key('told'), key('alive')
local IN_GHL, ADDRESSES_IN_GHL = key('optouts:ghl'), key('optouts:ghl:addresses')
local IN_MAILJET = key('optouts:mailjet')

-- The other contacts with an address: {id, snapshot, statements, ...}.
local function sharers(address, id)
  local found = {}
  for other in string.gmatch(redis.call('HGET', ADDRESSES, address) or '', '[^,]+') do
    if other ~= id then
      for _, value in ipairs({ other, redis.call('HGET', SNAPSHOTS, other) or '',
          redis.call('HGET', SAID, other) or '' }) do
        found[#found + 1] = value
      end
    end
  end
  return found
end

-- The sets have an empty address of their own: that they were read.
local function evidence(id, address)
  local has_address = address ~= ''
  local told = redis.call('HMGET', TOLD, address, id)
  return {
    redis.call('EXISTS', IN_GHL), redis.call('SISMEMBER', IN_GHL, id),
    has_address and redis.call('SISMEMBER', ADDRESSES_IN_GHL, address) or 0,
    has_address and redis.call('SISMEMBER', IN_MAILJET, address) or 0,
    redis.call('HGET', SAID, id) or '', told[1] or '', told[2] or '',
    redis.call('HGET', ALIVE, address) or '',
    has_address and sharers(address, id) or {} }
end

-- evidence ID ADDRESS : all of it, of an empty address what the contact itself said.
function command.evidence(id, address) return evidence(id, address) end
