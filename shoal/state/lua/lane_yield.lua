-- lane_yield: release with everything kept; due at once or after a delay. Not a try.
-- Arguments: lane, token, head, delay ms.  Answer: {'ok', 'yielded'} | {'stale'}
-- Keys: those of _lanes.
-- include: _base
-- include: _lanes
return B.run(function()
  local S, answer = lane_fence(ARGV[2], ARGV[3], ARGV[4], 'yield')
  if not S then return answer end
  local delay = B.count(ARGV[5], 'delay', 2592000000)
  B.write()
  lane_finish(S, 'yield:' .. S.head .. ':yielded')
  S.nb = delay > 0 and B.now + delay or nil
  lanes_close()
  return { 'ok', 'yielded' }
end)
