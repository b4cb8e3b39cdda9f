-- _lanes: the state of lanes, and the only code that changes it. See shoal/state/lanes.py for the theory.
--
-- Keys built here
--   lane:<lane>     hash    state, fields below; exists while the lane has records or a hold
--   order:<lane>    list    identities in order; the first is the head
--   rec:<lane>      hash    identity → frame
--   jrn:<lane>      list    "<step>\n<bytes>" of the head
--   due:<class>     zset    lane → when somebody must look at it (ms)
--   ready:<route>   zset    lane → since when it waits for a taker
--   did:<token>     string  what the call that ended a grant answered; 60 s
--   done:<page>     set     "<lane>|<identity>" that left a lane; pages of 10 min, 20 min
--   limit:<name>    zset    lane → lease end
--   stop:<lane>     hash    born, id, reason: stop bound
--   abort:<lane>    string  "<head> <ms> <0|1>": the head has stood still; see lane_abort
--   runs            hash    host → the run of the fleet there
--   hints           hash    route → "<queue key>\n<template>"
--   homes           hash    agent → home
--   dead, deadnew   zset    dead id → time;  dead:<id> hash
--   and the queue lists named by the templates (LPUSH)
--
-- Fields of lane:<lane>
--   tok until ttl   the grant; rmin rmax versions its holder reads; lim its concurrency limit;
--                   by whose it is: "<host>:<run of its fleet>"
--   did             last commit of the present grant, "commit:<identity>"
--   step jb abs     of the head: last checkpoint, journal bytes, absorbed identities (space separated)
--   tries sus inf q of the head: handled failures, dead holders, infrastructure failures, in quarantine
--   sust exc        of the head: tokens of the dead holders, deaths that were excused; see _dead
--   nb hold park pp back-off until, held until, parked until, a push ends the park
--   rt n            route of the hint that is out, times it was repeated
--   bk              how far the clock had fallen back when its times were written

local LANE_NUDGE = {
  inbound = 1000, hold = 1000, fast = 300, interaction = 300, session = 1000, delivery = 1000,
  reaction = 1000, cron = 1000, approval = 1000, voice = 1000,
}
local LANE_FIELDS = {
  'tok', 'until', 'ttl', 'rmin', 'rmax', 'lim', 'did', 'step', 'jb', 'abs', 'tries', 'sus', 'inf',
  'q', 'nb', 'hold', 'park', 'pp', 'rt', 'n', 'by', 'sust', 'exc', 'bk',
}
local LANE_TEXT = { tok = true, lim = true, did = true, abs = true, rt = true, by = true, sust = true }
local LANE_OF_HEAD = { 'step', 'jb', 'abs', 'tries', 'sus', 'inf', 'q', 'nb', 'park', 'pp', 'sust', 'exc' }
local LANE_TIMES = { 'until', 'nb', 'hold', 'park' }
local LANE_GRACE = 2500
local LANE_SOON = 600000
local DONE_PAGE = 600000
local DID_MS = 60000

local lanes_open = {}
local lanes_order = {}
local hint_templates = {}
local hint_room = nil -- set by the sweeper: route → hints it may still send
local hints_sent = 0

local function lane_class(lane)
  local class = string.match(B.name(lane, 'lane'), '^([a-z]+):.')
  if not class or not LANE_NUDGE[class] then B.refuse('unknown lane class') end
  return class
end

-- -- hints ------------------------------------------------------------------------------------------

local function hint_prepare(route)
  B.need(B.key('ready', route), 'zset')
  if hint_templates[route] ~= nil then return end
  local raw = redis.call('HGET', PREFIX .. 'hints', route)
  local queue, text = nil, nil
  if raw then
    queue, text = string.match(raw, '^([^\n]+)\n(.*)$')
  end
  if queue then
    local kind = redis.call('TYPE', queue)
    kind = kind.ok or kind
    if kind ~= 'none' and kind ~= 'list' then queue = nil end
  end
  hint_templates[route] = queue and { queue = queue, text = text } or false
end

local function hint_send(S, route)
  local template = hint_templates[route]
  if not template then return false end
  if hint_room then
    if hint_room[route] == nil then
      hint_room[route] = redis.call('ZCARD', B.key('ready', route)) - redis.call('LLEN', template.queue)
    end
    if hint_room[route] <= 0 then return false end
    hint_room[route] = hint_room[route] - 1
  end
  hints_sent = hints_sent + 1
  local hex = redis.sha1hex(S.lane .. ':' .. B.micros .. ':' .. hints_sent)
  local id = string.sub(hex, 1, 8) .. '-' .. string.sub(hex, 9, 12) .. '-' .. string.sub(hex, 13, 16)
    .. '-' .. string.sub(hex, 17, 20) .. '-' .. string.sub(hex, 21, 32)
  -- replacement by table: a % in it means nothing
  local text = string.gsub(template.text, '@@%u+@@', { ['@@LANE@@'] = S.lane, ['@@ID@@'] = id })
  redis.call('LPUSH', template.queue, text)
  return true
end

-- -- loading and saving -----------------------------------------------------------------------------

-- The clock has fallen back since the times of this lane were written: they are moved with it. A record's own
-- not-before moves if it was to come soon; a far one is a date.
local function lane_fall(S)
  local fell = B.back - (S.bk or 0)
  for _, field in ipairs(LANE_TIMES) do
    if S[field] then S[field] = math.max(0, S[field] - fell) end
  end
  for _, identity in ipairs(redis.call('LRANGE', S.order, 0, 49)) do
    local frame = redis.call('HGET', S.rec, identity)
    local header = frame and B.header(frame)
    if header and header.nb > B.now and header.nb - fell < B.now + LANE_SOON then
      local start, rest = string.match(frame, '^(%d+ %d+) %d+( .*)$')
      S.moved[identity] = start .. ' ' .. B.int(math.max(0, header.nb - fell)) .. rest
    end
  end
  S.bk, S.dirty = B.back, true
end

-- Loads a lane, just enough to put a record behind others.
local function lane_open(lane)
  if lanes_open[lane] then return lanes_open[lane] end
  if B.wrote then error('lane loaded after the first write') end
  local S = { lane = lane, class = lane_class(lane), added = {}, moved = {} }
  S.key, S.order = B.key('lane', lane), B.key('order', lane)
  S.rec, S.jrn, S.due = B.key('rec', lane), B.key('jrn', lane), B.key('due', S.class)
  local values = redis.call('HMGET', S.key, unpack(LANE_FIELDS))
  S.was = {}
  for i, field in ipairs(LANE_FIELDS) do
    local value = values[i] or nil
    S.was[field] = value
    if value and not LANE_TEXT[field] then value = tonumber(value) end
    S[field] = value
  end
  S.depth = redis.call('LLEN', S.order)
  S.head = redis.call('LINDEX', S.order, 0) or nil
  B.need(S.rec, 'hash')
  if S.jb then B.need(S.jrn, 'list') end
  if B.back > (S.bk or 0) and (S.depth > 0 or S.hold) then lane_fall(S) end
  lanes_open[lane] = S
  lanes_order[#lanes_order + 1] = S
  return S
end

-- Loads a lane and all that is needed to give it another place.
local function lane_load(lane)
  local S = lane_open(lane)
  if S.placed then return S end
  if B.wrote then error('lane loaded after the first write') end
  S.placed = true
  B.need(S.due, 'zset')
  S.route = S.class
  if S.class == 'session' then
    local agent = string.match(lane, '^session:agent:([^:]+):')
    local home = agent and redis.call('HGET', PREFIX .. 'homes', agent)
    if home then S.route = 'session@' .. B.name(home, 'home') end
  end
  hint_prepare(S.route)
  if S.sus or S.q then hint_prepare(S.class .. '.chores') end
  if S.rt then hint_prepare(S.rt) end
  if S.lim then B.need(B.key('limit', S.lim), 'zset') end
  return S
end

local function lane_save(S)
  if S.gone then return end
  for identity, frame in pairs(S.moved) do
    if redis.call('HEXISTS', S.rec, identity) == 1 then redis.call('HSET', S.rec, identity, frame) end
  end
  if B.back > 0 and (S.depth > 0 or S.hold) then S.bk = B.back end
  local set, gone = {}, {}
  for _, field in ipairs(LANE_FIELDS) do
    local value = S[field]
    if value ~= nil and not LANE_TEXT[field] then value = B.int(value) end
    if value ~= S.was[field] then
      if value == nil then
        gone[#gone + 1] = field
      else
        set[#set + 1] = field
        set[#set + 1] = value
      end
      S.was[field] = value
    end
  end
  if #set > 0 then redis.call('HSET', S.key, unpack(set)) end
  if #gone > 0 then redis.call('HDEL', S.key, unpack(gone)) end
end

-- -- what has left a lane ---------------------------------------------------------------------------

local function done_pages()
  local page = math.floor(B.now / DONE_PAGE)
  return B.key('done', B.int(page)), B.key('done', B.int(page - 1))
end

local function done_known(lane, identity)
  local member = lane .. '|' .. identity
  local new, old = done_pages()
  return redis.call('SISMEMBER', new, member) == 1 or redis.call('SISMEMBER', old, member) == 1
end

-- To be called before the first write by whoever may call done_add.
local function done_prepare()
  B.need((done_pages()), 'set')
end

local function done_add(lane, identity)
  local key = done_pages()
  local size = redis.call('SCARD', key)
  if size >= 200000 then return end
  redis.call('SADD', key, lane .. '|' .. identity)
  if size == 0 then redis.call('PEXPIRE', key, 2 * DONE_PAGE) end
end

-- -- heads ------------------------------------------------------------------------------------------

local function lane_header(S)
  local frame = S.head and (S.moved[S.head] or redis.call('HGET', S.rec, S.head))
  return frame and B.header(frame), frame
end

-- Account and channel of a scope, as a stop of one place names them; '' for a record without.
local function lane_place(scope)
  return string.match(scope, '^[^|]*|[^|]*|') or ''
end

-- Where the hash of a lane's stops holds one of them: of the whole lane, or of a place.
local function lane_stop_fields(place)
  local of = place == '' and '' or (' ' .. place)
  return 'born' .. of, 'id' .. of
end

-- The stop of the whole lane ('') or of a place, if there is one.
local function lane_stop_of(lane, place)
  local born, id = lane_stop_fields(place)
  local bound = redis.call('HMGET', B.key('stop', lane), born, id)
  return bound[1] and { born = tonumber(bound[1]) or 0, id = bound[2] or '' } or nil
end

local function lane_stop_later(one, other)
  if not one or not other then return one or other end
  if one.born ~= other.born then return one.born > other.born and one or other end
  return B.less(one.id, other.id) and other or one
end

-- The stop that counts for a record: of the lane or of the record's place, whichever reaches further.
local function lane_stop_bound(lane, header)
  local place = header and lane_place(header.scope) or ''
  local all = lane_stop_of(lane, '')
  return place == '' and all or lane_stop_later(all, lane_stop_of(lane, place))
end

local function lane_born_before(header, bound)
  if not bound then return false end
  if header.born ~= bound.born then return header.born < bound.born end
  return B.less(header.message, bound.id)
end

-- What a watch said about the head: it is to end, or its lease to be let run out. Nil if nothing.
local function lane_abort_of(S)
  local head, at, ends = string.match(redis.call('GET', B.key('abort', S.lane)) or '', '^(%S+) (%d+) ([01])$')
  if not head or head ~= S.head then return nil end
  return { at = tonumber(at), ends = ends == '1' }
end

local function lane_in_work(S)
  return S.tok or S.step or S.abs or S.tries or S.sus or S.exc or S.inf or S.park
end

-- Takes the head (and its journal) out; remembers it unless told not to.
local function lane_pop(S)
  redis.call('LPOP', S.order)
  redis.call('HDEL', S.rec, S.head)
  done_add(S.lane, S.head)
  if S.jb then redis.call('DEL', S.jrn) end
  for _, field in ipairs(LANE_OF_HEAD) do S[field] = nil end
  S.depth = S.depth - 1
  S.head = redis.call('LINDEX', S.order, 0) or nil
  S.dirty = true
end

local function lane_drop(S, identity)
  redis.call('LREM', S.order, 1, identity)
  redis.call('HDEL', S.rec, identity)
  done_add(S.lane, identity)
  S.depth = S.depth - 1
  S.head = redis.call('LINDEX', S.order, 0) or nil
  S.dirty = true
end

local function lane_append(S, identity, frame, front)
  redis.call('HSET', S.rec, identity, frame)
  local waiting = S.depth > 0 and not front
  if not front or S.depth == 0 then
    redis.call('RPUSH', S.order, identity)
  elseif lane_in_work(S) then
    redis.call('LINSERT', S.order, 'AFTER', S.head, identity)
  else
    redis.call('LPUSH', S.order, identity)
    S.dirty = true
  end
  if S.depth == 0 or (S.park and S.pp) then
    S.park, S.pp = nil, nil
    S.dirty = true
  end
  S.depth = S.depth + 1
  if not waiting then S.head = redis.call('LINDEX', S.order, 0) or nil end
end

-- -- where a lane stands ----------------------------------------------------------------------------

local function lane_unready(S)
  if S.rt then redis.call('ZREM', B.key('ready', S.rt), S.lane) end
  S.rt, S.n = nil, nil
end

local function lane_release(S)
  if S.lim then redis.call('ZREM', B.key('limit', S.lim), S.lane) end
  S.tok, S['until'], S.ttl, S.rmin, S.rmax, S.lim, S.did, S.by = nil, nil, nil, nil, nil, nil, nil, nil
  S.dirty = true
end

-- Ends a grant in good order and remembers how, for a caller whose answer got lost.
local function lane_finish(S, answer)
  redis.call('SET', B.key('did', S.tok), answer, 'PX', DID_MS)
  lane_release(S)
end

local function lane_wanted_at(S)
  local header = lane_header(S)
  return math.max(S.hold or 0, S.park or 0, S.nb or 0, header and header.nb or 0)
end

-- Where a free lane is handed out.
local function lane_route(S)
  return S.q and (S.class .. '.chores') or S.route
end

-- Puts a free lane where it belongs: gone, waiting for a time, or ready with a hint out.
local function lane_settle(S)
  if S.tok or S.gone then return end
  if S.hold and S.hold <= B.now then S.hold = nil end
  if S.depth == 0 then
    lane_unready(S)
    if S.hold then
      redis.call('ZADD', S.due, B.int(S.hold), S.lane)
    else
      redis.call('DEL', S.key, S.order, S.rec, S.jrn)
      redis.call('ZREM', S.due, S.lane)
      S.gone = true
    end
    return
  end
  local at = lane_wanted_at(S)
  if at > B.now then
    lane_unready(S)
    redis.call('ZADD', S.due, B.int(at), S.lane)
    return
  end
  S.park, S.pp, S.nb = nil, nil, nil
  local route = lane_route(S)
  if S.rt == route then return end
  lane_unready(S)
  S.rt = route
  redis.call('ZADD', B.key('ready', route), B.int(B.now), S.lane)
  hint_send(S, route)
  redis.call('ZADD', S.due, B.int(B.now + LANE_NUDGE[S.class]), S.lane)
end

-- To be called last: settles and saves every lane that was touched.
local function lanes_close()
  for _, S in ipairs(lanes_order) do
    if S.dirty then lane_settle(S) end
    lane_save(S)
  end
end

-- -- pushes -----------------------------------------------------------------------------------------

-- Checks a push; the answer goes to push_write. keep = also if the lane remembers the identity.
local function push_prepare(lane, identity, frame, delay, front, keep)
  local S = lane_open(lane)
  if S.depth == 0 or S.park or front or S.dirty then lane_load(lane) end
  B.name(identity, 'identity')
  local stamped = B.stamp(frame, delay)
  local known = S.added[identity] or redis.call('HEXISTS', S.rec, identity) == 1
    or (not keep and done_known(lane, identity))
  S.added[identity] = true
  return { S = S, identity = identity, frame = stamped, front = front, new = not known }
end

local function push_write(plan)
  if plan.new then lane_append(plan.S, plan.identity, plan.frame, plan.front) end
end

-- The common case of intake, without loading the lane: a record goes behind others of a lane that is not
-- parked, so the lane keeps its place.
local function lane_keeps_place(lane)
  lane_class(lane)
  return redis.call('LLEN', B.key('order', lane)) > 0 and not redis.call('HGET', B.key('lane', lane), 'park')
end

-- For a lane that keeps its place: the push as a function, or nil if the lane knows the identity. Only for
-- scripts that bring an identity once.
local function push_behind(lane, identity, frame)
  local order, rec = B.key('order', lane), B.key('rec', lane)
  local stamped = B.stamp(frame, 0)
  if redis.call('HEXISTS', rec, B.name(identity, 'identity')) == 1 or done_known(lane, identity) then return nil end
  return function()
    redis.call('HSET', rec, identity, stamped)
    redis.call('RPUSH', order, identity)
  end
end

-- Checks a push that goes where its birth belongs: before the first waiting record that is younger, but never
-- before a head in work. The answer goes to insert_write. Looks from the end, where the young ones are.
local function insert_prepare(lane, identity, frame)
  local S = lane_load(lane)
  local stamped, own = B.stamp(frame, 0)
  local plan = { S = S, identity = B.name(identity, 'identity'), frame = stamped }
  plan.known = redis.call('HEXISTS', S.rec, identity) == 1 or done_known(lane, identity)
  local first, last = 0, S.depth - 1
  if S.head and lane_in_work(S) then first = 1 end
  while not plan.known and last >= first do
    local ids = redis.call('LRANGE', S.order, B.int(math.max(first, last - 49)), B.int(last))
    for i = #ids, 1, -1 do
      local other = B.header(redis.call('HGET', S.rec, ids[i]) or '')
      local younger = other and (other.born > own.born
        or (other.born == own.born and B.less(own.message, other.message)))
      if not younger then return plan end
      plan.before = ids[i]
    end
    last = last - #ids
  end
  return plan
end

local function insert_write(plan)
  local S = plan.S
  if plan.known then return end
  if not plan.before then
    lane_append(S, plan.identity, plan.frame, false)
    return
  end
  redis.call('HSET', S.rec, plan.identity, plan.frame)
  redis.call('LINSERT', S.order, 'BEFORE', plan.before, plan.identity)
  if plan.before == S.head then S.head = plan.identity end
  S.depth = S.depth + 1
  S.dirty = true
end

-- -- grants -----------------------------------------------------------------------------------------

-- Loads a lane for a fenced call: S, or nil and the answer to give.
local function lane_fence(lane, token, head, verb)
  B.name(token, 'token')
  local S = lane_load(lane)
  if S.tok == token then
    if S.head == head then return S end
    if verb == 'commit' and S.did == 'commit:' .. head then return S, 'again' end
    B.refuse('another head')
  end
  local did = verb and redis.call('GET', B.key('did', token))
  local mark = verb and (verb .. ':' .. head .. ':')
  if did and string.sub(did, 1, #mark) == mark then
    return nil, { 'ok', string.sub(did, #mark + 1) }
  end
  return nil, { 'stale' }
end

local function lane_grant_answer(S)
  local header, frame = lane_header(S)
  local journal = S.jb and redis.call('LRANGE', S.jrn, 0, -1) or {}
  local absorbed = {}
  for identity in string.gmatch(S.abs or '', '%S+') do
    local body = redis.call('HGET', S.rec, identity)
    if body then
      absorbed[#absorbed + 1] = identity
      absorbed[#absorbed + 1] = body
    end
  end
  local stopped = lane_born_before(header, lane_stop_bound(S.lane, header)) and '1' or '0'
  local abort = lane_abort_of(S)
  if stopped == '0' and abort and abort.ends then stopped = '2' end
  return {
    'grant', S.head, frame, S.step or 0, S.tries or 0, (S.sus or 0) + (S.exc or 0), stopped,
    S.q and '1' or '0', S.ttl, journal, absorbed,
  }
end
