-- lane_dead: what people do with a dead record.
-- Arguments: 'retry' | 'drop', dead id.  Answer: {'ok'} | {'missing'}
-- retry puts the record at the end of its lane as if it were new; drop forgets it.
-- Keys: those of _lanes, _ledger and _dead.
-- include: _base
-- include: _ledger
-- include: _lanes
-- include: _dead
return B.run(function()
  local verb, id = ARGV[2], B.name(ARGV[3], 'dead id')
  if verb ~= 'retry' and verb ~= 'drop' then B.refuse('unknown verb') end
  local key = B.key('dead', id)
  B.need(PREFIX .. 'dead', 'zset')
  B.need(PREFIX .. 'deadnew', 'zset')
  local found = redis.call('HMGET', key, 'lane', 'identity', 'frame')
  if not found[1] then return { 'missing' } end
  local plan = nil
  if verb == 'retry' then
    if found[1] == '' then B.refuse('it never had a lane') end
    plan = push_prepare(found[1], found[2], found[3], 0, false, true)
  end
  B.write()
  if plan then push_write(plan) end
  redis.call('DEL', key)
  redis.call('ZREM', PREFIX .. 'dead', id)
  redis.call('ZREM', PREFIX .. 'deadnew', id)
  lanes_close()
  return { 'ok' }
end)
