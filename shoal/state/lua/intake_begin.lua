-- intake_begin: a session begins (READY), or is forgotten (empty session).
-- Arguments: token, account, shard, session | '', resume url, seq.  Answer: {'ok'} | {'refused', 'holder'}
-- Keys: those of _intake.
-- include: _base
-- include: _intake
return B.run(function()
  local cursor, refused = intake_fence(ARGV[2], ARGV[3], ARGV[4])
  if not cursor then return refused end
  local seq = B.count(ARGV[7], 'sequence', 9e15)
  if #ARGV[5] > 400 or #ARGV[6] > 1000 then B.refuse('bad session') end
  local stored = redis.call('HMGET', cursor, 'session', 'seq')
  if ARGV[5] ~= '' and stored[1] == ARGV[5] and (tonumber(stored[2] or '') or 0) >= seq then return { 'ok' } end
  B.write()
  if ARGV[5] == '' then
    redis.call('DEL', cursor)
  else
    redis.call('HSET', cursor, 'session', ARGV[5], 'url', ARGV[6], 'seq', B.int(seq), 'at', B.int(B.now))
  end
  return { 'ok' }
end)
