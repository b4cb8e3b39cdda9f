-- intake_skip: the cursor passes an event that fails alone; what it was goes to the dead (R3).
-- Arguments: token, account, shard, session, follows, seq, lane | '', identity, frame, reason
-- Answer: {'ok'} | {'refused', holder | session | chain}
-- Keys: those of _intake, _ledger and _dead.
-- include: _base
-- include: _ledger
-- include: _lanes
-- include: _dead
-- include: _intake
return B.run(function()
  local cursor, refused = intake_fence(ARGV[2], ARGV[3], ARGV[4])
  if not cursor then return refused end
  local follows, seq = B.count(ARGV[6], 'sequence', 9e15), B.count(ARGV[7], 'sequence', 9e15)
  local answer = intake_chain(cursor, ARGV[5], follows, seq)
  if answer then return answer[1] == 'old' and { 'ok' } or answer end
  if ARGV[8] ~= '' then lane_class(ARGV[8]) end
  B.name(ARGV[9], 'identity')
  local frame = B.stamp(ARGV[10], 0)
  if #ARGV[11] > 2000 then B.refuse('bad reason') end
  local plan = dead_prepare(ARGV[8], ARGV[9], frame, 'intake')
  B.write()
  redis.call('HSET', cursor, 'seq', B.int(seq), 'at', B.int(B.now))
  dead_write(plan, ARGV[11], 0, 0, 'intake')
  return { 'ok' }
end)
