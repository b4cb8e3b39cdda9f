-- lane_acquire: give the lane to a token. The same token again gets the same answer and a fresh lease.
-- Arguments: lane, token, lease ms, lowest and highest version read, limit name | '', cap, quarantine 0|1,
--            "<host>:<run>" of the holder | ''
-- Answer: {'refused', reason}
--       | {'grant', identity, frame, step, tries, suspects, stopped, quarantine, lease ms, journal, absorbed}
-- Keys: those of _lanes, _ledger and _dead.
-- include: _base
-- include: _ledger
-- include: _lanes
-- include: _dead
local function refused(reason)
  return { 'refused', reason }
end

-- Why a free lane is not handed out now, or nil.
local function waiting(S, header)
  if S.hold and S.hold > B.now then return 'held' end
  if S.park and S.park > B.now then return 'parked' end
  if (S.nb and S.nb > B.now) or header.nb > B.now then return 'waiting' end
  return nil
end

local function over_limit(lane, limit, cap)
  if not limit then return false end
  local key = B.key('limit', limit)
  local live = redis.call('ZCOUNT', key, '(' .. B.int(B.now), '+inf')
  local own = redis.call('ZSCORE', key, lane)
  if own and tonumber(own) > B.now then live = live - 1 end
  return live >= cap
end

return B.run(function()
  local lane, token, ttl = ARGV[2], B.name(ARGV[3], 'token'), B.count(ARGV[4], 'lease', 600000)
  local low, high = B.count(ARGV[5], 'version', 1e6), B.count(ARGV[6], 'version', 1e6)
  local limit, cap = ARGV[7] ~= '' and B.name(ARGV[7], 'limit') or nil, B.count(ARGV[8], 'cap', 1e6)
  local alone = ARGV[9] == '1'
  local by = ARGV[10] ~= '' and B.name(ARGV[10], 'holder') or nil
  if ttl < 100 then B.refuse('bad lease') end
  local S = lane_load(lane)
  if S.tok == token then
    B.write()
    S['until'], S.ttl = B.now + ttl, ttl
    redis.call('ZADD', S.due, B.int(S['until']), lane)
    if S.lim then redis.call('ZADD', B.key('limit', S.lim), B.int(S['until']), lane) end
    lanes_close()
    return lane_grant_answer(S)
  end
  if redis.call('EXISTS', B.key('did', token)) == 1 then return refused('used') end
  if S.depth == 0 then return refused('empty') end
  if S.tok and (S['until'] > B.now or B.now < B.jump + LANE_GRACE) then return refused('taken') end
  local header = lane_header(S)
  if not header then B.refuse('head without a record') end
  local plan = S.tok and expire_prepare(S)
  local full = over_limit(lane, limit, cap)
  -- read again by lane_grant_answer
  redis.call('HMGET', B.key('stop', lane), 'born', 'id')
  local given_up = lane_abort_of(S)
  if S.tok then
    B.write()
    if lane_expire(S, plan) == 'dead' then
      -- what follows has nothing to do with the mark of the one that died
      header, given_up = lane_header(S), nil
    end
  end
  local reason = not header and 'empty' or waiting(S, header)
  if not reason and S.q and not alone then reason = 'quarantined' end
  if not reason and (header.v > high or header.v < low) then reason = 'version' end
  if not reason and full then reason = 'limit' end
  if reason then
    if B.wrote then lanes_close() end
    return refused(reason)
  end
  B.write()
  -- the mark was about the holder before; who ends the head now must be able to renew
  if given_up and given_up.ends then
    redis.call('SET', B.key('abort', lane), S.head .. ' ' .. B.int(B.now + 600000) .. ' 1', 'PX', 600000)
  elseif given_up then
    redis.call('DEL', B.key('abort', lane))
  end
  lane_unready(S)
  S.hold, S.park, S.pp, S.nb = nil, nil, nil, nil
  S.tok, S['until'], S.ttl, S.rmin, S.rmax, S.lim, S.by = token, B.now + ttl, ttl, low, high, limit, by
  redis.call('ZADD', S.due, B.int(S['until']), lane)
  if limit then
    local key = B.key('limit', limit)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', B.int(B.now))
    redis.call('ZADD', key, B.int(S['until']), lane)
  end
  lanes_close()
  return lane_grant_answer(S)
end)
