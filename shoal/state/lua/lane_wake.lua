-- lane_wake: make the lanes parked on a key due, now or when they park within ten minutes.
-- Arguments: key.  Answer: {'ok', number of lanes}
-- Keys: those of _lanes, and  wake:<key> · woken:<key>  (see _effects)
-- include: _base
-- include: _ledger
-- include: _lanes
-- include: _controls
-- include: _effects
return B.run(function()
  local plan = wake_prepare(ARGV[2])
  B.write()
  local woken = wake_write(plan)
  lanes_close()
  return { 'ok', woken }
end)
