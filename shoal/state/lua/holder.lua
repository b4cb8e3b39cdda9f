-- holder: one gateway per account.
-- Arguments: acquire | release, account, token, lease ms, force 0|1.  Answer: {'ok'} | {'no'}
-- Keys: holder:<account> string token, ends with the lease
-- include: _base
return B.run(function()
  local verb, key, token = ARGV[2], B.key('holder', B.name(ARGV[3], 'account')), B.name(ARGV[4], 'token')
  local ttl = B.count(ARGV[5], 'lease', 600000)
  local held = redis.call('GET', key)
  if verb == 'release' then
    if held and held ~= token then return { 'no' } end
    if not held then return { 'ok' } end
    B.write()
    redis.call('DEL', key)
    return { 'ok' }
  end
  if verb ~= 'acquire' then B.refuse('unknown verb') end
  if ttl < 100 then B.refuse('bad lease') end
  local may = not held or held == token or ARGV[6] == '1'
  if not may then return { 'no' } end
  B.write()
  redis.call('SET', key, token, 'PX', B.int(ttl))
  return { 'ok' }
end)
