-- lane_stop: everything of a session born before a bound is to end as stopped (R7). Only moves forward.
-- Arguments: lane, born ms, id | '', reason | ''.  Answer: {'ok'}
-- Keys: those of _lanes; stop:<lane> hash born, id, reason; 10 min
-- include: _base
-- include: _lanes
return B.run(function()
  local lane, born, id = ARGV[2], B.count(ARGV[3], 'birth', 9e15), ARGV[4]
  local reason = ARGV[5]
  if id ~= '' then B.name(id, 'id') end
  if reason ~= '' then B.name(reason, 'reason') end
  local S = lane_load(lane)
  local old = lane_stop_bound(lane)
  local bound = { born = born, id = id, reason = reason }
  if old and (old.born > born or (old.born == born and not B.less(old.id, id))) then bound = old end
  local header = lane_header(S)
  B.write()
  local key = B.key('stop', lane)
  redis.call('HSET', key, 'born', B.int(bound.born), 'id', bound.id, 'reason', bound.reason)
  redis.call('PEXPIRE', key, 600000)
  if header and not S.tok and lane_born_before(header, bound) then
    S.park, S.pp, S.nb, S.dirty = nil, nil, nil, true
  end
  lanes_close()
  return { 'ok' }
end)
