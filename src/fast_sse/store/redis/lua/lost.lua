-- A node found that entries it had read are not in the log any more (failover to a lagging replica, a restart without
-- its last writes): say where the common history ends, or write the loss down.
--
-- ARGV[3] epoch    ARGV[4...] places with fingerprints, ascending, as the node read them
-- Returns how many of them are in the log: the first so many, since what is lost is a tail. -1: another epoch.
--
-- ARGV[4] `record`, ARGV[5] the last common place with its fingerprint, ARGV[6] the last place that was read: from now on
-- cursors between are judged by it, and no place up to it is given again.

local log = snapshot()
if ARGV[3] ~= log.epoch then return -1 end

local function stands(place)
  local id, fp = string.match(place, '^(%d+%-%d+)%-(%w+)$')
  if id == log.trimmed then return fp == log.trimmed_fp end
  if before(id, log.trimmed) then return true end
  local entry = call('XRANGE', log.log, id, id)[1]
  if entry then return mark(entry[2]) == fp end
  local erased = '[' .. padded(id) .. '-' .. fp
  return #call('ZRANGEBYLEX', log.base .. 'erased', erased, erased) == 1
end

if ARGV[4] == 'record' then
  local loss, upper = ARGV[5] .. ' ' .. ARGV[6], ARGV[6]
  call('LREM', log.base .. 'losses', 0, loss)
  call('RPUSH', log.base .. 'losses', loss)
  if redis.pcall('XADD', log.log, upper, '', '').err == nil then call('XDEL', log.log, upper) end
  return 0
end
local low, high = 0, #ARGV - 3
while low < high do
  local middle = math.floor((low + high + 1) / 2)
  if stands(ARGV[3 + middle]) then low = middle else high = middle - 1 end
end
return low
