-- ledger_close: write the outcome of a message that is in no lane. The first one wins.
-- Arguments: account, message id, outcome, reason.  Answer: {'new'} | {'known'}
-- Keys: those of _ledger.
-- include: _base
-- include: _ledger
return B.run(function()
  local plan = ledger_prepare(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
  if plan.old then return { 'known' } end
  B.write()
  ledger_write(plan)
  return { 'new' }
end)
