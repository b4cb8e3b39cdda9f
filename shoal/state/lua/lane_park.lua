-- lane_park: give up the lane, keep the head until a time, a wake key or a push (R8). Not a try.
-- Arguments: lane, token, head, delay ms, wake on push 0|1, n, n wake keys
-- Answer: {'ok', 'parked' | 'woken'} | {'stale'}
-- Keys: those of _lanes, and  wake:<key> set of "<lane> <parked until>" · woken:<key> string
-- include: _base
-- include: _lanes
return B.run(function()
  local S, answer = lane_fence(ARGV[2], ARGV[3], ARGV[4], 'park')
  if not S then return answer end
  local delay = B.count(ARGV[5], 'delay', 2592000000)
  local sets, woken = {}, false
  for i = 1, B.count(ARGV[7], 'number of keys', 64) do
    local key = B.name(ARGV[7 + i] or '', 'wake key')
    sets[i] = B.key('wake', key)
    if redis.call('SCARD', sets[i]) >= 64 then B.refuse('too many lanes on a wake key') end
    if redis.call('EXISTS', B.key('woken', key)) == 1 then woken = true end
  end
  B.write()
  local what = woken and 'woken' or 'parked'
  lane_finish(S, 'park:' .. S.head .. ':' .. what)
  if not woken then
    S.park, S.pp = B.now + delay, ARGV[6] == '1' and 1 or nil
    for _, set in ipairs(sets) do
      redis.call('SADD', set, S.lane .. ' ' .. B.int(S.park))
      local left = redis.call('PTTL', set)
      redis.call('PEXPIRE', set, B.int(math.max(left, delay + 60000)))
    end
  end
  lanes_close()
  return { 'ok', what }
end)
