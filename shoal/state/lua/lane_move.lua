-- lane_move: the head goes to the end of another lane, before anything was done for it. Releases.
-- Arguments: lane, token, head, other lane, delay ms.  Answer: {'ok', 'moved'} | {'stale'}
-- Keys: those of _lanes.
-- include: _base
-- include: _lanes
return B.run(function()
  local S, answer = lane_fence(ARGV[2], ARGV[3], ARGV[4], 'move')
  if not S then return answer end
  if S.step or S.abs then B.refuse('work has begun') end
  if ARGV[5] == S.lane then B.refuse('the same lane') end
  local _, frame = lane_header(S)
  local plan = push_prepare(ARGV[5], S.head, frame, B.count(ARGV[6], 'delay', 31536000000), false, true)
  done_prepare()
  B.write()
  push_write(plan)
  local head = S.head
  lane_pop(S)
  lane_finish(S, 'move:' .. head .. ':moved')
  lanes_close()
  return { 'ok', 'moved' }
end)
