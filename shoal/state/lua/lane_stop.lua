-- lane_stop: everything of a session born before a bound is to end as stopped (R7). Only moves forward.
-- Arguments: lane, born ms, id | '', reason | '', place | '' (of the whole lane, else of an account|channel|).
-- Answer: {'ok'}
-- Keys: those of _lanes; stop:<lane> hash born, id, reason, and 'born <place>', 'id <place>'; 10 min
-- include: _base
-- include: _lanes
return B.run(function()
  local lane, born, id = ARGV[2], B.count(ARGV[3], 'birth', 9e15), ARGV[4]
  local reason, place = ARGV[5], ARGV[6]
  if id ~= '' then B.name(id, 'id') end
  if reason ~= '' then B.name(reason, 'reason') end
  if place ~= '' and (#place > 200 or lane_place(place) ~= place) then B.refuse('bad place') end
  local S = lane_load(lane)
  local bound = lane_stop_later(lane_stop_of(lane, place), { born = born, id = id })
  local fresh = bound.born == born and bound.id == id
  local header = lane_header(S)
  local covered = header and (place == '' or lane_place(header.scope) == place) and lane_born_before(header, bound)
  B.write()
  local key = B.key('stop', lane)
  local born_field, id_field = lane_stop_fields(place)
  redis.call('HSET', key, born_field, B.int(bound.born), id_field, bound.id)
  if place == '' and fresh then redis.call('HSET', key, 'reason', reason) end
  redis.call('PEXPIRE', key, 600000)
  if covered and not S.tok then
    S.park, S.pp, S.nb, S.dirty = nil, nil, nil, true
  end
  lanes_close()
  return { 'ok' }
end)
