-- intake_back: a message that was fetched after a gap (R19): repeat check, push to its place by birth, newest.
-- Arguments: token, account, shard, dedup, lane | '', identity, frame, channel | '', newest message | '',
--            message | '', outcome, reason
-- Answer: {'ok'} | {'dup'} (taken in before) | {'refused', 'holder', -1}
-- Keys: those of _lanes, _ledger and _intake.
-- include: _base
-- include: _ledger
-- include: _lanes
-- include: _intake
return B.run(function()
  local account = ARGV[3]
  local cursor, refused = intake_fence(ARGV[2], account, ARGV[4])
  if not cursor then return refused end
  local dedup = dedup_prepare(account, ARGV[5])
  if dedup.known then return { 'dup' } end
  local plan = ARGV[6] ~= '' and insert_prepare(ARGV[6], ARGV[7], ARGV[8]) or nil
  local newest = newest_prepare(account, ARGV[9], ARGV[10])
  local outcome = ARGV[11] ~= '' and ledger_prepare(account, ARGV[11], ARGV[12], ARGV[13]) or nil
  B.write()
  dedup_write(dedup)
  if plan then insert_write(plan) end
  if newest then newest() end
  if outcome then ledger_write(outcome) end
  lanes_close()
  return { 'ok' }
end)
