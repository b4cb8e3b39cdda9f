-- _pairing_answer: a call by hand may arrive twice and must answer the same (R4). Needs _base and _pairing.
--
-- Keys built here
--   pairdone:<request>  string  what a call answered, one part per line; 60 s
--   paired:<account>    hash    see _pairing

local ANSWER_MS = 60000

-- The answer this request got already, or nil; and the key under which to keep it.
local function pair_answered(request)
  local key = B.key('pairdone', B.name(request, 'request'))
  local known = redis.call('GET', key)
  if not known then return nil, key end
  local parts = {}
  for part in string.gmatch(known .. '\n', '(.-)\n') do parts[#parts + 1] = part end
  return parts, key
end

local function pair_answer(key, parts)
  redis.call('SET', key, table.concat(parts, '\n'), 'PX', ANSWER_MS)
  return parts
end
