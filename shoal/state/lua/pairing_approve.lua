-- pairing_approve: somebody who runs us approves a code (spec inbound 3.3).
-- Arguments: request, code, may become owner 0|1, who approves, n, n accounts to look in
-- Answer: {'approved', account, sender, became owner 0|1, meta} | {'unknown', guesses left} | {'locked', ms}
--         | {'ambiguous', account, …}: the same code in several accounts
-- Keys: those of _pairing and _pairing_answer · pairtries string wrong codes in a row; 10 min
-- include: _base
-- include: _pairing
-- include: _pairing_answer
local TRIES, TRIES_MS = 5, 600000

local function search(code, count)
  local found = {}
  for i = 1, count do
    local P = pair_load(ARGV[6 + i])
    for sender, entry in pairs(P.live) do
      if entry.code == code then
        found[#found + 1] = { account = ARGV[6 + i], P = P, sender = sender, entry = entry }
      end
    end
  end
  return found
end

return B.run(function()
  local answer, done = pair_answered(ARGV[2])
  local owner_key, tries_key = PREFIX .. 'owner', PREFIX .. 'pairtries'
  local owner, tries = redis.call('GET', owner_key), tonumber(redis.call('GET', tries_key) or '') or 0
  if answer then return answer end
  local count = B.count(ARGV[6], 'number of accounts', 1000)
  if tries >= TRIES then return { 'locked', B.int(math.max(1, redis.call('PTTL', tries_key))) } end
  local found = search(ARGV[3], count)
  if #found > 1 then
    answer = { 'ambiguous' }
    for _, each in ipairs(found) do answer[#answer + 1] = each.account end
    return answer
  end
  if #found == 0 then
    B.write()
    -- the time is not renewed by further guesses
    if tries == 0 then redis.call('SET', tries_key, '1', 'PX', TRIES_MS)
    else redis.call('SET', tries_key, B.int(tries + 1), 'KEEPTTL') end
    return pair_answer(done, { 'unknown', B.int(TRIES - tries - 1) })
  end
  local hit = found[1]
  local paired = B.need(B.key('paired', hit.account), 'hash')
  if redis.call('HLEN', paired) >= PAIRED_MOST then B.refuse('too many approved senders') end
  local becomes = ARGV[4] == '1' and not owner
  B.name(ARGV[5], 'who approves')
  B.write()
  redis.call('HSET', paired, hit.sender, B.int(B.now) .. ' ' .. ARGV[5] .. '\n' .. hit.entry.meta)
  redis.call('HDEL', hit.P.key, hit.sender)
  pair_forget(hit.P)
  if becomes then redis.call('SET', owner_key, hit.sender .. ' ' .. hit.account .. ' ' .. B.int(B.now)) end
  redis.call('DEL', tries_key)
  return pair_answer(done, { 'approved', hit.account, hit.sender, becomes and '1' or '0', hit.entry.meta })
end)
