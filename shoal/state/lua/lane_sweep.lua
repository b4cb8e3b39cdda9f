-- lane_sweep: look at lanes whose time has come: ended leases, delays, parks, holds, lost hints.
-- Hints sent are bounded: lanes ready on a route − messages in its queue (R23); one more per two seconds
-- and class goes to a lane that has waited long, so that stale messages in a queue starve nobody.
-- Arguments: class, most lanes.  Answer: {'ok', looked, hinted, expired, quarantined, dead}
-- Keys: those of _lanes, _ledger and _dead; forced hash class → ms
-- include: _base
-- include: _ledger
-- include: _lanes
-- include: _dead
-- When the clock has fallen back, lanes that wait for times of before are not due by the new one, and hints are
-- not sent since the last was in the future: then all of them are looked at once, most lanes with each sweep.
local counts = { expired = 0, quarantined = 0, dead = 0 }

local function hint_again(S)
  local sent = hint_send(S, S.rt)
  if not sent and hint_templates[S.rt] then
    local last = tonumber(redis.call('HGET', PREFIX .. 'forced', S.class) or '') or 0
    local since = tonumber(redis.call('ZSCORE', B.key('ready', S.rt), S.lane) or '') or B.now
    if math.abs(B.now - last) >= 2000 and math.abs(B.now - since) >= 2000 then
      redis.call('HSET', PREFIX .. 'forced', S.class, B.int(B.now))
      hint_room[S.rt] = 1
      hint_send(S, S.rt)
    end
  end
  S.n = math.min((S.n or 0) + 1, 5)
  redis.call('ZADD', S.due, B.int(B.now + math.min(LANE_NUDGE[S.class] * 2 ^ S.n, 2000)), S.lane)
end

local function look(S, plan)
  if S.tok and S['until'] > B.now then
    redis.call('ZADD', S.due, B.int(S['until']), S.lane)
  elseif S.tok and B.now < B.jump + LANE_GRACE then
    -- the clock jumped (or Redis was away): holders get time to renew before they are suspects
    redis.call('ZADD', S.due, B.int(B.jump + LANE_GRACE), S.lane)
  elseif S.tok then
    local what = lane_expire(S, plan)
    counts[what] = counts[what] + 1
    if what ~= 'expired' then counts.expired = counts.expired + 1 end
  elseif S.rt and S.depth > 0 and lane_wanted_at(S) <= B.now and S.rt == lane_route(S) then
    hint_again(S)
  else
    S.dirty = true -- also one whose agent has moved: it is handed out elsewhere now
  end
end

-- Lanes whose time was to come when the clock fell back, and what remembers how far we are.
local function fallen(class, most)
  local clock = PREFIX .. 'clock'
  local told = B.back > 0 and redis.call('HMGET', clock, 'back.' .. class, 'at.' .. class) or { B.back }
  if (tonumber(told[1] or '') or 0) >= B.back then return {} end
  local from = math.max(tonumber(told[2] or '') or 0, B.now)
  local found = redis.call('ZRANGEBYSCORE', B.key('due', class), '(' .. B.int(from), '+inf', 'WITHSCORES',
    'LIMIT', 0, most)
  local lanes, last = {}, from
  for i = 1, #found, 2 do
    lanes[#lanes + 1] = found[i]
    last = tonumber(found[i + 1])
  end
  return lanes, function()
    if #lanes == 0 then
      redis.call('HSET', clock, 'back.' .. class, B.int(B.back))
      redis.call('HDEL', clock, 'at.' .. class)
    else
      -- others may wait for the very time of the last one
      redis.call('HSET', clock, 'at.' .. class, B.int(last - 1 > from and last - 1 or last))
    end
  end
end

return B.run(function()
  local class, most = ARGV[2], B.count(ARGV[3], 'limit', 1000)
  if not LANE_NUDGE[class] then B.refuse('unknown lane class') end
  local names = redis.call('ZRANGEBYSCORE', B.key('due', class), '-inf', B.int(B.now), 'LIMIT', 0, most)
  B.need(PREFIX .. 'forced', 'hash')
  local more, remember = fallen(class, most)
  for _, lane in ipairs(more) do names[#names + 1] = lane end
  local plans = {}
  for i, lane in ipairs(names) do
    local S = lane_load(lane)
    plans[i] = S.tok and S['until'] <= B.now and expire_prepare(S) or nil
  end
  if #names == 0 and not B.tick and not remember then return { 'ok', 0, 0, 0, 0, 0 } end
  B.write()
  if remember then remember() end
  hint_room = {}
  for i = 1, #names do look(lanes_open[names[i]], plans[i]) end
  lanes_close()
  return { 'ok', #names, hints_sent, counts.expired, counts.quarantined, counts.dead }
end)
