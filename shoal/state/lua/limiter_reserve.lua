-- limiter_reserve: book one request to Discord, or say when to ask again. Arriving twice it books once (R4).
-- Arguments after the common ones (_limiter): 10 fingerprint of the token, 11 horizon ms (how far ahead a
--   slot may be booked), 12 global limit per second.
-- Answer: {'booked', wait ms} | {'wait', ms, reason} | {'latched', ms}
-- Keys: see _limiter.
-- include: _base
-- include: _limiter

local WINDOW_MS, FLYING_MS, BURST_MS = 1040, 15000, 80
local EDIT_SHARE, LINE_MS = 0.84, 1000
local LONGEST_MS = 3600000

-- Things that stop a request whatever its bucket. Returns an answer or nil.
local function guarded(c, token, state)
  local latched = tonumber(state.latched or '') or 0
  if state.latch == token and latched > c.now then return { 'latched', B.int(latched - c.now) } end
  local until_ms = tonumber(redis.call('GET', c.eblock) or '') or 0
  if until_ms > c.now then return { 'wait', B.int(until_ms - c.now), 'cloudflare' } end
  local bad = L.invalid(c)
  if bad >= L.BREAK_ALL or (bad >= L.BREAK_BACKGROUND and c.class >= 2) then
    return { 'wait', B.int(60000 - c.now % 60000), 'breaker' }
  end
  local block = tonumber(state.block or '') or 0
  if block > c.now and not c.exempt then return { 'wait', B.int(block - c.now), 'global' } end
  return nil
end

-- The bucket of the route: name and limit as far as learned; nil name for a route without limits.
local function bucket_of(c)
  local mapped = redis.call('HGET', c.routes, c.route)
  if mapped then
    local name, number = string.match(mapped, '^(%S+) (%d+)$')
    if name == 'free' then
      if tonumber(number) > c.now then return nil end
    elseif name then
      return name, tonumber(number)
    end
  end
  return 'r.' .. c.route, 1
end

-- Probes of this very place that left before its bucket was known count into the bucket's first window.
local function probes(c, bucket, b)
  if b.limit or string.sub(bucket, 1, 2) == 'r.' then return 0 end
  return L.bucket(c, L.bucket_key(c, 'r.' .. c.route)).flying
end

-- The slot in the sliding log of all requests, and what pacing adds for background work.
local function global_slot(c, state, limit)
  local log = redis.call('LRANGE', c.log, 0, 63)
  local slot, urgent = c.now, 0
  -- what only the newest of counts leaves room for stalls: one that comes late meets those behind it
  if c.class == 2 then limit = math.max(1, math.floor(limit * EDIT_SHARE)) end
  for i, entry in ipairs(log) do
    local at, class = string.match(entry, '^(%d+) (%d)$')
    at = tonumber(at)
    if i == 1 and at > slot then slot = at end
    if i == limit then slot = math.max(slot, at + state.window) end
    if at > c.now - state.window and tonumber(class) < 2 then urgent = urgent + 1 end
  end
  if c.class < 2 then return slot, nil, 0, 'global' end
  local pace = tonumber(state.pace or '') or 0
  local paced = math.max(slot, pace - BURST_MS)
  local step = state.window / math.max(1, limit - urgent - 1)
  return paced, math.max(pace, paced) + step, step, paced > slot and 'pace' or 'global'
end

-- Background work that has to wait asks again one step after the one before it, so that many do not ask at
-- once for one slot; a second from now at the latest, since some never come back.
local function line_up(c, state, slot, step)
  local turn = math.max(slot, math.min(tonumber(state.turn or '') or 0, c.now + LINE_MS))
  B.write()
  redis.call('HSET', c.state, 'turn', B.int(turn + step))
  redis.call('PEXPIRE', c.state, 3600000)
  return turn
end

-- Waiting for a reset: the k-th waiter of a window asks 3 ms after the one before, or a window later, and
-- after an hour at the latest.
local function queue_up(c, key, b, limit)
  local q = b.qr == b.reset and b.q or 0
  B.write()
  redis.call('HSET', key, 'q', B.int(q + 1), 'qr', B.int(b.reset))
  local window = math.max(b.window, 100)
  local wait = b.reset - c.now + math.floor(q / limit) * window + (q % limit) * 3
  return { 'wait', B.int(math.min(math.ceil(wait), LONGEST_MS)), 'bucket' }
end

return B.run(function()
  local c = L.open()
  local token = B.name(ARGV[10], 'token')
  local horizon, most = B.count(ARGV[11], 'horizon', 60000), B.count(ARGV[12], 'limit', 60)
  local booked = redis.call('GET', c.booking)
  if booked then
    local slot = tonumber(string.match(booked, '^(%d+) ') or '') or c.now
    return { 'booked', B.int(math.min(math.max(0, slot - c.now), horizon)) }
  end
  local v = redis.call('HMGET', c.state, 'latch', 'latched', 'block', 'pace', 'wide', 'wideat', 'turn')
  local state = { latch = v[1], latched = v[2], block = v[3], pace = v[4], turn = v[7] }
  state.window = WINDOW_MS + L.wide(c, v[5], v[6])
  local refused = guarded(c, token, state)
  if refused then return refused end

  local bucket, hint = bucket_of(c)
  local key, b, limit
  if bucket then
    key = L.bucket_key(c, bucket)
    b = L.bucket(c, key)
    limit = b.limit or hint
    if b.block > c.now then return { 'wait', B.int(b.block - c.now), 'shared' } end
    if b.rblock > c.now then return { 'wait', B.int(b.rblock - c.now), 'route' } end
    b.left = b.left or (limit - b.flying - probes(c, bucket, b))
    if b.left < 1 then
      if b.reset > c.now then return queue_up(c, key, b, limit) end
      return { 'wait', '25', 'probe' }
    end
  end

  local slot, pace, step, why = c.now, nil, 0, 'global'
  if not c.exempt then slot, pace, step, why = global_slot(c, state, most) end
  if slot - c.now > horizon then
    if pace then slot = line_up(c, state, slot, step) end
    return { 'wait', B.int(math.max(5, math.ceil(slot - c.now - horizon / 2))), why }
  end
  slot = math.ceil(slot)

  B.write()
  if bucket then
    redis.call('HSET', key, 'limit', B.int(limit), 'left', B.int(b.left - 1), 'reset', B.int(b.reset),
      'flying', B.int(b.flying + 1), 'until', B.int(c.now + FLYING_MS))
    L.keep(c, key, b)
  end
  if not c.exempt then
    redis.call('LPUSH', c.log, B.int(slot) .. ' ' .. B.int(c.class))
    redis.call('LTRIM', c.log, 0, 63)
    redis.call('PEXPIRE', c.log, L.KEEP_MS)
  end
  if pace then
    redis.call('HSET', c.state, 'pace', B.int(pace))
    redis.call('PEXPIRE', c.state, 3600000)
  end
  redis.call('SET', c.booking, B.int(slot) .. ' ' .. (bucket or '-'), 'PX', L.BOOKING_MS)
  return { 'booked', B.int(slot - c.now) }
end)
