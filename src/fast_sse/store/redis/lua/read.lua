-- One page after a cursor, judged in the same snapshot.
--
-- ARGV[3,4,5] the cursor: epoch, place, fingerprint    ARGV[6,7] records and bytes at most; 0 records: judge only
-- ARGV[8...]  the ranges: index keys without B; none for the whole log
--
-- Returns the epoch, the gap's reason or empty, the place from which the records follow and how far the scan got and the
-- trim mark, each with its fingerprint, and the entries.

local log = snapshot()
local epoch, place, fp = ARGV[3], ARGV[4], ARGV[5]
local gap, start, start_fp = '', place, fp

-- Whether the entry that the cursor names is the one that was there.
local function anchored()
  if place == log.trimmed then return fp == log.trimmed_fp end
  local entry = call('XRANGE', log.log, place, place)[1]
  if entry then return mark(entry[2]) == fp end
  local erased = '[' .. padded(place) .. '-' .. fp
  return #call('ZRANGEBYLEX', log.base .. 'erased', erased, erased) == 1
end

-- After which place the cursor's history and the log's are no longer the same.
local function lost_after()
  local lower, lower_fp, upper
  for _, loss in ipairs(call('LRANGE', log.base .. 'losses', 0, -1)) do
    lower, lower_fp, upper = string.match(loss, '^(%d+%-%d+)%-(%w+) (%S+)$')
    if before(lower, place) and not before(upper, place) then return 'lost_tail', lower, lower_fp end
  end
  local last, last_fp = newest(log)
  if before(last, place) then
    if lower then return 'lost_tail', lower, lower_fp end -- given by a node that recorded no loss: part of the latest one
    return 'ahead', last, last_fp
  end
  local entry = place ~= '0-0' and call('XREVRANGE', log.log, '(' .. place, '-', 'COUNT', 1)[1]
  if entry then return 'lost_tail', entry[1], mark(entry[2]) end
  local cut = call('XLEN', log.log) < log.count
  return cut and 'trimmed' or 'lost_tail', log.trimmed, log.trimmed_fp
end

if epoch ~= log.epoch then
  gap, start, start_fp = 'epoch', log.trimmed, log.trimmed_fp
elseif before(place, log.trimmed) then
  gap, start, start_fp = 'trimmed', log.trimmed, log.trimmed_fp
elseif not anchored() then
  gap, start, start_fp = lost_after()
end
local count = tonumber(ARGV[6])
if count == 0 then
  local last, last_fp = newest(log)
  return { log.epoch, gap, start, start_fp, last, last_fp, log.trimmed, log.trimmed_fp, {} }
end
return page(log, { unpack(ARGV, 8) }, start, start_fp, gap, count, tonumber(ARGV[7]))
