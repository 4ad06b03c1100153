-- Where a time begins: the page without entries that begins just before the first entry of that time or later.
--
-- ARGV[3] the time in ms; returns what read.lua returns
--
-- Times grow with places, so places are halved, first by their ms and then by their n: never counts, since there are
-- holes. An entry's ms is the server's clock, too, and no less than its time: halving begins at the time itself, and as a
-- rule ends there after two looks. Where the two differ (a clock that was set back) it only takes longer.

local log = snapshot()
local wanted = tonumber(ARGV[3])
local LOOKS = 128 -- more than halving takes where numbers are exact; beyond that it has to end, too

-- Of an entry that is none of ours we know when it was put there at best.
local function time_of(entry)
  return ours(entry[2]) and tonumber(entry[2][TIME]) or (halves(entry[1]))
end

local function first_from(place)
  return call('XRANGE', log.log, place, '+', 'COUNT', 1)[1]
end

local function at(ms, n)
  return string.format('%.0f-%.0f', ms, n)
end

-- Narrow two numbers to neighbours: at `low` lies an early entry, from `high` on is none. `early_from` names the number of
-- the first entry from a number on when it is early, nil when it is not. `guess` is tried first, then what is below.
local function narrow(low, high, early_from, guess)
  local step = 1
  for _ = 1, LOOKS do
    if high - low <= 1 then break end
    local middle = math.floor((low + high) / 2)
    if guess > low and guess < high then
      middle, guess, step = guess, guess - step, step * 2
    end
    local early = early_from(middle)
    if early then low = early else high = middle end
  end
  return low, high
end

-- The first entry that is not early, between two of which the first is early and the last is not.
local function find(first, last)
  local first_ms, last_ms = (halves(first[1])), (halves(last[1]))
  local ms, next_ms = narrow(first_ms, last_ms + 1, function(middle)
    local entry = first_from(at(middle, 0))
    return entry and time_of(entry) < wanted and (halves(entry[1])) or nil
  end, wanted)
  local top = call('XREVRANGE', log.log, string.format('%.0f', ms), at(ms, 0), 'COUNT', 1)[1]
  if time_of(top) < wanted then return first_from(at(next_ms, 0)) end
  local _, low = halves(first_from(at(ms, 0))[1])
  local _, high = halves(top[1])
  local _, n = narrow(low, high, function(middle)
    local entry = first_from(at(ms, middle))
    local _, entry_n = halves(entry[1])
    return time_of(entry) < wanted and entry_n or nil
  end, -1)
  return n == high and top or first_from(at(ms, n))
end

local first = call('XRANGE', log.log, '-', '+', 'COUNT', 1)[1]
local last = call('XREVRANGE', log.log, '+', '-', 'COUNT', 1)[1]
local foreign = call('XLEN', log.log) < log.count -- another program trimmed it, up to an unknown time
local taken = not foreign and log.trimmed_ms or (first and time_of(first) or math.huge)
local gap, start, start_fp = '', log.trimmed, log.trimmed_fp
if wanted <= taken and (foreign or log.trimmed ~= '0-0') then
  gap = 'trimmed'
elseif not last or time_of(last) < wanted then
  start, start_fp = newest(log)
elseif time_of(first) < wanted then
  local found = call('XREVRANGE', log.log, '(' .. find(first, last)[1], '-', 'COUNT', 1)[1]
  start, start_fp = found[1], mark(found[2])
end
return { log.epoch, gap, start, start_fp, start, start_fp, log.trimmed, log.trimmed_fp, {} }
