-- A process of a node begins: it is on the list of turners from now on, and earlier processes of its name are closed at
-- the newest place, which is as far as they can have handed anything over.
--
-- ARGV[3] store time in ms, empty for the server's own    ARGV[4,5] node and start of the process
-- ARGV[6] epoch that this process knew before, empty for none
--
-- Returns the epoch, the decided and the newest place, the last receipt, and the letters in numbers. Done again for the same
-- process it changes nothing.

local log, desk = snapshot(), open_desk()
local now = now_ms(ARGV[3])
local me, head = ARGV[4] .. '/' .. ARGV[5], ARGV[4] .. '/'
local others = {}
local place, decided = newest(log), decided_of(log, ARGV[6])
local receipt = call('XREVRANGE', log.base .. 'turns', '+', '-', 'COUNT', 1)[1]
local known

call('HSET', KEYS[1], 'decided', decided)
for _, one in ipairs(turners_of(log)) do
  if one.name == me then known = true else others[#others + 1] = one end
  local same_node = string.sub(one.name, 1, #head) == head and not string.find(one.name, '/', #head + 1, true)
  if same_node and one.name ~= me and one.upto == '-' then
    one.upto = place
    note(log, one)
  end
end
notice_silence(log, others, place, now)
if not known then note(log, new_turner(me, now)) end
return { log.epoch, decided, place, receipt and receipt[1] or '0-0', tally_of(desk) }
