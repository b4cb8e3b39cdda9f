-- lane_push: put a record into a lane. Twice is once: a lane knows what it holds and what has left it.
-- Arguments: lane, identity, frame, delay ms, front 0|1.  Answer: {'new' | 'known', depth}
-- Keys: those of _lanes.
-- include: _base
-- include: _lanes
return B.run(function()
  local plan = push_prepare(ARGV[2], ARGV[3], ARGV[4], B.count(ARGV[5], 'delay', 31536000000), ARGV[6] == '1')
  if not plan.new then return { 'known', plan.S.depth } end
  B.write()
  push_write(plan)
  lanes_close()
  return { 'new', plan.S.depth }
end)
