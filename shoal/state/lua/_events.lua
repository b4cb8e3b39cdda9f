-- _events: what a session is told at its next turn (system events). Needs _base.
--
-- Keys built here
--   evq:<session key>  list  "<id> <digest of the text> <digest of context and text>\n<body>"; 20 entries, 7 days
--
-- An event is refused silently if its id is queued, or if the newest event says the same words. One that
-- says the same about the same thing takes the place of the older one: it is told once, in its last position.

local EVENTS_MAX = 20
local EVENTS_WEEK = 604800000
local EVENT_BYTES = 4096

local function event_queue(session)
  return B.need(B.key('evq', B.name(session, 'session key')), 'list')
end

local function event_head(entry)
  return string.match(entry, '^(%S+) (%S+) (%S+)\n')
end

local function event_prepare(session, id, text, about, body)
  local key = event_queue(session)
  if #body > EVENT_BYTES then B.refuse('system event too large') end
  return {
    key = key, id = B.name(id, 'event id'), text = B.name(text, 'digest'), about = B.name(about, 'digest'),
    body = body,
  }
end

local function event_write(plan)
  local entries = redis.call('LRANGE', plan.key, 0, -1)
  local newest
  for _, entry in ipairs(entries) do
    local id, text = event_head(entry)
    if id == plan.id then return end
    newest = text
  end
  if newest == plan.text then return end
  for _, entry in ipairs(entries) do
    local _, _, about = event_head(entry)
    if about == plan.about then redis.call('LREM', plan.key, 1, entry) end
  end
  redis.call('RPUSH', plan.key, plan.id .. ' ' .. plan.text .. ' ' .. plan.about .. '\n' .. plan.body)
  redis.call('LTRIM', plan.key, -EVENTS_MAX, -1)
  redis.call('PEXPIRE', plan.key, EVENTS_WEEK)
end

-- Takes out the named events; without names all of them.
local function heard_write(key, ids, all)
  if all then
    redis.call('DEL', key)
    return
  end
  for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    if ids[event_head(entry)] then redis.call('LREM', key, 1, entry) end
  end
end
