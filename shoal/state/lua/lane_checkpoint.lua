-- lane_checkpoint: a commit that pops nothing. Keyed by (token, step): the last step again does nothing.
-- Arguments: lane, token, head, step, journal 0|1, journal bytes, effects (see _effects)
-- Answer: {'ok'} | {'stale'}
-- Keys: those of _lanes, _ledger, _pairing, _events and _effects.
-- include: _base
-- include: _ledger
-- include: _pairing
-- include: _lanes
-- include: _events
-- include: _waiting
-- include: _controls
-- include: _effects
return B.run(function()
  local S, answer = lane_fence(ARGV[2], ARGV[3], ARGV[4])
  if not S then return answer end
  local step = B.count(ARGV[5], 'step', 1e9)
  local last = S.step or 0
  if step == last and step > 0 then return { 'ok' } end
  if step ~= last + 1 then B.refuse('step ' .. B.int(step) .. ' after ' .. B.int(last)) end
  local size = (S.jb or 0) + #ARGV[7] + 16
  if ARGV[6] == '1' and (size > 4194304 or #ARGV[7] > 262144) then B.refuse('journal full') end
  B.need(S.jrn, 'list')
  local apply = effects_prepare(8)
  B.write()
  if ARGV[6] == '1' then
    redis.call('RPUSH', S.jrn, B.int(step) .. '\n' .. ARGV[7])
    S.jb = size
  end
  S.step = step
  apply()
  lanes_close()
  return { 'ok' }
end)
