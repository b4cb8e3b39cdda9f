-- lane_commit: apply effects, pop the head and what it absorbed, hand out the next head or release.
-- Arguments: lane, token, head, take next 0|1, effects (see _effects)
-- Answer: {'grant', …} as lane_acquire | {'ok', 'done'} (released) | {'stale'}
-- Keys: those of _lanes, _ledger, _pairing, _events and _effects.
-- include: _base
-- include: _ledger
-- include: _pairing
-- include: _lanes
-- include: _events
-- include: _waiting
-- include: _controls
-- include: _effects
local function takeable(S)
  if S.depth == 0 or (S.hold and S.hold > B.now) then return false end
  local header = lane_header(S)
  return header and header.nb <= B.now and header.v >= S.rmin and header.v <= S.rmax
end

return B.run(function()
  local lane, token, head = ARGV[2], ARGV[3], ARGV[4]
  local S, answer = lane_fence(lane, token, head, 'commit')
  if not S then return answer end
  if answer == 'again' then
    redis.call('HMGET', B.key('stop', lane), 'born')
    redis.call('GET', B.key('abort', lane))
    return lane_grant_answer(S)
  end
  local apply = effects_prepare(6)
  done_prepare()
  redis.call('HMGET', B.key('stop', lane), 'born')
  redis.call('GET', B.key('abort', lane))
  B.write()
  apply()
  local absorbed, alone = S.abs or '', S.q
  lane_pop(S)
  for identity in string.gmatch(absorbed, '%S+') do lane_drop(S, identity) end
  if ARGV[5] == '1' and not alone and takeable(S) then
    S.did = 'commit:' .. head
    S['until'] = B.now + S.ttl
    redis.call('ZADD', S.due, B.int(S['until']), lane)
    if S.lim then redis.call('ZADD', B.key('limit', S.lim), B.int(S['until']), lane) end
    lanes_close()
    return lane_grant_answer(S)
  end
  lane_finish(S, 'commit:' .. head .. ':done')
  lanes_close()
  return { 'ok', 'done' }
end)
