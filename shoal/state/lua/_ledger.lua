-- _ledger: outcomes and notes of messages (promise 1). The first outcome wins.
--
-- Keys built here
--   out:<account>:<page>    hash  message id → "<outcome> <ms> <reason>"; page = 10 s of snowflake time; 7 days
--   trail:<account>:<page>  hash  message id → lines "name=value", at most 4 kB; 7 days
--   count:<account>:<day>   hash  outcome → number, "<outcome>.<reason>" → number for reasons that are one plain
--                                 word, and what the effect "count" names; at most 400 fields, 90 days
--   chat:<account>          hash  sec, n: chatter stored in this second; above 50 it is counted only; 2 s

local LEDGER_OUTCOMES = {
  answered = true, merged = true, steered = true, command = true, control = true, event = true,
  pairing = true, history = true, dropped = true, stopped = true, expired = true, dead = true,
}
-- drops of what was not said to the bot; every other drop is stored, however many there are (R27)
local LEDGER_CHATTER = {
  ['own-message'] = true, ['bot-author'] = true, ['webhook-author'] = true, ['bot-loop'] = true,
  ['guild-policy'] = true, ['guild-not-listed'] = true, ['guild-unknown'] = true,
  ['channel-not-listed'] = true, ['channel-disabled'] = true, ['channel-unknown'] = true,
  ['sender-not-listed'] = true, ['sender-unknown'] = true, ['member-unknown'] = true,
  ['mention-required'] = true, ['other-mentioned'] = true, ['empty-message'] = true,
  ['command-echo'] = true, ['service-message'] = true, ['missed-too-long-ago'] = true,
}
local LEDGER_WEEK = 604800000
local LEDGER_FIELDS = 400
local ledger_open = {}
local ledger_counts = {}

-- Checks and returns what ledger_write wants; 'old' if there is an outcome already.
local function ledger_prepare(account, message, outcome, reason)
  B.name(account, 'account')
  if not LEDGER_OUTCOMES[outcome] then B.refuse('unknown outcome') end
  if #reason > 500 or string.find(reason, '\n', 1, true) then B.refuse('bad reason') end
  local plan = {
    page = B.key('out', account .. ':' .. B.page(message, 10000)),
    day = B.key('count', account .. ':' .. B.int(math.floor(B.now / 86400000))),
    chat = B.key('chat', account),
    message = message, outcome = outcome, reason = reason,
  }
  local mark = plan.page .. '|' .. message
  plan.old = ledger_open[mark] or redis.call('HEXISTS', plan.page, message) == 1
  ledger_open[mark] = true
  -- a reason with an id or a number in it would be a counter of its own each time
  if #reason <= 40 and string.find(reason, '^[a-z][a-z-]*$') then plan.why = outcome .. '.' .. reason end
  B.need(plan.day, 'hash')
  B.need(plan.chat, 'hash')
  return plan
end

local function ledger_bump(plan, field)
  local known = ledger_counts[plan.day .. field] or tonumber(redis.call('HGET', plan.day, field) or '') or 0
  ledger_counts[plan.day .. field] = known + 1
  redis.call('HSET', plan.day, field, B.int(known + 1))
  if known == 0 then redis.call('PEXPIRE', plan.day, 7776000000) end
end

local function count_prepare(account, name)
  B.name(account, 'account')
  if #name > 60 or not string.find(name, '^[a-z][a-z.-]*$') then B.refuse('bad counter') end
  return { day = B.need(B.key('count', account .. ':' .. B.int(math.floor(B.now / 86400000))), 'hash'), name = name }
end

local function count_write(plan)
  local known = ledger_counts[plan.day .. plan.name] or redis.call('HEXISTS', plan.day, plan.name) == 1
  if known or redis.call('HLEN', plan.day) < LEDGER_FIELDS then ledger_bump(plan, plan.name) end
end

-- True if this was the first outcome.
local function ledger_write(plan)
  if plan.old then return false end
  if plan.why then count_write({ day = plan.day, name = plan.why }) end
  if plan.outcome == 'dropped' and LEDGER_CHATTER[plan.reason] then
    local second = B.int(math.floor(B.now / 1000))
    local chat = redis.call('HMGET', plan.chat, 'sec', 'n')
    local n = chat[1] == second and (tonumber(chat[2] or '') or 0) or 0
    if n >= 50 then
      ledger_bump(plan, 'chatter')
      return true
    end
    redis.call('HSET', plan.chat, 'sec', second, 'n', B.int(n + 1))
    redis.call('PEXPIRE', plan.chat, 2000)
  end
  local fresh = redis.call('HLEN', plan.page) == 0
  redis.call('HSET', plan.page, plan.message, plan.outcome .. ' ' .. B.int(B.now) .. ' ' .. plan.reason)
  if fresh then redis.call('PEXPIRE', plan.page, LEDGER_WEEK) end
  ledger_bump(plan, plan.outcome)
  return true
end

local function note_prepare(account, message, line)
  B.name(account, 'account')
  if #line > 700 or string.find(line, '\n', 1, true) then B.refuse('bad note') end
  local key = B.key('trail', account .. ':' .. B.page(message, 10000))
  B.need(key, 'hash')
  return { key = key, message = message, line = line }
end

local function note_write(plan)
  local old = redis.call('HGET', plan.key, plan.message) or ''
  if string.find('\n' .. old .. '\n', '\n' .. plan.line .. '\n', 1, true) then return end
  if #old + #plan.line > 4096 then return end
  local fresh = redis.call('HLEN', plan.key) == 0
  redis.call('HSET', plan.key, plan.message, old == '' and plan.line or (old .. '\n' .. plan.line))
  if fresh then redis.call('PEXPIRE', plan.key, LEDGER_WEEK) end
end
