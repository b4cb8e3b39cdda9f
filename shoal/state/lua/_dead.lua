-- _dead: the end of a record nobody could finish (R13). Needs _ledger and _lanes.
--
-- Keys built here
--   dead       zset  dead id → time; at most 10,000, 30 days
--   deadnew    zset  the same, until somebody has been told
--   dead:<id>  hash  lane, identity, frame, code, reason, at, tries, suspects, source; 30 days
-- A dead id is the first 20 hex digits of sha1("<lane>|<identity>"), so that dying twice is one entry.

local DEAD_MS = 2592000000
local DEAD_MOST = 10000

local function dead_id(lane, identity)
  return string.sub(redis.sha1hex(lane .. '|' .. identity), 1, 20)
end

-- Checks; pass what it returns to dead_write.
local function dead_prepare(lane, identity, frame, code)
  B.need(PREFIX .. 'dead', 'zset')
  B.need(PREFIX .. 'deadnew', 'zset')
  local plan = { lane = lane, identity = identity, frame = frame, code = code }
  local header = B.header(frame)
  if header and header.account ~= '-' and header.message ~= '-' and not string.find(header.message, '%D') then
    plan.outcome = ledger_prepare(header.account, header.message, 'dead', code)
  end
  return plan
end

local function dead_write(plan, reason, tries, suspects, source)
  local id = dead_id(plan.lane, plan.identity)
  local key, now = B.key('dead', id), B.int(B.now)
  redis.call('DEL', key)
  redis.call('HSET', key, 'lane', plan.lane, 'identity', plan.identity, 'frame', plan.frame, 'code', plan.code,
    'reason', reason, 'at', now, 'tries', B.int(tries), 'suspects', B.int(suspects), 'source', source)
  redis.call('PEXPIRE', key, DEAD_MS)
  redis.call('ZADD', PREFIX .. 'dead', now, id)
  redis.call('ZADD', PREFIX .. 'deadnew', now, id)
  local old = B.int(B.now - DEAD_MS)
  redis.call('ZREMRANGEBYSCORE', PREFIX .. 'dead', '-inf', old)
  redis.call('ZREMRANGEBYSCORE', PREFIX .. 'deadnew', '-inf', old)
  if redis.call('ZCARD', PREFIX .. 'dead') > DEAD_MOST then
    local popped = redis.call('ZPOPMIN', PREFIX .. 'dead')
    redis.call('DEL', B.key('dead', popped[1]))
    redis.call('ZREM', PREFIX .. 'deadnew', popped[1])
  end
  if plan.outcome then ledger_write(plan.outcome) end
end

-- Takes the head of a lane out as dead; what it had absorbed stays queued.
local function lane_bury(S, plan, reason)
  dead_write(plan, reason, S.tries or 0, S.sus or 0, 'lane')
  lane_pop(S)
end

-- A lease has ended: one suspect more; 'expired', 'quarantined' or 'dead'. plan is for the last case.
local function lane_expire(S, plan)
  lane_release(S)
  S.sus = (S.sus or 0) + 1
  if S.q then
    lane_bury(S, plan, 'The process that ran it alone died.')
    return 'dead'
  end
  if S.sus >= 2 then
    S.q = 1
    return 'quarantined'
  end
  return 'expired'
end

-- For a head that is in quarantine: what lane_expire wants. Prepares the quarantine's hint as well.
local function expire_prepare(S)
  hint_prepare(S.class .. '.chores')
  done_prepare()
  if not S.q then return nil end
  local _, frame = lane_header(S)
  return dead_prepare(S.lane, S.head, frame, 'suspect')
end
