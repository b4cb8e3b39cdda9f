-- _waiting: messages that give way because too many wait in a conversation. Needs _ledger and _lanes.
--
-- Keys built here
--   over:<lane>|<place>  list  one line for each message that gave way and is to be told of; 200 lines, 1 day
--
-- A record gives way only while it waits: never the head, never what a turn has absorbed. So a record that was
-- taken between the caller's look and this call stays, keeps its own outcome, and leaves no line.

local OVER_MAX = 200
local OVER_DAY = 86400000

local function over_key(lane, place)
  lane_class(lane)
  return B.need(B.key('over', lane .. '|' .. B.name(place, 'place')), 'list')
end

local function waiting_prepare(lane, identity, account, reason, ids, place, line)
  if #line > 1000 then B.refuse('line too long') end
  local S = lane_load(lane)
  done_prepare()
  local plan = {
    S = S, identity = B.name(identity, 'identity'), key = over_key(lane, place), line = line, outcomes = {},
  }
  local taken = string.find(' ' .. (S.abs or '') .. ' ', ' ' .. identity .. ' ', 1, true)
  plan.there = S.head ~= identity and not taken and redis.call('HEXISTS', S.rec, identity) == 1
  if plan.there then
    for i, id in ipairs(ids) do plan.outcomes[i] = ledger_prepare(account, id, 'dropped', reason) end
  end
  return plan
end

local function waiting_write(plan)
  if not plan.there or redis.call('HEXISTS', plan.S.rec, plan.identity) == 0 then return end
  lane_drop(plan.S, plan.identity)
  for _, outcome in ipairs(plan.outcomes) do ledger_write(outcome) end
  if plan.line ~= '' and redis.call('LLEN', plan.key) < OVER_MAX then
    redis.call('RPUSH', plan.key, plan.line)
    redis.call('PEXPIRE', plan.key, OVER_DAY)
  end
end
