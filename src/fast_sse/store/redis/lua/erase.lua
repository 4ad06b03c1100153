-- One step of erasing: at most 100 entries of exactly one channel. Their places stay known, for cursors at them.
--
-- ARGV[3,4] id and type    ARGV[5] the place below which they go; returns how many went

local log = snapshot()
local index = log.base .. 'ch:' .. ARGV[3] .. '/' .. ARGV[4]
local others = { log.base .. 'id:' .. ARGV[3], log.base .. 'type:' .. ARGV[4] }
local gone = 0

local function strip(key)
  for at, pop in pairs({ [0] = 'LPOP', [-1] = 'RPOP' }) do
    local id = call('LINDEX', key, at)
    while id and string.sub(id, -1) == '!' do
      call(pop, key)
      id = call('LINDEX', key, at)
    end
  end
end

for _, id in ipairs(call('LRANGE', index, 0, 99)) do
  if not before(id, ARGV[5]) then break end
  gone = gone + 1
  local entry = call('XRANGE', log.log, id, id)[1]
  if entry then
    log.count, log.bytes = log.count - 1, log.bytes - weight(entry[2])
    call('ZADD', log.base .. 'erased', 0, padded(id) .. '-' .. mark(entry[2]))
    call('XDEL', log.log, id)
  end
  for _, other in ipairs(others) do -- taking one out of the middle of a list would cost its whole length
    local at = after(other, id) - 1
    if at >= 0 and call('LINDEX', other, at) == id then call('LSET', other, at, id .. '!') end
  end
end
if gone > 0 then call('LPOP', index, gone) end
for _, other in ipairs(others) do strip(other) end
call('HSET', KEYS[1], 'count', log.count, 'bytes', log.bytes)
return gone
