-- One step of erasing: at most 100 entries of exactly one channel. Their places stay known, for cursors at them.
--
-- ARGV[3,4] id and type    ARGV[5] the place below which they go; returns how many went

local log = snapshot()
local index = log.base .. 'ch:' .. ARGV[3] .. '/' .. ARGV[4]
local others = { log.base .. 'id:' .. ARGV[3], log.base .. 'type:' .. ARGV[4] }
local found = call('XRANGE', index, '-', '(' .. ARGV[5], 'COUNT', 100)
for _, item in ipairs(found) do
  local id = item[1]
  local entry = call('XRANGE', log.log, id, id)[1]
  if entry then
    log.count, log.bytes = log.count - 1, log.bytes - weight(entry[2])
    call('ZADD', log.base .. 'erased', 0, padded(id) .. '-' .. mark(entry[2]))
    call('XDEL', log.log, id)
  end
  call('XDEL', index, id)
  for _, other in ipairs(others) do call('XDEL', other, id) end
end
for _, key in ipairs({ index, unpack(others) }) do
  if call('XLEN', key) == 0 then call('DEL', key) end
end
call('HSET', KEYS[1], 'count', log.count, 'bytes', log.bytes)
return #found
