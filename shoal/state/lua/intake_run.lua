-- intake_run: a run of plain events (at most one push, nothing decided) in one go. All of them or none: at the
-- first thing out of the ordinary nothing is written, and the caller sends them one by one through intake.
-- Arguments: token, account, shard, session, follows, number of events (1-200), then for each:
--            seq, dedup | '', lane | '', identity, frame, channel | '', newest message | ''
-- Answer: {'ok', number of known ones} | {'no'}
-- Keys: those of intake.
-- include: _base
-- include: _ledger
-- include: _lanes
-- include: _intake

local WIDTH = 7

-- Lane → whether it keeps its place: records go behind others, or it is loaded and given a new place.
local lanes_keep = {}

local function push_plan(lane, identity, frame)
  if lanes_keep[lane] == nil then lanes_keep[lane] = lane_keeps_place(lane) end
  if lanes_keep[lane] then return push_behind(lane, identity, frame) end
  local plan = push_prepare(lane, identity, frame, 0, false)
  return function() push_write(plan) end
end

return B.run(function()
  local account, session = ARGV[3], ARGV[5]
  local cursor = intake_fence(ARGV[2], account, ARGV[4])
  local before, count = B.count(ARGV[6], 'sequence', 9e15), B.count(ARGV[7], 'number of events', 200)
  if not cursor or count < 1 or intake_chain(cursor, session, before, before + 1) then return { 'no' } end
  local pushes, pages, met, last, repeats = {}, {}, {}, {}, 0
  for i = 0, count - 1 do
    local at = 8 + i * WIDTH
    local seq, identity = B.count(ARGV[at], 'sequence', 9e15), ARGV[at + 1]
    if seq <= before or met[identity] then return { 'no' } end
    before = seq
    local dedup = identity ~= '' and dedup_prepare(account, identity)
    if dedup then
      met[identity] = true
      if dedup.known then
        repeats = repeats + 1
      else
        local page = pages[dedup.key] or { ttl = dedup.ttl }
        page[#page + 1] = dedup.member
        pages[dedup.key] = page
      end
    end
    local lane, name = ARGV[at + 2], ARGV[at + 3]
    if lane ~= '' and not (dedup and dedup.known) then
      local mark = lane .. '|' .. name
      if met[mark] then return { 'no' } end
      met[mark] = true
      pushes[#pushes + 1] = push_plan(lane, name, ARGV[at + 4])
    end
    local channel, message = ARGV[at + 5], ARGV[at + 6]
    if channel ~= '' and not (last[channel] and B.less(message, last[channel])) then last[channel] = message end
  end
  local newest = {}
  for channel, message in pairs(last) do newest[#newest + 1] = newest_prepare(account, channel, message) end
  B.write()
  for _, push in ipairs(pushes) do push() end
  for _, write in ipairs(newest) do write() end
  for key, page in pairs(pages) do
    local size = redis.call('SCARD', key)
    redis.call('SADD', key, unpack(page))
    if size == 0 then redis.call('PEXPIRE', key, page.ttl) end
  end
  redis.call('HSET', cursor, 'seq', B.int(before), 'at', B.int(B.now))
  lanes_close()
  return { 'ok', repeats }
end)
