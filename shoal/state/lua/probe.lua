-- probe: do scripts work here, and does the clock run? Writes nothing but the clock.
-- Arguments: none. Keys: those of _base.
-- include: _base
return B.run(function()
  B.write()
  return { 'ok', B.int(B.now) }
end)
