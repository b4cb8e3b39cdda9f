-- lane_fail: end a grant over a failure (R13).
-- Arguments: lane, token, head, infrastructure | handled, code, reason, delay ms | -1
-- Answer: {'ok', 'retried' | 'dead'} | {'stale'}
-- Keys: those of _lanes, _ledger and _dead.
-- include: _base
-- include: _ledger
-- include: _lanes
-- include: _dead
local MAX_TRIES = 3
local HANDLED_BACKOFF = { 1000, 5000 }
local F = {}

function F.infrastructure(S)
  S.inf = math.min((S.inf or 0) + 1, 30)
  return 'retried', math.min(250 * 2 ^ S.inf, 30000)
end

function F.handled(S)
  S.tries = (S.tries or 0) + 1
  if S.tries >= MAX_TRIES then return 'dead' end
  return 'retried', HANDLED_BACKOFF[S.tries]
end

return B.run(function()
  local S, answer = lane_fence(ARGV[2], ARGV[3], ARGV[4], 'fail')
  if not S then return answer end
  local count = F[ARGV[5]]
  if not count then B.refuse('unknown failure') end
  local code, reason, wish = B.name(ARGV[6], 'code'), ARGV[7], tonumber(ARGV[8])
  if #reason > 8000 or not wish or wish > 2592000000 then B.refuse('bad reason or delay') end
  hint_prepare(S.class .. '.chores')
  done_prepare()
  local _, frame = lane_header(S)
  local last = ARGV[5] == 'handled' and (S.tries or 0) + 1 >= MAX_TRIES
  local plan = last and dead_prepare(S.lane, S.head, frame, code)
  B.write()
  local what, delay = count(S)
  lane_finish(S, 'fail:' .. S.head .. ':' .. what)
  if what == 'dead' then
    lane_bury(S, plan, reason)
  else
    if wish >= 0 then delay = wish end
    S.nb = delay > 0 and B.now + delay or nil
  end
  lanes_close()
  return { 'ok', what }
end)
