-- _limiter: what limiter_reserve and limiter_settle share. The theory is in shoal/discord/limiter.py.
--
-- Arguments of both: 2 now in ms ('' = Redis' clock; tests give their own), 3 bot, 4 egress, 5 route key,
--   6 major, 7 class 0-3, 8 outside the global limit 0|1, 9 request id.
-- Keys; <bot> and <egress> with '.<ms the clock has fallen back>' once it has, but in routes, rq and bad
--   rl:<bot>:routes            hash    route key → 'h.<bucket> <limit>' or 'free <until ms>' (no headers seen)
--   rl:<bot>:b:<bucket>:<major> hash   limit, left, reset (ms, 0 = not known), flying (booked, not settled),
--                                      until (flying ends), window (ms), block (shared 429 until),
--                                      rb.<route> (sub-limit until), q and qr (queue number for the reset qr)
--   rl:<bot>:log               list    '<slot ms> <class>' of the last 64 grants, newest first
--   rl:<bot>:state             hash    block (global 429 until), pace (next background slot), turn (when
--                                      the next that has to wait for one asks again), latch (fingerprint
--                                      of a refused token), latched (until), wide (ms added to the
--                                      window of the global limit by 429s of it), wideat (when)
--   rl:<bot>:rq:<request id>   string  '<slot ms> <bucket key part>' of a booking, 'done' once settled
--   rl:e.<egress>:bad          hash    minute → answers of 401, 403, 429 (R29)
--   rl:e.<egress>:block        string  until ms: blocked by Cloudflare

local L = { KEEP_MS = 60000, BOOKING_MS = 120000, BREAK_BACKGROUND = 5000, BREAK_ALL = 8000 }

-- What is added to the window of the global limit: requests booked over a second arrive in less than one
-- where a process or the way stalls. Each global 429 widens it, two seconds without one take back 1 ms.
function L.wide(c, wide, at)
  return math.max(0, (tonumber(wide or '') or 0) - math.floor((c.now - (tonumber(at or '') or 0)) / 2000))
end

-- Whose limits they are: arguments 2 to 4.
function L.whose()
  local c = {}
  c.now = B.now
  if ARGV[2] ~= '' then c.now = B.count(ARGV[2], 'now', 9e15) end
  c.bot, c.egress = B.name(ARGV[3], 'bot'), B.name(ARGV[4], 'egress')
  -- after each fall of the clock (R35) what is kept with times begins anew: it would stop everything for as long
  c.era = B.back > 0 and '.' .. B.int(B.back) or ''
  c.head = PREFIX .. 'rl:' .. c.bot
  c.state = B.need(c.head .. c.era .. ':state', 'hash')
  c.bad = B.need(PREFIX .. 'rl:e.' .. c.egress .. ':bad', 'hash')
  c.eblock = B.need(PREFIX .. 'rl:e.' .. c.egress .. c.era .. ':block', 'string')
  c.minute = math.floor(c.now / 60000)
  return c
end

function L.open()
  local c = L.whose()
  c.route, c.major = B.name(ARGV[5], 'route'), B.name(ARGV[6], 'major')
  c.class = B.count(ARGV[7], 'class', 3)
  c.exempt = ARGV[8] == '1'
  c.routes = B.need(c.head .. ':routes', 'hash')
  c.log = B.need(c.head .. c.era .. ':log', 'list')
  c.booking = B.need(c.head .. ':rq:' .. B.name(ARGV[9], 'request id'), 'string')
  return c
end

-- Answers of 401, 403 and 429 that this address got within ten minutes.
function L.invalid(c)
  local bad, counts = 0, redis.call('HGETALL', c.bad)
  for i = 1, #counts, 2 do
    local ago = c.minute - tonumber(counts[i])
    if ago >= 0 and ago < 10 then bad = bad + tonumber(counts[i + 1]) end
  end
  return bad
end

function L.bucket_key(c, bucket)
  return B.need(c.head .. c.era .. ':b:' .. bucket .. ':' .. c.major, 'hash')
end

-- The state of a bucket as numbers; left is nil when nothing is known of the present window.
function L.bucket(c, key)
  local v = redis.call('HMGET', key, 'limit', 'left', 'reset', 'flying', 'until', 'window', 'block',
    'rb.' .. c.route, 'q', 'qr')
  local b = {
    limit = tonumber(v[1] or ''), left = tonumber(v[2] or ''), reset = tonumber(v[3] or '') or 0,
    flying = tonumber(v[4] or '') or 0, window = tonumber(v[6] or '') or 0,
    block = tonumber(v[7] or '') or 0, rblock = tonumber(v[8] or '') or 0,
    q = tonumber(v[9] or '') or 0, qr = tonumber(v[10] or '') or 0,
  }
  if (tonumber(v[5] or '') or 0) <= c.now then b.flying = 0 end
  if b.reset > 0 and b.reset <= c.now then b.left, b.reset = nil, 0 end
  if b.reset == 0 and b.flying == 0 then b.left = nil end
  return b
end

function L.keep(c, key, b)
  local last = math.max(b.reset, b.block, b.rblock, c.now)
  redis.call('PEXPIRE', key, B.int(math.min(last - c.now, 3600000) + L.KEEP_MS))
end
