-- _base: what every script stands on. Included first, see shoal/state/scripts.py.
--
-- Rules of the house (R4, R5):
--   * A script has a checking part and a writing part. B.write() opens the second; before it nothing is
--     written, so a refusal or an error there leaves everything as it was. After it, only keys are touched
--     whose type the first part has seen (B.need, or a read of that type), and nothing may be refused.
--   * Everything may arrive twice.
--   * Bodies are opaque. Names that become part of a key match [a-z0-9:_.-]{1,200}.
--   * ARGV[1] is the key prefix. B.refuse(reason) answers {'conflict', reason}.
--
-- Keys built here
--   clock  hash    seen: newest time in ms; jump: time of the last step of more than a lease;
--                  back: ms by which the clock has fallen back so far, each time by over 60 s (R35);
--                  back.<class>, at.<class>: how far lanes were told of it, see lane_sweep
--   epoch  string  random id of the store's history; renewed when the clock fell back by over 60 s (R35)

local PREFIX = ARGV[1]
local B = { wrote = false }
local LEASE_MS = 5000

function B.refuse(reason)
  error({ refused = reason })
end

function B.key(family, name)
  return PREFIX .. family .. ':' .. name
end

function B.int(number)
  return string.format('%.0f', number)
end

function B.name(value, what)
  if #value < 1 or #value > 200 or string.find(value, '[^a-z0-9:_.%-]') then
    B.refuse('bad ' .. what)
  end
  return value
end

function B.count(value, what, most)
  local number = tonumber(value)
  if not number or number < 0 or number > most or number % 1 ~= 0 then
    B.refuse('bad ' .. what)
  end
  return number
end

local seen_types = {}

-- The key must be missing or of this type.
function B.need(key, kind)
  if seen_types[key] ~= kind then
    local found = redis.call('TYPE', key)
    found = found.ok or found
    if found ~= 'none' and found ~= kind then
      B.refuse('wrong type at ' .. key)
    end
    seen_types[key] = kind
  end
  return key
end

-- Time: Redis' clock, never behind what was seen, unless it fell back by more than a minute.
do
  local parts = redis.call('TIME')
  B.micros = parts[1] .. ':' .. parts[2]
  local wall = tonumber(parts[1]) * 1000 + math.floor(tonumber(parts[2]) / 1000)
  local clock = redis.call('HMGET', PREFIX .. 'clock', 'seen', 'jump', 'back')
  local seen = tonumber(clock[1] or '') or 0
  B.jump = tonumber(clock[2] or '') or 0
  B.back = tonumber(clock[3] or '') or 0
  B.fell_back = seen - wall > 60000
  if B.fell_back then B.back, B.jump = B.back + seen - wall, wall end
  B.jumped = seen > 0 and wall - seen > LEASE_MS
  if B.jumped then B.jump = wall end
  B.tick = wall - seen > 250 or B.fell_back
  B.now = (wall >= seen or B.fell_back) and wall or seen
end

-- Opens the writing part.
function B.write()
  if B.wrote then return end
  B.wrote = true
  if B.tick then
    if B.fell_back then
      local old = redis.pcall('GET', PREFIX .. 'epoch')
      local seed = (type(old) == 'string' and old or '') .. B.micros .. tostring(B)
      redis.call('SET', PREFIX .. 'epoch', string.sub(redis.sha1hex(seed), 1, 32))
      redis.call('HSET', PREFIX .. 'clock', 'seen', B.int(B.now), 'jump', B.int(B.jump), 'back', B.int(B.back))
    elseif B.jumped then
      redis.call('HSET', PREFIX .. 'clock', 'seen', B.int(B.now), 'jump', B.int(B.jump))
    else
      redis.call('HSET', PREFIX .. 'clock', 'seen', B.int(B.now))
    end
  end
end

-- Record header: v born not_before kind mode scope account message_id\n
local HEADER = '^(%d+) (%d+) (%d+) (%S+) (%S+) (%S+) (%S+) (%S+)\n'

function B.header(frame)
  local v, born, nb, kind, mode, scope, account, message = string.match(frame, HEADER)
  if not v then return nil end
  return {
    v = tonumber(v), born = tonumber(born), nb = tonumber(nb), kind = kind, mode = mode,
    scope = scope, account = account, message = message,
  }
end

-- Checks a frame and gives it its birth and its not-before.
function B.stamp(frame, delay)
  if #frame > 264192 then B.refuse('record too large') end
  local header = B.header(frame)
  if not header or header.born > 9e15 then B.refuse('bad record') end
  local stop = string.find(frame, '\n', 1, true)
  local rest = string.match(string.sub(frame, 1, stop), '^%d+ %d+ %d+ (.*)$')
  header.born = header.born > 0 and header.born or B.now
  header.nb = delay > 0 and B.now + delay or 0
  local head = B.int(header.v) .. ' ' .. B.int(header.born) .. ' ' .. B.int(header.nb) .. ' ' .. rest
  return head .. string.sub(frame, stop + 1), header
end

-- Is snowflake a smaller than b? Both as decimal text; Lua numbers would lose digits.
function B.less(a, b)
  if string.find(a, '%D') or string.find(b, '%D') then return false end
  if #a ~= #b then return #a < #b end
  return a < b
end

-- Page of a snowflake's time; the same float arithmetic as keys.snowflake_page.
function B.page(id, width)
  if #id > 20 or string.find(id, '%D') then B.refuse('bad message id') end
  local ms = math.floor(tonumber(id) / 4194304) + 1420070400000
  return B.int(math.floor(ms / width))
end

-- Runs a script's body; what went wrong before the first write becomes an answer.
function B.run(body)
  local ok, answer = pcall(body)
  if ok then return answer end
  if type(answer) == 'table' and answer.refused then return { 'conflict', answer.refused } end
  local text = type(answer) == 'table' and answer.err or tostring(answer)
  if not B.wrote and string.find(text, 'WRONGTYPE', 1, true) then return { 'conflict', 'wrong type' } end
  return redis.error_reply(text)
end
