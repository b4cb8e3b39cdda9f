-- pairing_import: takes over the contents of one file of OpenClaw, once.
-- Arguments: mark of the file, account, n, n × (sender, meta) approved, m, m × (sender, age ms, seen ms ago, code, meta)
-- Answer: {'ok', approved taken, requests taken} | {'known'}
-- Keys: those of _pairing · pairimport hash mark → when
-- include: _base
-- include: _pairing
local cursor = 4

local function take()
  cursor = cursor + 1
  return ARGV[cursor - 1] or B.refuse('arguments end too early')
end

-- Requests as the file has them, those seen last first; what is over, known or beyond the cap stays out.
local function requests(P, paired, approved)
  local offered, taken = {}, {}
  for i = 1, B.count(take(), 'number of requests', 1000) do
    local sender, age, seen = pair_sender(take()), B.count(take(), 'age', 9e15), B.count(take(), 'age', 9e15)
    local code, meta = pair_code(take()), pair_meta(take())
    offered[i] = { sender = sender, age = age, seen = seen, code = code, meta = meta }
  end
  table.sort(offered, function(a, b)
    if a.seen ~= b.seen then return a.seen < b.seen end
    return a.sender < b.sender
  end)
  local codes = {}
  for _, entry in pairs(P.live) do codes[entry.code] = true end
  for _, request in ipairs(offered) do
    local known = P.live[request.sender] or approved[request.sender] or codes[request.code]
      or redis.call('HEXISTS', paired, request.sender) == 1
    if not known and request.age < PAIR_MS and P.count + #taken < PAIR_MOST then
      taken[#taken + 1] = request
      codes[request.code], approved[request.sender] = true, true
    end
  end
  return taken
end

return B.run(function()
  local marks, mark = B.need(PREFIX .. 'pairimport', 'hash'), B.name(ARGV[2], 'mark')
  local account = B.name(ARGV[3], 'account')
  local P, paired = pair_load(account), B.need(B.key('paired', account), 'hash')
  if redis.call('HEXISTS', marks, mark) == 1 then return { 'known' } end
  local approved, fresh = {}, {}
  for _ = 1, B.count(take(), 'number of senders', 20000) do
    local sender, meta = pair_sender(take()), pair_meta(take())
    if not approved[sender] and redis.call('HEXISTS', paired, sender) == 0 then
      fresh[#fresh + 1] = { sender, meta }
    end
    approved[sender] = true
  end
  local taken = requests(P, paired, approved)
  if redis.call('HLEN', paired) + #fresh > PAIRED_MOST then B.refuse('too many approved senders') end
  B.write()
  for _, each in ipairs(fresh) do
    redis.call('HSET', paired, each[1], B.int(B.now) .. ' import\n' .. each[2])
  end
  pair_forget(P)
  for _, request in ipairs(taken) do
    pair_save(P, request.sender, {
      created = B.int(B.now - request.age), last = B.now - request.seen, code = request.code, reply = 'sent',
      at = B.now - request.age, notice = 'import', meta = request.meta,
    })
  end
  redis.call('HSET', marks, mark, B.int(B.now))
  return { 'ok', B.int(#fresh), B.int(#taken) }
end)
