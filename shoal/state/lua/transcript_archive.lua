-- transcript_archive: replace the oldest entries of a transcript by a packed part.
-- Arguments: session id, number of the part, entries, bytes, packed.  Answer: {'ok'} | {'again'}
-- Keys: tr:<session id> list · trm:<session id> hash bytes, n, archives · tra:<session id>:<number> string
-- include: _base
return B.run(function()
  local id, number = B.name(ARGV[2], 'session id'), B.count(ARGV[3], 'number', 1e6)
  local entries, bytes = B.count(ARGV[4], 'entries', 1e6), B.count(ARGV[5], 'bytes', 1e10)
  local list, meta = B.need(B.key('tr', id), 'list'), B.key('trm', id)
  local had = redis.call('HMGET', meta, 'bytes', 'archives')
  if (tonumber(had[2] or '') or 0) + 1 ~= number or redis.call('LLEN', list) < entries then return { 'again' } end
  B.write()
  redis.call('SET', B.key('tra', id .. ':' .. B.int(number)), ARGV[6])
  redis.call('LTRIM', list, B.int(entries), -1)
  local left = math.max(0, (tonumber(had[1] or '') or 0) - bytes)
  redis.call('HSET', meta, 'bytes', B.int(left), 'archives', B.int(number))
  return { 'ok' }
end)
