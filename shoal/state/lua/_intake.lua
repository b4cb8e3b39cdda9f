-- _intake: whose account it is and where its cursor stands.
--
-- Keys built here
--   holder:<account>          string  token of the gateway that owns the account; ends with its lease
--   cursor:<account>:<shard>  hash    session, url, seq, at

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
