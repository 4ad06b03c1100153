-- Store drafts in order, each with its index entries and its idempotency keys, or not at all.
--
-- ARGV[3]   store time in ms, empty for the server's own
-- ARGV[4,5] epoch and place (`ms-n`) up to which the caller knows places to have been given: none of them is given again,
--           also when this server has lost them
-- ARGV[6]   milliseconds that a key is remembered when it brings no window of its own
-- ARGV[7]   number of drafts; of each then: id, type, event, headers, meta, data, ttl in ms (0: none), fingerprint,
--           sha256 of its body, number of keys, and of each key its digest and window in ms
--
-- Returns the epoch, then one text a draft: `+ms-n` stored, `=ms-n-fp` an earlier message, `!` a key conflict, `-...`
-- an error of the server: not stored.

local log = snapshot()
local now = now_ms(ARGV[3])
local keys, key_ends = log.base .. 'keys', log.base .. 'key_ends'
-- Below no entry's time, whatever a clock does that was set back, or that of a replica which took over. What counts from
-- now on (lives, windows of keys) goes by the clock.
local function time_of_entries()
  local last = log.last_ms
  if not last then
    local entry = call('XREVRANGE', log.log, '+', '-', 'COUNT', 1)[1]
    last = entry and ours(entry[2]) and tonumber(entry[2][TIME]) or log.trimmed_ms or 0
  end
  return string.format('%.0f', math.max(now, last))
end

local time = time_of_entries()
local known = ARGV[4] == log.epoch and ARGV[5] or '0-0'
local at = 8

local function next_arg()
  at = at + 1
  return ARGV[at - 1]
end

local function next_draft()
  local one = { keys = {} }
  for _, name in ipairs({ 'id', 'type', 'event', 'headers', 'meta', 'data', 'ttl', 'fp', 'sha' }) do
    one[name] = next_arg()
  end
  for number = 1, tonumber(next_arg()) do
    one.keys[number] = { digest = next_arg(), window = tonumber(next_arg()) }
  end
  return one
end

-- The earliest message that a key of the draft stands for, whether one contradicts, and the keys that are new.
local function resolve(one)
  local earliest
  local fresh = {}
  for _, key in ipairs(one.keys) do
    local value = call('HGET', keys, key.digest)
    local place, ends, sha
    if value then place, ends, sha = string.match(value, '^(%S+) (%d+) (.*)$') end
    if place and tonumber(ends) > now then
      if sha ~= one.sha then return nil, true, {} end
      if not earliest or before(place, earliest) then earliest = place end
    else
      fresh[#fresh + 1] = key
    end
  end
  return earliest, false, fresh
end

local function remember(fresh, place, sha)
  for _, key in ipairs(fresh) do
    local ends = string.format('%.0f', now + (key.window > 0 and key.window or tonumber(ARGV[6])))
    call('ZADD', key_ends, ends, key.digest) -- first: `keys` was read already, so only this one may be of another type
    call('HSET', keys, key.digest, place .. ' ' .. ends .. ' ' .. sha)
  end
end

-- An id above every id that was ever given, as far as this server and the calling node know.
local function enter(one)
  local ttl = tonumber(one.ttl)
  local fields = { 'fp', one.fp, 'prev', log.last_fp, 'time', time,
    'expires', ttl > 0 and string.format('%.0f', now + ttl) or '0', 'id', one.id, 'type', one.type,
    'event', one.event, 'headers', one.headers, 'meta', one.meta, 'data', one.data }
  local id = call('XADD', log.log, '*', unpack(fields))
  if not before(known, id) then
    call('XDEL', log.log, id)
    redis.pcall('XADD', log.log, known, '', '')
    call('XDEL', log.log, known)
    id = call('XADD', log.log, '*', unpack(fields))
  end
  known = '0-0'
  return id, fields
end

local function put(one, done)
  local earliest, conflict, fresh = resolve(one)
  if conflict then return '!' end
  if earliest then
    remember(fresh, earliest, one.sha)
    return '=' .. earliest
  end
  local id, fields = enter(one)
  done.id = id
  for _, index in ipairs(indexes(log, fields)) do
    call('RPUSH', index, id)
    done[#done + 1] = index
  end
  remember(fresh, id .. '-' .. one.fp, one.sha)
  log.last_fp = one.fp
  log.count, log.bytes = log.count + 1, log.bytes + weight(fields)
  return '+' .. id
end

local answers = { log.epoch }
for number = 1, tonumber(ARGV[7]) do
  local one, done = next_draft(), {}
  local stored, answer = pcall(put, one, done)
  if not stored then
    if done.id then call('XDEL', log.log, done.id) end
    for _, index in ipairs(done) do call('RPOP', index) end
    answer = '-' .. (type(answer) == 'table' and answer.err or tostring(answer))
  end
  answers[number + 1] = answer
end
call('HSET', KEYS[1], 'last_fp', log.last_fp, 'count', log.count, 'bytes', log.bytes,
  'last_time', time .. ' ' .. log.last_fp)
return answers
