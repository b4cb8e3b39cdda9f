-- _dead: the end of a record nobody could finish (R13). Needs _ledger and _lanes.
--
-- Poison or bad luck?  A lease that ends without a word makes the holder a suspect: perhaps the record killed
-- it. After 2 suspects the record goes into quarantine: it runs alone in a process. After 2 more, which died
-- with nothing but this record in their hands, it is dead.
-- No suspect is, at most 4 times for one record (so that poison ends, after 8 deaths at the latest):
--   * who comes back: a process that was frozen or cut off says so when it finds its lease lost (lane_alive);
--   * who went down with its fleet: the fleet of that host has begun a new run since the grant.
--
-- Keys built here
--   dead       zset  dead id → time; at most 10,000, 30 days
--   deadnew    zset  the same, until somebody has been told
--   dead:<id>  hash  lane, identity, frame, code, reason, at, tries, suspects, source; 30 days
-- A dead id is the first 20 hex digits of sha1("<lane>|<identity>"), so that dying twice is one entry.

local DEAD_MS = 2592000000
local DEAD_MOST = 10000
local SUSPECTS_ALONE, SUSPECTS_DEAD = 2, 4
local EXCUSED_MOST = 4

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

-- Whether the fleet that held the lane has begun anew since: then its host or its supervisor went down.
local function fleet_is_gone(S)
  local host, run = string.match(S.by or '', '^(.+):([^:]+)$')
  local current = host and redis.call('HGET', B.need(PREFIX .. 'runs', 'hash'), host)
  return current and current ~= run
end

-- What lane_expire wants, for a lane whose lease has ended. Prepares the quarantine's hint as well.
local function expire_prepare(S)
  hint_prepare(S.class .. '.chores')
  done_prepare()
  local plan = { excused = fleet_is_gone(S) and (S.exc or 0) < EXCUSED_MOST }
  if (S.sus or 0) + 1 >= SUSPECTS_DEAD and not plan.excused then
    local _, frame = lane_header(S)
    plan.dead = dead_prepare(S.lane, S.head, frame, 'suspect')
  end
  return plan
end

-- A lease has ended without a word: 'expired', 'quarantined' or 'dead'.
local function lane_expire(S, plan)
  local token = S.tok
  lane_release(S)
  if plan.excused then
    S.exc = (S.exc or 0) + 1
    return 'expired'
  end
  S.sus = (S.sus or 0) + 1
  S.sust = (S.sust and S.sust .. ' ' or '') .. token
  if plan.dead then
    lane_bury(S, plan.dead, 'Each process that ran it died, at last two that ran it alone.')
    return 'dead'
  end
  if S.q or S.sus < SUSPECTS_ALONE then return 'expired' end
  S.q = 1
  return 'quarantined'
end

-- A holder that lost its lease says that it lives: it was frozen or cut off, the record killed nobody.
-- 'excused', or 'nothing' if there is nothing to take back (any more).
local function lane_excuse(S, token)
  if (S.exc or 0) >= EXCUSED_MOST then return 'nothing' end
  if S.tok == token then
    lane_release(S)
    S.exc = (S.exc or 0) + 1
    return 'excused'
  end
  local kept, found = {}, false
  for other in string.gmatch(S.sust or '', '%S+') do
    if other == token then found = true else kept[#kept + 1] = other end
  end
  if not found then return 'nothing' end
  S.sus, S.sust = #kept > 0 and #kept or nil, #kept > 0 and table.concat(kept, ' ') or nil
  S.exc = (S.exc or 0) + 1
  if not S.tok and #kept < SUSPECTS_ALONE then S.q = nil end
  S.dirty = true
  return 'excused'
end
