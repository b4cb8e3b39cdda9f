-- _controls: the buttons, selects and forms of one message. Needs _base.
--
-- Keys
--   ctl:<account>:<group>  hash, ends with its life
--       <control id>   '1' or '0' (answers more than once, or is used up), then the entry's body
--       !used          who used the message's controls up: an interaction id
--
-- A group is one message. The first that takes a control which is not reusable uses up every such control
-- of the message; whoever comes second is told so, unless it is the first come again.

local USED = '!used'

local function control_key(account, group)
  return B.need(B.key('ctl', B.name(account, 'account') .. ':' .. B.name(group, 'group')), 'hash')
end
