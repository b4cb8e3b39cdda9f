-- control_take: use a control, once (spec/outbound.md 5.5).
-- Arguments: account, group, control id, interaction id
-- Answer: {'taken', body} | {'used'} | {'gone'}
-- Keys: those of _controls.
-- include: _base
-- include: _controls

return B.run(function()
  local key = control_key(ARGV[2], ARGV[3])
  local control, taker = B.name(ARGV[4], 'control'), B.name(ARGV[5], 'interaction id')
  local found = redis.call('HGET', key, control)
  if not found then return { 'gone' } end
  local body = string.sub(found, 2)
  if string.sub(found, 1, 1) == '1' then return { 'taken', body } end
  local used = redis.call('HGET', key, USED)
  if used and used ~= taker then return { 'used' } end
  if not used then
    B.write()
    redis.call('HSET', key, USED, taker)
  end
  return { 'taken', body }
end)
