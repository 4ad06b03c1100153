-- One small step of retention: at most 100 oldest entries with their index entries, and 250 keys of each kind.
--
-- ARGV[3] store time in ms, empty for the server's own    ARGV[4,5,6] age in ms, bytes, messages at most; empty: no bound
-- ARGV[7] keys at most    ARGV[8] the place after which nothing goes, empty for none
--
-- Returns records and keys that went, and how many of the keys were still in their window.

local STEP, KEY_STEP, STEP_BYTES = 100, 250, 4194304
local log = snapshot()
local now = now_ms(ARGV[3])
local oldest = ARGV[4] ~= '' and now - tonumber(ARGV[4]) or nil
local bytes_max, count_max, keep_after = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[8]

-- Another program trimmed the log: what is left weighs its share, and the trim mark moves up to it.
local function adopt_foreign_trim()
  local length = call('XLEN', log.log)
  if length >= log.count then return end
  log.bytes = math.floor(log.bytes * length / log.count)
  log.count, log.trimmed_ms = length, nil
  local first = call('XRANGE', log.log, '-', '+', 'COUNT', 1)[1]
  if first then
    local ms, n = halves(first[1])
    log.trimmed = n > 0 and string.format('%.0f-%.0f', ms, n - 1) or string.format('%.0f-18446744073709551615', ms - 1)
    log.trimmed_fp = BLANK
  elseif call('EXISTS', log.log) == 1 then
    log.trimmed, log.trimmed_fp = call('XINFO', 'STREAM', log.log)[8], log.last_fp
  end
end

local function too_much(fields)
  local age = oldest and (not ours(fields) or tonumber(fields[TIME]) < oldest)
  return age or (bytes_max and log.bytes > bytes_max) or (count_max and log.count > count_max)
end

local function trim_records()
  local gone, seen, touched, place = 0, 0, {}, '-'
  while gone < STEP and seen < STEP_BYTES do
    local chunk = call('XRANGE', log.log, place, '+', 'COUNT', 10)
    for _, entry in ipairs(chunk) do
      local kept = keep_after ~= '' and before(keep_after, entry[1])
      if gone == STEP or kept or not too_much(entry[2]) then return gone, touched end
      gone, seen = gone + 1, seen + weight(entry[2])
      if ours(entry[2]) then log.count = log.count - 1 end
      log.bytes = log.bytes - weight(entry[2])
      log.trimmed, log.trimmed_fp = entry[1], mark(entry[2])
      if ours(entry[2]) then
        log.trimmed_ms = math.max(log.trimmed_ms or 0, tonumber(entry[2][TIME]))
      end
      for _, index in ipairs(indexes(log, entry[2])) do touched[index] = true end
    end
    if #chunk == 0 then break end
    place = '(' .. chunk[#chunk][1]
  end
  return gone, touched
end

local function cut_log()
  local ms, n = halves(log.trimmed)
  local least = n < 2^53 and string.format('%.0f-%.0f', ms, n + 1) or string.format('%.0f-0', ms + 1)
  call('XTRIM', log.log, 'MINID', least)
end

local function cut_index(index)
  repeat
    local gone = 0
    for _, id in ipairs(call('LRANGE', index, 0, STEP - 1)) do
      if before(log.trimmed, id) then break end
      gone = gone + 1
    end
    if gone > 0 then call('LPOP', index, gone) end
  until gone < STEP
end

local function forget_losses()
  for _, loss in ipairs(call('LRANGE', log.base .. 'losses', 0, -1)) do
    if before(string.match(loss, ' (%S+)$'), log.trimmed) then call('LREM', log.base .. 'losses', 0, loss) end
  end
end

local function forget_keys(digests)
  if #digests > 0 then
    call('HDEL', log.base .. 'keys', unpack(digests))
    call('ZREM', log.base .. 'key_ends', unpack(digests))
  end
  return #digests
end

local before_it = log.trimmed
if log.count > 0 then adopt_foreign_trim() end
local gone, touched = trim_records()
if log.trimmed ~= before_it then
  call('HSET', KEYS[1], 'trimmed', log.trimmed, 'trimmed_fp', log.trimmed_fp, 'count', log.count, 'bytes', log.bytes,
    'trimmed_time', log.trimmed_ms and string.format('%.0f %s', log.trimmed_ms, log.trimmed) or '')
  cut_log()
  for index in pairs(touched) do cut_index(index) end
  call('ZREMRANGEBYLEX', log.base .. 'erased', '-', '[' .. padded(log.trimmed) .. '-~')
  forget_losses()
end
local ends = log.base .. 'key_ends'
local expired = forget_keys(call('ZRANGEBYSCORE', ends, '-inf', string.format('%.0f', now), 'LIMIT', 0, KEY_STEP))
local excess = math.min(KEY_STEP, call('ZCARD', ends) - tonumber(ARGV[7]))
local cut_keys = excess > 0 and forget_keys(call('ZRANGE', ends, 0, excess - 1)) or 0
return { gone, expired + cut_keys, cut_keys }
