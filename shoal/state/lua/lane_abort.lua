-- lane_abort: the turn at the head of a lane has stood still for too long.
-- Arguments: lane, head, ms until its lease is not renewed any more, 0|1 the head is to end (else it goes on elsewhere)
-- Answer: {'ok', 'aborting' | 'gone'}
-- Keys: those of _lanes; abort:<lane> string "<head> <lease ends at> <0|1>", 10 min
-- The holder is told at its next look and ends the head itself; one that does not look loses the lease.
-- include: _base
-- include: _lanes
return B.run(function()
  local lane, head = ARGV[2], B.name(ARGV[3], 'head')
  local grace = B.count(ARGV[4], 'grace', 600000)
  if ARGV[5] ~= '0' and ARGV[5] ~= '1' then B.refuse('bad flag') end
  local S = lane_load(lane)
  local known = lane_abort_of(S)
  if S.head ~= head then return { 'ok', 'gone' } end
  -- asked again, the first deadline stands; what was to go on elsewhere may still be told to end
  local at = known and math.min(known.at, B.now + grace) or B.now + grace
  local ends = (known and known.ends or ARGV[5] == '1') and '1' or '0'
  B.write()
  redis.call('SET', B.key('abort', lane), head .. ' ' .. B.int(at) .. ' ' .. ends, 'PX', 600000)
  return { 'ok', 'aborting' }
end)
