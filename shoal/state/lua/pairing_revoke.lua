-- pairing_revoke: takes a sender off the approved list of an account, and away from those who wait.
-- Arguments: request, account, sender
-- Answer: {'ok', was approved 0|1, waited 0|1, was the owner 0|1}
-- Keys: those of _pairing and _pairing_answer.
-- include: _base
-- include: _pairing
-- include: _pairing_answer
return B.run(function()
  local answer, done = pair_answered(ARGV[2])
  local account, sender = B.name(ARGV[3], 'account'), B.name(ARGV[4], 'sender')
  local owner = redis.call('GET', PREFIX .. 'owner')
  if answer then return answer end
  local P = pair_load(account)
  local paired = B.key('paired', account)
  local was = redis.call('HEXISTS', paired, sender) == 1
  local owned = owner and string.match(owner, '^(%S+) (%S+) ') == sender
    and select(2, string.match(owner, '^(%S+) (%S+) ')) == account
  B.write()
  redis.call('HDEL', paired, sender)
  redis.call('HDEL', P.key, sender)
  pair_forget(P)
  -- who may not even write any more owns nothing
  if owned then redis.call('DEL', PREFIX .. 'owner') end
  return pair_answer(done, { 'ok', was and '1' or '0', P.live[sender] and '1' or '0', owned and '1' or '0' })
end)
