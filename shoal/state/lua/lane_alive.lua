-- lane_alive: a holder that lost its lease says that it lives, and did not die of the head (R13, see _dead).
-- A lease that has not been taken from it yet ends with this. A second time changes nothing.
-- Arguments: lane, token, head.  Answer: {'ok', 'excused' | 'nothing'}
-- Keys: those of _lanes, _ledger and _dead.
-- include: _base
-- include: _ledger
-- include: _lanes
-- include: _dead
return B.run(function()
  local S, token, head = lane_load(ARGV[2]), B.name(ARGV[3], 'token'), B.name(ARGV[4], 'head')
  if S.head ~= head then return { 'ok', 'nothing' } end
  B.write()
  local what = lane_excuse(S, token)
  lanes_close()
  return { 'ok', what }
end)
