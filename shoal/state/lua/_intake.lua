-- _intake: whose account it is and where its cursor stands.
--
-- Keys built here
--   holder:<account>          string  token of the gateway that owns the account; ends with its lease
--   cursor:<account>:<shard>  hash    session, url, seq, at
--   seen:<account>:<page>     set     snowflakes, page = 4 s of their time; 25 h (small sets of numbers stay packed)
--   dup:<account>:<page>      set     other identities, page = 10 min of Redis' time; 20 min
--   last:<account>            hash    channel → newest message id

-- The cursor's key, or nil and the refusal.
local function intake_fence(token, account, shard)
  B.name(token, 'token')
  B.name(account, 'account')
  B.count(shard, 'shard', 100000)
  if redis.call('GET', B.key('holder', account)) ~= token then return nil, { 'refused', 'holder', -1 } end
  return B.key('cursor', account .. ':' .. shard)
end

-- nil: go on; else the answer. 'old' = the event is behind the cursor, so it has been taken in.
local function intake_chain(cursor, session, follows, seq)
  local stored = redis.call('HMGET', cursor, 'session', 'seq')
  if (stored[1] or '') ~= session or session == '' then return { 'refused', 'session', -1 } end
  local at = tonumber(stored[2] or '') or 0
  if seq <= follows then B.refuse('bad sequence') end
  if seq <= at then return { 'old' } end
  if at ~= follows then return { 'refused', 'chain', B.int(at) } end
  return nil
end

-- Where an identity is remembered: key, member, ttl, known.
local function dedup_prepare(account, identity)
  B.name(identity, 'dedup identity')
  local snowflake = string.match(identity, '^m:(%d+)$')
  if snowflake then
    local key = B.key('seen', account .. ':' .. B.page(snowflake, 4000))
    return { key = key, member = snowflake, ttl = 90000000, known = redis.call('SISMEMBER', key, snowflake) == 1 }
  end
  local page, known = math.floor(B.now / 600000), false
  for back = 0, 1 do
    local key = B.key('dup', account .. ':' .. B.int(page - back))
    if redis.call('SISMEMBER', key, identity) == 1 then known = true end
  end
  return { key = B.key('dup', account .. ':' .. B.int(page)), member = identity, ttl = 1200000, known = known }
end

local function dedup_write(dedup)
  local size = redis.call('SCARD', dedup.key)
  redis.call('SADD', dedup.key, dedup.member)
  if size == 0 then redis.call('PEXPIRE', dedup.key, dedup.ttl) end
end

local function newest_prepare(account, channel, message)
  if channel == '' then return nil end
  B.name(channel, 'channel')
  B.page(message, 1000)
  local key = B.key('last', account)
  local old = redis.call('HGET', key, channel)
  if old and not B.less(old, message) then return nil end
  return function() redis.call('HSET', key, channel, message) end
end
