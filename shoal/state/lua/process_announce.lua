-- process_announce: heartbeat of a process (R26).
-- Arguments: name, ttl ms, kind, host, pid, lowest and highest version read, info.  Answer: {'ok'}
-- Keys: proc:<process> hash kind, host, pid, min, max, at, info · procs zset process → heartbeat end
-- include: _base
return B.run(function()
  local name, ttl = B.name(ARGV[2], 'process'), B.count(ARGV[3], 'ttl', 3600000)
  local key, index = B.key('proc', name), PREFIX .. 'procs'
  B.need(key, 'hash')
  B.need(index, 'zset')
  if #ARGV[9] > 65536 then B.refuse('too much info') end
  B.write()
  redis.call('HSET', key, 'kind', ARGV[4], 'host', ARGV[5], 'pid', ARGV[6], 'min', ARGV[7], 'max', ARGV[8],
    'at', B.int(B.now), 'info', ARGV[9])
  redis.call('PEXPIRE', key, B.int(ttl))
  redis.call('ZREMRANGEBYSCORE', index, '-inf', B.int(B.now))
  redis.call('ZADD', index, B.int(B.now + ttl), name)
  return { 'ok' }
end)
