-- intake_gap: remembers what had been taken in when a session was lost, for the back-fill (R19).
-- What an unfinished back-fill has remembered stays: it is older. Channels and threads that have been silent
-- for longer than that are forgotten altogether.
-- Arguments: token, account, shard, oldest message id worth remembering, life in ms
-- Answer: {'ok', channels} | {'refused', 'holder', -1}
-- Keys: those of _intake, and
--   gap:<account>:<shard>  hash  channel → newest message id before the gap; ~since = ms of the last event
-- include: _base
-- include: _intake
return B.run(function()
  local account = ARGV[3]
  local cursor, refused = intake_fence(ARGV[2], account, ARGV[4])
  if not cursor then return refused end
  B.page(ARGV[5], 1000)
  local life = B.count(ARGV[6], 'life', 604800000)
  local gap = B.need(B.key('gap', account .. ':' .. ARGV[4]), 'hash')
  local since = redis.call('HGET', cursor, 'at')
  local last = redis.call('HGETALL', B.key('last', account))
  local known, old = {}, redis.call('HGETALL', gap)
  for i = 1, #old, 2 do known[old[i]] = true end
  local set, silent = {}, {}
  if since and not known['~since'] then set = { '~since', since } end
  for i = 1, #last, 2 do
    if B.less(last[i + 1], ARGV[5]) then
      silent[#silent + 1] = last[i]
    elseif not known[last[i]] then
      set[#set + 1] = last[i]
      set[#set + 1] = last[i + 1]
    end
  end
  if #set == 0 and #silent == 0 then return { 'ok', #old / 2 } end
  B.write()
  for from = 1, #silent, 4000 do
    redis.call('HDEL', B.key('last', account), unpack(silent, from, math.min(from + 3999, #silent)))
  end
  for from = 1, #set, 4000 do
    redis.call('HSET', gap, unpack(set, from, math.min(from + 3999, #set)))
  end
  redis.call('PEXPIRE', gap, B.int(life))
  return { 'ok', (#old + #set) / 2 }
end)
