-- limiter_standing: what stops requests whatever their bucket; for people. Writes nothing.
-- Arguments: 2 now in ms or '', 3 bot, 4 egress, 5 fingerprint of the token.
-- Answer: {ms the token is latched, ms of Cloudflare's block, ms of the global block, refused requests within
--          ten minutes, '' | 'background' | 'all' that the breaker stops}
-- Keys: see _limiter.
-- include: _base
-- include: _limiter
return B.run(function()
  local c = L.whose()
  local token = B.name(ARGV[5], 'token')
  local v = redis.call('HMGET', c.state, 'latch', 'latched', 'block')
  local function left(text)
    return B.int(math.max(0, (tonumber(text or '') or 0) - c.now))
  end
  local bad = L.invalid(c)
  local stops = bad >= L.BREAK_ALL and 'all' or bad >= L.BREAK_BACKGROUND and 'background' or ''
  return { left(v[1] == token and v[2]), left(redis.call('GET', c.eblock)), left(v[3]), B.int(bad), stops }
end)
