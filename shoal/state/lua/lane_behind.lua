-- lane_behind: records behind the head that carry a mode and are not absorbed. Writes nothing.
-- What the holder cannot read (R26) ends the list: nothing behind it may be taken before it.
-- Arguments: lane, token, head, limit, those that are not due yet too 0|1
-- Answer: {'ok', now in ms, identity, frame, …} | {'stale'}
-- Keys: those of _lanes.
-- include: _base
-- include: _lanes
return B.run(function()
  local S, stale = lane_fence(ARGV[2], ARGV[3], ARGV[4])
  if not S then return stale end
  local limit = B.count(ARGV[5], 'limit', 100)
  local taken = ' ' .. (S.abs or '') .. ' '
  local late = ARGV[6] == '1'
  local answer = { 'ok', B.int(B.now) }
  for _, identity in ipairs(redis.call('LRANGE', S.order, 1, 200)) do
    if #answer >= 2 * limit + 2 then break end
    if not string.find(taken, ' ' .. identity .. ' ', 1, true) then
      local frame = redis.call('HGET', S.rec, identity)
      local header = frame and B.header(frame)
      if header and (header.v < S.rmin or header.v > S.rmax) then break end
      if header and header.mode ~= '-' and (late or header.nb <= B.now) then
        answer[#answer + 1] = identity
        answer[#answer + 1] = frame
      end
    end
  end
  return answer
end)
