-- lane_hold: hand nothing out until a deadline; 0 ends the hold now. Works on empty lanes.
-- Arguments: lane, deadline in ms from now.  Answer: {'ok'}
-- Keys: those of _lanes.
-- include: _base
-- include: _lanes
return B.run(function()
  local S = lane_load(ARGV[2])
  local delay = B.count(ARGV[3], 'deadline', 86400000)
  if delay == 0 and not S.hold then return { 'ok' } end
  B.write()
  S.hold = delay > 0 and B.now + delay or nil
  S.dirty = true
  lanes_close()
  return { 'ok' }
end)
