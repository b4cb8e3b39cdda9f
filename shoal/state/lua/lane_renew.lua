-- lane_renew: prolong leases; due follows when a sweep looks.
-- Arguments: lease ms, then lane, token, …  (at most 256 pairs).  Answer: {'ok', lost lane, …}
-- A lease that a watch has let run out is not prolonged: its holder has lost the lane.
-- Keys: lane:<lane> hash (tok, until, lim, bk) · limit:<name> zset · abort:<lane> string · order:<lane> list
-- include: _base
return B.run(function()
  local ttl = B.count(ARGV[2], 'lease', 600000)
  if #ARGV > 514 or #ARGV % 2 == 1 then B.refuse('bad number of leases') end
  local answer, mine = { 'ok' }, {}
  for i = 3, #ARGV, 2 do
    local lane, token = B.name(ARGV[i], 'lane'), B.name(ARGV[i + 1], 'token')
    local state = redis.call('HMGET', B.key('lane', lane), 'tok', 'lim')
    local head, at = string.match(redis.call('GET', B.key('abort', lane)) or '', '^(%S+) (%d+)')
    local given_up = head and tonumber(at) <= B.now and redis.call('LINDEX', B.key('order', lane), 0) == head
    if state[1] == token and not given_up then
      local limit = state[2] and B.need(B.key('limit', state[2]), 'zset') or nil
      mine[#mine + 1] = { lane = lane, limit = limit }
    else
      answer[#answer + 1] = lane
    end
  end
  if #mine == 0 then return answer end
  B.write()
  local ends = B.int(B.now + ttl)
  for _, lease in ipairs(mine) do
    redis.call('HSET', B.key('lane', lease.lane), 'until', ends)
    if B.back > 0 then redis.call('HSET', B.key('lane', lease.lane), 'bk', B.int(B.back)) end
    if lease.limit then redis.call('ZADD', lease.limit, 'XX', ends, lease.lane) end
  end
  return answer
end)
