-- _pairing: requests of strangers who want to talk in private (spec inbound 3.3). Needs _base.
--
-- Keys built here
--   pairing:<account>  hash    sender → "<created> <last seen> <code> <reply> <reply at> <notice>\n<meta>"
--   paired:<account>   hash    sender → "<since> <how>\n<meta>": who was approved
--   owner              string  "<sender> <account> <since>": owner while the config names none
--
-- reply is queued, sent or failed:<code>; notice is the identity of the record that carries it; meta is
-- opaque and has no line break. A request lives 60 minutes from its creation, whatever is written later.

local PAIR_MS = 3600000
local PAIR_MOST = 3
local PAIR_AGAIN_MS = 60000
local PAIRED_MOST = 10000
local PAIR_ENTRY = '^(%d+) (%d+) ([%u%d]+) (%S+) (%d+) (%S+)\n([^\n]*)$'

local function pair_sender(value)
  if value == '*' then B.refuse('a wildcard cannot be paired') end
  return B.name(value, 'sender')
end

-- The requests of an account: what still lives, and the senders whose request is over.
local function pair_load(account)
  local P = { key = B.key('pairing', B.name(account, 'account')), live = {}, over = {}, count = 0 }
  local raw = redis.call('HGETALL', B.need(P.key, 'hash'))
  for i = 1, #raw, 2 do
    local created, last, code, reply, at, notice, meta = string.match(raw[i + 1], PAIR_ENTRY)
    if created and B.now - tonumber(created) < PAIR_MS then
      P.live[raw[i]] = {
        created = created, last = tonumber(last), code = code, reply = reply, at = tonumber(at),
        notice = notice, meta = meta,
      }
      P.count = P.count + 1
    else
      P.over[#P.over + 1] = raw[i]
    end
  end
  return P
end

local function pair_forget(P)
  if #P.over > 0 then redis.call('HDEL', P.key, unpack(P.over)) end
end

local function pair_save(P, sender, entry)
  redis.call('HSET', P.key, sender, table.concat({
    entry.created, B.int(entry.last), entry.code, entry.reply, B.int(entry.at), entry.notice,
  }, ' ') .. '\n' .. entry.meta)
end

local function pair_meta(meta)
  if #meta > 2048 or string.find(meta, '\n', 1, true) then B.refuse('bad meta') end
  return meta
end

local function pair_code(code)
  if not string.find(code, '^[A-HJ-NP-Z2-9]+$') or #code ~= 8 then B.refuse('bad code') end
  return code
end

-- The first of the offered codes that no living request of the account has.
local function pair_free_code(P, codes)
  local taken = {}
  for _, entry in pairs(P.live) do taken[entry.code] = true end
  for _, code in ipairs(codes) do
    if not taken[code] then return code end
  end
  B.refuse('no free code')
end
