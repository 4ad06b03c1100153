-- The last matching records, as the page that begins just before the first of them.
--
-- ARGV[3] how many    ARGV[4] bytes at most    ARGV[5...] the ranges, as in read.lua; returns what read.lua returns

local log = snapshot()
local count, ranges = tonumber(ARGV[3]), { unpack(ARGV, 5) }

local function first_of_whole_log()
  local first, place, seen = nil, '+', 0
  while seen < count do
    local chunk = call('XREVRANGE', log.log, place, '-', 'COUNT', math.min(64, count - seen))
    if #chunk == 0 then break end
    seen = seen + #chunk
    first = chunk[#chunk][1]
    place = '(' .. first
  end
  return first
end

local function first_of_ranges()
  local ids = merged(log, ranges, nil, count)
  return ids[#ids]
end

local first
if #ranges == 0 then first = first_of_whole_log() else first = first_of_ranges() end
local start, start_fp = newest(log)
if first then
  local entry = call('XREVRANGE', log.log, '(' .. first, '-', 'COUNT', 1)[1]
  start, start_fp = log.trimmed, log.trimmed_fp
  if entry then start, start_fp = entry[1], mark(entry[2]) end
end
return page(log, ranges, start, start_fp, '', count, tonumber(ARGV[4]))
