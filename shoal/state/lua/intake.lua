-- intake: one event of the gateway, as a link of a chain (R3): cursor, repeat check, pushes, hints.
-- Arguments: token, account, shard, session, follows, seq, dedup | '', number of pushes (0-2),
--            then lane, identity, frame for each, channel | '', newest message | '',
--            message | '', outcome, reason
-- Answer: {'ok'} | {'dup'} | {'old'} (taken in before) | {'refused', holder | session | chain, stored seq}
-- Keys: those of _lanes, _ledger and _intake.
-- include: _base
-- include: _ledger
-- include: _lanes
-- include: _intake

return B.run(function()
  local account, session = ARGV[3], ARGV[5]
  local cursor, refused = intake_fence(ARGV[2], account, ARGV[4])
  if not cursor then return refused end
  local follows, seq = B.count(ARGV[6], 'sequence', 9e15), B.count(ARGV[7], 'sequence', 9e15)
  local answer = intake_chain(cursor, session, follows, seq)
  if answer then return answer end
  local dedup = ARGV[8] ~= '' and dedup_prepare(account, ARGV[8]) or nil
  local at, pushes = 10, {}
  local fresh = not (dedup and dedup.known)
  for i = 1, B.count(ARGV[9], 'number of pushes', 2) do
    local lane, identity, frame = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    at = at + 3
    if fresh then
      if ARGV[9] == '1' and lane_keeps_place(lane) then
        pushes[#pushes + 1] = push_behind(lane, identity, frame)
      else
        local plan = push_prepare(lane, identity, frame, 0, false)
        pushes[#pushes + 1] = function() push_write(plan) end
      end
    end
  end
  local newest = newest_prepare(account, ARGV[at], ARGV[at + 1])
  local outcome = ARGV[at + 2] ~= '' and fresh
    and ledger_prepare(account, ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]) or nil
  B.write()
  redis.call('HSET', cursor, 'seq', B.int(seq), 'at', B.int(B.now))
  if dedup and fresh then dedup_write(dedup) end
  for _, push in ipairs(pushes) do push() end
  if newest then newest() end
  if outcome then ledger_write(outcome) end
  lanes_close()
  return { fresh and 'ok' or 'dup' }
end)
