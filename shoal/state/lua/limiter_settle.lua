-- limiter_settle: learn from an answer and give the booking back. Arriving twice it counts once (R4).
-- Arguments after the common ones (_limiter): 10 fingerprint of the token, '' if the request had none,
--   11 status (0 no answer, -1 never sent), 12 bucket of the headers or '', 13 limit, 14 remaining,
--   15 reset-after ms ('' where the headers do not say), 16 retry-after ms, 17 scope '' | user | shared |
--   global, 18 cloudflare 0|1.
-- Answer: {'ok'}
-- Keys: see _limiter.
-- include: _base
-- include: _limiter

local PAD_MS, FREE_MS, STALE_MS = 15, 300000, 250
local LATCH_MS, LATCH_MOST_MS = 30000, 600000
local ROUTES_S = 604800
local WIDER_MS, WIDEST_MS, WIDER_EVERY_MS = 50, 400, 1000

local function number(index, most)
  if ARGV[index] == '' then return nil end
  return B.count(ARGV[index], 'argument ' .. index, most)
end

-- The booking back: one less in flight where it was booked; the token too if nothing was sent.
local function give_back(c, name, unsent)
  if not name or name == '-' then return nil end
  local key = L.bucket_key(c, name)
  local b = L.bucket(c, key)
  b.flying = math.max(0, b.flying - 1)
  if unsent and b.left and b.limit then b.left = math.min(b.limit, b.left + 1) end
  return key, b
end

-- What the headers say about a bucket, laid over what we counted ourselves.
local function learn(c, b, h)
  b.limit = h.limit or b.limit
  local reset = h.after and c.now + h.after + PAD_MS or 0
  -- an answer of an earlier window that came late says nothing about this one
  if b.reset > 0 and reset > 0 and reset < b.reset - STALE_MS then return end
  if h.remaining then
    if b.left then
      b.left = math.min(b.left, h.remaining)
    else
      b.left = math.max(0, h.remaining - b.flying)
    end
  end
  b.reset = math.max(b.reset, reset)
  if h.after then b.window = math.max(b.window, math.min(h.after, 3600000)) end
end

-- A 429 of this bucket: its own limit, a limit shared with others, or a narrower one of the route.
local function limited(c, b, h)
  local until_ms = c.now + h.retry + PAD_MS
  if h.scope == 'shared' then
    b.block = math.max(b.block, until_ms)
  elseif h.remaining and h.remaining > 0 then
    b.rblock = math.max(b.rblock, until_ms)
  else
    b.left, b.reset = 0, math.max(b.reset, until_ms)
  end
end

local function store(c, key, b)
  redis.call('HSET', key, 'reset', B.int(b.reset), 'flying', B.int(b.flying), 'window', B.int(b.window),
    'block', B.int(b.block))
  if b.limit then redis.call('HSET', key, 'limit', B.int(b.limit)) end
  if b.left then redis.call('HSET', key, 'left', B.int(b.left)) else redis.call('HDEL', key, 'left') end
  if b.rblock > c.now then redis.call('HSET', key, 'rb.' .. c.route, B.int(b.rblock)) end
  L.keep(c, key, b)
end

-- What an error says beyond its bucket: latch, breaker, blocks of the bot and of the address.
local function alarms(c, status, token, h, cloudflare)
  if status == 401 and token ~= '' then
    -- one wrong 401 costs half a minute; a token that stays refused is tried every ten
    local known = redis.call('HMGET', c.state, 'latch', 'latches')
    local times = known[1] == token and tonumber(known[2] or '') or 0
    local wait = math.min(LATCH_MS * 2 ^ math.min(times, 10), LATCH_MOST_MS)
    redis.call('HSET', c.state, 'latch', token, 'latched', B.int(c.now + wait), 'latches', times + 1)
    redis.call('PEXPIRE', c.state, 3600000)
  elseif status >= 200 and status < 300 and token ~= '' then
    redis.call('HDEL', c.state, 'latch', 'latched', 'latches')
  end
  if status == 401 or status == 403 or (status == 429 and h.scope ~= 'shared') then
    for _, minute in ipairs(redis.call('HKEYS', c.bad)) do
      if tonumber(minute) <= c.minute - 10 then redis.call('HDEL', c.bad, minute) end
    end
    redis.call('HINCRBY', c.bad, B.int(c.minute), 1)
    redis.call('EXPIRE', c.bad, 700)
  end
  if cloudflare then
    local wait = math.max(1000, h.retry)
    redis.call('SET', c.eblock, B.int(c.now + wait), 'PX', B.int(wait))
  elseif status == 429 and h.scope == 'global' then
    local v = redis.call('HMGET', c.state, 'block', 'wide', 'wideat')
    local block = tonumber(v[1] or '') or 0
    redis.call('HSET', c.state, 'block', B.int(math.max(block, c.now + h.retry + PAD_MS)))
    if c.now - (tonumber(v[3] or '') or 0) >= WIDER_EVERY_MS then  -- those of one moment count once
      local wide = math.min(WIDEST_MS, L.wide(c, v[2], v[3]) + WIDER_MS)
      redis.call('HSET', c.state, 'wide', B.int(wide), 'wideat', B.int(c.now))
    end
    redis.call('PEXPIRE', c.state, 3600000)
  end
end

return B.run(function()
  local c = L.open()
  local token, status = ARGV[10], tonumber(ARGV[11])
  if token ~= '' then B.name(token, 'token') end
  if not status or status < -1 or status > 999 then B.refuse('bad status') end
  local named = ARGV[12] ~= '' and 'h.' .. B.name(ARGV[12], 'bucket') or nil
  local h = {
    limit = number(13, 1e6), remaining = number(14, 1e6), after = number(15, 1e9),
    retry = number(16, 1e9) or 0, scope = ARGV[17],
  }
  if h.limit and h.limit < 1 then h.limit = 1 end
  local cloudflare = ARGV[18] == '1'

  local booking = redis.call('GET', c.booking)
  if booking == 'done' then return { 'ok' } end
  local name = booking and string.match(booking, '^%d+ (%S+)$')
  local key, b = give_back(c, name, status == -1)
  local target, t = key, b
  if named and named ~= name then
    target = L.bucket_key(c, named)
    t = L.bucket(c, target)
  end
  local own = status == 429 and h.scope ~= 'global' and not cloudflare
  local surprised = own and not t  -- a route thought to be free: its limit is the route's own from now on
  if surprised then
    target = L.bucket_key(c, 'r.' .. c.route)
    t = L.bucket(c, target)
  end
  if t and status > 0 then
    if named then learn(c, t, h) end
    if own then limited(c, t, h) end
  end

  B.write()
  redis.call('SET', c.booking, 'done', 'PX', L.BOOKING_MS)
  if b then store(c, key, b) end
  if t and target ~= key then store(c, target, t) end
  if named then
    redis.call('HSET', c.routes, c.route, named .. ' ' .. B.int(t.limit or 1))
    redis.call('EXPIRE', c.routes, ROUTES_S)
  elseif surprised then
    redis.call('HDEL', c.routes, c.route)
  elseif status >= 200 and status < 500 and status ~= 401 and status ~= 429 and not cloudflare then
    redis.call('HSET', c.routes, c.route, 'free ' .. B.int(c.now + FREE_MS))
    redis.call('EXPIRE', c.routes, ROUTES_S)
  end
  alarms(c, status, token, h, cloudflare)
  return { 'ok' }
end)
