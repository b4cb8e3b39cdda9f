-- _effects: the closed list of what a checkpoint or commit may do (R5). Needs _ledger, _pairing, _lanes,
-- _events, _waiting and _controls.
--
-- Arguments: the number of effects, then for each its verb and
--   push        lane, identity, frame, delay ms, front 0|1
--   transcript  session id, entries to keep | 0, n, n entries
--   fork        session id, session id of the copy
--   receipt     identity, part, value
--   outcome     account, message id, outcome, reason
--   note        account, message id, line
--   wake        key
--   slot        lane, name, version, identity | '-', frame | ''      ('-' closes)
--   expire      blob id
--   tally       account, name, member, at ms, life ms
--   session     session key, n, n × (field, value), m, m fields to remove
--   event       session key, id, digest of the text, digest of context and text, body
--   heard       session key, n | '*' (all), n ids
--   count       account, name
--   told        account, what, how
--   pair        account, sender, meta, message id, n, n codes, lane, identity, frame
--   pairreply   account, sender, identity of the reply, what became of it
--   controls    account, group, life ms, n, n × (control id, reusable 0|1, body)
--   giveway     lane, identity, account, reason, place, line | '', n, n message ids
--   toldof      lane, place, number of lines
--
-- Keys built here, besides those of _ledger, _pairing, _lanes, _events, _waiting and _controls
--   tr:<session id>     list    entries             trm:<session id>  hash  bytes, n, archives
--                               (both end 30 days after the last entry where entries to keep are given)
--   rcpt:<identity>     hash    part → value; 24 h  ses:<session key> hash  session record
--   sessions            zset    session key → ms    blob:<id>         string
--   told:<account>      hash    what the owner was told of once → "<how> <ms>"
--   tally:<account>:<name>  zset  member → at; ends with its newest member's life
--   wake:<key>          set     parked lanes, "<lane> <until>"        woken:<key>       string; 10 min
--   slot:<lane>|<name>  string  "<version> <identity>" or "<version> closed"; 1 h

local WOKEN_MS = 600000
local SLOT_MS = 3600000
local KEPT_MS = 2592000000
local E = {}
local effect_cursor
local slots_open = {}
local pairs_open = {}

local function take()
  local value = ARGV[effect_cursor]
  if value == nil then B.refuse('effects end too early') end
  effect_cursor = effect_cursor + 1
  return value
end

local function wake_prepare(key)
  B.name(key, 'wake key')
  local set = B.key('wake', key)
  local plan = { key = key, set = set, lanes = {} }
  if redis.call('SCARD', set) > 64 then B.refuse('too many lanes on a wake key') end
  -- a member names the park it belongs to: an older park of the same lane must not wake a later one
  for i, member in ipairs(redis.call('SMEMBERS', set)) do
    local lane, till = string.match(member, '^(%S+) (%d+)$')
    if not lane then B.refuse('bad member of a wake key') end
    plan.lanes[i] = { lane_load(lane), tonumber(till) }
  end
  return plan
end

local function wake_write(plan)
  local woken = 0
  for _, entry in ipairs(plan.lanes) do
    local S = entry[1]
    if S.park and S.park == entry[2] then
      S.park, S.pp, S.dirty = nil, nil, true
      woken = woken + 1
    end
  end
  redis.call('DEL', plan.set)
  redis.call('SET', B.key('woken', plan.key), B.int(B.now), 'PX', WOKEN_MS)
  return woken
end

function E.push()
  local lane, identity, frame = take(), take(), take()
  local delay, front = B.count(take(), 'delay', 31536000000), take() == '1'
  local plan = push_prepare(lane, identity, frame, delay, front)
  return function() push_write(plan) end
end

-- Takes the oldest entries off until `keep` are left; the entries that went.
local function transcript_trim(list, keep)
  local over = redis.call('LLEN', list) - keep
  return over > 0 and redis.call('LPOP', list, over) or {}
end

function E.transcript()
  local id, keep = B.name(take(), 'session id'), B.count(take(), 'entries to keep', 10000)
  local n = B.count(take(), 'number of entries', 256)
  local list, meta = B.need(B.key('tr', id), 'list'), B.key('trm', id)
  B.need(meta, 'hash')
  local entries, bytes = {}, 0
  for i = 1, n do
    entries[i] = take()
    bytes = bytes + #entries[i]
  end
  return function()
    if n == 0 then return end
    for first = 1, n, 100 do
      redis.call('RPUSH', list, unpack(entries, first, math.min(n, first + 99)))
    end
    local had = redis.call('HMGET', meta, 'bytes', 'n')
    local total, count = tonumber(had[1] or '') or 0, tonumber(had[2] or '') or 0
    if keep > 0 then
      for _, gone in ipairs(transcript_trim(list, keep)) do total = total - #gone end
      redis.call('PEXPIRE', list, KEPT_MS)
    end
    redis.call('HSET', meta, 'bytes', B.int(math.max(0, total + bytes)), 'n', B.int(count + n))
    if keep > 0 then redis.call('PEXPIRE', meta, KEPT_MS) end
  end
end

-- The copy of a transcript's hot part; a copy that is there stays as it is.
function E.fork()
  local from, to = B.name(take(), 'session id'), B.name(take(), 'session id')
  local list, copy = B.need(B.key('tr', from), 'list'), B.need(B.key('tr', to), 'list')
  local meta, copied = B.need(B.key('trm', from), 'hash'), B.need(B.key('trm', to), 'hash')
  local had = redis.call('HMGET', meta, 'bytes', 'n')
  local there = redis.call('EXISTS', copy, copied) > 0
  return function()
    if there then return end
    redis.call('COPY', list, copy)
    redis.call('PERSIST', copy)
    redis.call('HSET', copied, 'bytes', had[1] or '0', 'n', had[2] or '0')
  end
end

function E.receipt()
  local key = B.need(B.key('rcpt', B.name(take(), 'identity')), 'hash')
  local part, value = B.count(take(), 'part', 100000), take()
  return function()
    redis.call('HSETNX', key, B.int(part), value)
    redis.call('PEXPIRE', key, 86400000)
  end
end

function E.outcome()
  local account, message, outcome, reason = take(), take(), take(), take()
  local plan = ledger_prepare(account, message, outcome, reason)
  return function() ledger_write(plan) end
end

function E.note()
  local account, message, line = take(), take(), take()
  local plan = note_prepare(account, message, line)
  return function() note_write(plan) end
end

function E.wake()
  local plan = wake_prepare(take())
  return function() wake_write(plan) end
end

function E.expire()
  local key = B.key('blob', B.name(take(), 'blob id'))
  return function() redis.call('PEXPIRE', key, 60000) end
end

function E.tally()
  local account, name = B.name(take(), 'account'), B.name(take(), 'tally')
  local member, at = B.name(take(), 'member'), B.count(take(), 'time', 9e15)
  local life = B.count(take(), 'life', 31536000000)
  local key = B.need(B.key('tally', account .. ':' .. name), 'zset')
  return function()
    redis.call('ZADD', key, 'NX', B.int(at), member)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', B.int(at - life))
    redis.call('PEXPIRE', key, life)
  end
end

function E.session()
  local name = B.name(take(), 'session key')
  local key = B.need(B.key('ses', name), 'hash')
  B.need(PREFIX .. 'sessions', 'zset')
  local n, set, gone = B.count(take(), 'number of fields', 100), {}, {}
  for i = 1, n do
    set[2 * i - 1], set[2 * i] = B.name(take(), 'field'), take()
  end
  for i = 1, B.count(take(), 'number of fields', 100) do gone[i] = B.name(take(), 'field') end
  return function()
    set[#set + 1], set[#set + 2] = 'updated_at', B.int(B.now)
    redis.call('HSET', key, unpack(set))
    if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
    redis.call('ZADD', PREFIX .. 'sessions', B.int(B.now), name)
  end
end

function E.controls()
  local key = control_key(take(), take())
  local life = B.count(take(), 'life', 86400000)
  local n, set = B.count(take(), 'number of controls', 64), {}
  for i = 1, n do
    local id, reusable = B.name(take(), 'control'), take()
    set[2 * i - 1], set[2 * i] = id, (reusable == '1' and '1' or '0') .. take()
  end
  return function()
    if n == 0 then return end
    -- those that are there stay as they are, used up or not; in each case their life begins anew
    if redis.call('EXISTS', key) == 0 then redis.call('HSET', key, unpack(set)) end
    redis.call('PEXPIRE', key, life)
  end
end

function E.event()
  local session, id, text, about, body = take(), take(), take(), take(), take()
  local plan = event_prepare(session, id, text, about, body)
  return function() event_write(plan) end
end

function E.heard()
  local key, number, ids = event_queue(take()), take(), {}
  local all = number == '*'
  for _ = 1, all and 0 or B.count(number, 'number of events', 100) do ids[B.name(take(), 'event id')] = true end
  return function() heard_write(key, ids, all) end
end

function E.giveway()
  local lane, identity, account, reason = take(), take(), take(), take()
  local place, line, ids = take(), take(), {}
  for i = 1, B.count(take(), 'number of messages', 64) do ids[i] = take() end
  local plan = waiting_prepare(lane, identity, account, reason, ids, place, line)
  return function() waiting_write(plan) end
end

function E.toldof()
  local key = over_key(take(), take())
  local number = B.count(take(), 'number of lines', 1000)
  return function() redis.call('LTRIM', key, B.int(number), -1) end
end

function E.told()
  local key = B.need(B.key('told', B.name(take(), 'account')), 'hash')
  local what, how = B.name(take(), 'what was told'), take()
  if how ~= 'dm' and how ~= 'log' then B.refuse('bad way of telling') end
  return function()
    -- what only the log has seen may still reach the owner, never the other way round
    if how == 'dm' and string.sub(redis.call('HGET', key, what) or '', 1, 3) == 'log' then
      redis.call('HDEL', key, what)
    end
    redis.call('HSETNX', key, what, how .. ' ' .. B.int(B.now))
  end
end

function E.count()
  local account, name = take(), take()
  local plan = count_prepare(account, name)
  return function() count_write(plan) end
end

-- A stranger writes in private: a request with its reply, or "still waiting", or "too many wait". A message
-- that has its outcome already changes nothing.
function E.pair()
  local account, sender, meta, message = B.name(take(), 'account'), pair_sender(take()), pair_meta(take()), take()
  local codes = {}
  for i = 1, B.count(take(), 'number of codes', 64) do codes[i] = pair_code(take()) end
  local lane, identity, frame = take(), take(), take()
  local mark = B.key('pairing', account)
  if pairs_open[mark] then B.refuse('two requests in one call') end
  pairs_open[mark] = true
  local P = pair_load(account)
  if redis.call('HEXISTS', B.key('paired', account), sender) == 1 then B.refuse('approved meanwhile') end
  local entry, outcome, reason, push = P.live[sender], 'pairing', 'waiting', nil
  if not entry and P.count >= PAIR_MOST then
    outcome, reason = 'dropped', 'pairing-full'
  elseif not entry then
    reason = 'requested'
    entry = { created = B.int(B.now), code = pair_free_code(P, codes), reply = '' }
  end
  local plan = ledger_prepare(account, message, outcome, reason)
  if plan.old then return function() end end
  if entry then
    local failed = string.sub(entry.reply, 1, 7) == 'failed:' and B.now - entry.at >= PAIR_AGAIN_MS
    if entry.reply == '' or failed then
      push = push_prepare(lane, identity, frame, 0, false)
      entry.reply, entry.at, entry.notice = 'queued', B.now, identity
    end
    entry.last, entry.meta = B.now, meta
  end
  return function()
    pair_forget(P)
    if entry then pair_save(P, sender, entry) end
    if push then push_write(push) end
    ledger_write(plan)
  end
end

function E.pairreply()
  local account, sender, notice, word = take(), pair_sender(take()), B.name(take(), 'identity'), B.name(take(), 'word')
  local P = pair_load(account)
  local entry = P.live[sender]
  return function()
    if not entry or entry.notice ~= notice then return end
    entry.reply, entry.at = word, B.now
    pair_save(P, sender, entry)
  end
end

local function slot_queued(S, identity)
  if not identity or redis.call('HEXISTS', S.rec, identity) == 0 then return false end
  return not (S.head == identity and lane_in_work(S))
end

local function slot_write(plan)
  local S, slot = plan.S, slots_open[plan.key]
  if slot.closed or plan.version <= slot.version then return end
  local queued = slot_queued(S, slot.identity)
  if not plan.frame then
    if queued then lane_drop(S, slot.identity) end
  elseif queued then
    -- the newer version takes the older one's place
    redis.call('LINSERT', S.order, 'BEFORE', slot.identity, plan.identity)
    redis.call('HSET', S.rec, plan.identity, plan.frame)
    S.depth = S.depth + 1
    lane_drop(S, slot.identity)
  elseif redis.call('HEXISTS', S.rec, plan.identity) == 0 then
    lane_append(S, plan.identity, plan.frame, false)
  end
  slot.version, slot.identity, slot.closed = plan.version, plan.identity, not plan.frame
  local word = slot.closed and 'closed' or slot.identity
  redis.call('SET', plan.key, B.int(slot.version) .. ' ' .. word, 'PX', SLOT_MS)
end

function E.slot()
  local lane, name = take(), B.name(take(), 'slot')
  local version, identity, frame = B.count(take(), 'version', 9e15), take(), take()
  local S = lane_load(lane)
  done_prepare()
  local plan = { S = S, key = B.key('slot', lane .. '|' .. name), version = version }
  if identity ~= '-' then
    plan.identity, plan.frame = B.name(identity, 'identity'), B.stamp(frame, 0)
  end
  if not slots_open[plan.key] then
    local known = redis.call('GET', plan.key) or ''
    local number, word = string.match(known, '^(%d+) (%S+)$')
    slots_open[plan.key] = {
      version = tonumber(number or '') or -1, closed = word == 'closed',
      identity = word ~= 'closed' and word or nil,
    }
  end
  return function() slot_write(plan) end
end

-- Checks the effects that begin at ARGV[first]; returns a function that applies them.
local function effects_prepare(first)
  effect_cursor = first
  local count, bytes, writes = B.count(take(), 'number of effects', 64), 0, {}
  for i = first, #ARGV do bytes = bytes + #ARGV[i] end
  if bytes > 262144 + 8192 then B.refuse('effects too large') end
  for i = 1, count do
    local verb = E[take()]
    if not verb then B.refuse('unknown effect') end
    writes[i] = verb()
  end
  if effect_cursor ~= #ARGV + 1 then B.refuse('effects end too late') end
  return function()
    for i = 1, count do writes[i]() end
  end
end
