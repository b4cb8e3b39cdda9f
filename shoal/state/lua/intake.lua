-- intake: one event of the gateway, as a link of a chain (R3): cursor, repeat check, pushes, hints.
-- Arguments: token, account, shard, session, follows, seq, dedup | '', number of pushes (0-2),
--            then lane, identity, frame for each, channel | '', newest message | '',
--            message | '', outcome, reason
-- Answer: {'ok'} | {'dup'} | {'old'} (taken in before) | {'refused', holder | session | chain, stored seq}
-- Keys: those of _lanes, _ledger and _intake, and
--   seen:<account>:<page>  set   snowflakes, page = 4 s of their time; 25 h (small sets of numbers stay packed)
--   dup:<account>:<page>   set   other identities, page = 10 min of Redis' time; 20 min
--   last:<account>         hash  channel → newest message id
-- include: _base
-- include: _ledger
-- include: _lanes
-- include: _intake

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

local function newest_prepare(account, channel, message)
  if channel == '' then return nil end
  B.name(channel, 'channel')
  B.page(message, 1000)
  local key = B.key('last', account)
  local old = redis.call('HGET', key, channel)
  if old and not B.less(old, message) then return nil end
  return function() redis.call('HSET', key, channel, message) end
end

return B.run(function()
  local account, session = ARGV[3], ARGV[5]
  local cursor, refused = intake_fence(ARGV[2], account, ARGV[4])
  if not cursor then return refused end
  local follows, seq = B.count(ARGV[6], 'sequence', 9e15), B.count(ARGV[7], 'sequence', 9e15)
  local answer = intake_chain(cursor, session, follows, seq)
  if answer then return answer end
  local dedup = ARGV[8] ~= '' and dedup_prepare(account, ARGV[8]) or nil
  local at, pushes = 10, {}
  local fresh = not (dedup and dedup.known)
  for i = 1, B.count(ARGV[9], 'number of pushes', 2) do
    local lane, identity, frame = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    at = at + 3
    if fresh then
      pushes[i] = ARGV[9] == '1' and push_behind(lane, identity, frame)
      if not pushes[i] then
        local plan = push_prepare(lane, identity, frame, 0, false)
        pushes[i] = function() push_write(plan) end
      end
    end
  end
  local newest = newest_prepare(account, ARGV[at], ARGV[at + 1])
  local outcome = ARGV[at + 2] ~= '' and fresh
    and ledger_prepare(account, ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]) or nil
  B.write()
  redis.call('HSET', cursor, 'seq', B.int(seq), 'at', B.int(B.now))
  if dedup and fresh then
    local size = redis.call('SCARD', dedup.key)
    redis.call('SADD', dedup.key, dedup.member)
    if size == 0 then redis.call('PEXPIRE', dedup.key, dedup.ttl) end
  end
  for _, push in ipairs(pushes) do push() end
  if newest then newest() end
  if outcome then ledger_write(outcome) end
  lanes_close()
  return { fresh and 'ok' or 'dup' }
end)
