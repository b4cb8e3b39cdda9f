-- lane_absorb: records behind the head become part of this turn; they stay stored until commit (R7).
-- Arguments: lane, token, head, n, n identities.  Answer: {'ok'} | {'stale'}
-- Keys: those of _lanes.
-- include: _base
-- include: _lanes
return B.run(function()
  local S, stale = lane_fence(ARGV[2], ARGV[3], ARGV[4])
  if not S then return stale end
  local head = lane_header(S)
  local ids, known = {}, {}
  for identity in string.gmatch(S.abs or '', '%S+') do
    ids[#ids + 1] = identity
    known[identity] = true
  end
  for i = 1, B.count(ARGV[5], 'number of identities', 64) do
    local identity = B.name(ARGV[5 + i] or '', 'identity')
    local frame = redis.call('HGET', S.rec, identity)
    if not frame or identity == S.head then B.refuse('not behind the head: ' .. identity) end
    local header = B.header(frame)
    if header.scope ~= head.scope then B.refuse('another scope: ' .. identity) end
    if header.v < S.rmin or header.v > S.rmax then B.refuse('another version: ' .. identity) end
    if not known[identity] then ids[#ids + 1] = identity end
    known[identity] = true
  end
  if #ids > 64 then B.refuse('too many absorbed') end
  B.write()
  S.abs = table.concat(ids, ' ')
  lanes_close()
  return { 'ok' }
end)
