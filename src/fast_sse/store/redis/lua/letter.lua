-- Dead letters, for the scripts that touch them: the keys as they are now, how a letter is written and removed, and the
-- bounds. Counts are gathered in `desk` and written once, by `close_desk`.

local REASONS = { no_subscriber = 1, expired = 2, poison = 3 }
local HEAD = { place = 1, event_id = 2, event_type = 3, reason = 4, dead = 7, weight = 13 }
local MORE_A_STEP = 1000

local function whole(number)
  return string.format('%.0f', number)
end

-- Every key of the letters is looked at here, so that one of another type is found before anything is written.
local function open_desk()
  local desk = {
    heads = ARGV[1] .. 'letters', bodies = ARGV[1] .. 'letter_bodies', messages = ARGV[1] .. 'letter_order',
    poison = ARGV[1] .. 'poison_order', deaths = ARGV[1] .. 'letter_deaths', tally = ARGV[1] .. 'letter_tally',
    dropped = { count = 0, bytes = 0, age = 0 }, touched = false,
  }
  local found = call('HMGET', desk.tally, 'no_subscriber', 'expired', 'poison', 'bytes', 'poison_bytes')
  desk.count = {}
  for reason, number in pairs(REASONS) do desk.count[reason] = tonumber(found[number] or 0) end
  desk.bytes, desk.poison_bytes = tonumber(found[4] or 0), tonumber(found[5] or 0)
  call('HEXISTS', desk.heads, '')
  call('HEXISTS', desk.bodies, '')
  for _, key in ipairs({ desk.messages, desk.poison, desk.deaths }) do call('ZCARD', key) end
  return desk
end

local function close_desk(desk)
  if not desk.touched then return end
  call('HSET', desk.tally, 'no_subscriber', desk.count.no_subscriber, 'expired', desk.count.expired,
    'poison', desk.count.poison, 'bytes', whole(desk.bytes), 'poison_bytes', whole(desk.poison_bytes))
end

local function id_of(log, place, fp)
  return 'r1.' .. log.epoch .. '.' .. place .. '-' .. fp
end

local function order_of(desk, reason)
  return reason == 'poison' and desk.poison or desk.messages
end

local function count_in(desk, head, step)
  local reason = head[HEAD.reason]
  desk.count[reason] = desk.count[reason] + step
  local bytes = reason == 'poison' and 'poison_bytes' or 'bytes'
  desk[bytes] = desk[bytes] + step * head[HEAD.weight]
  desk.touched = true
end

-- An array that we packed; nothing where another program wrote.
local function unpacked(packed)
  if not packed then return nil end
  local read, array = pcall(cmsgpack.unpack, packed)
  return read and type(array) == 'table' and array or nil
end

local function head_in(packed)
  local head = unpacked(packed)
  local place = head and tostring(head[HEAD.place])
  local sound = head and REASONS[head[HEAD.reason]] and tonumber(head[HEAD.weight]) and string.match(place, '^%d+%-%d+$')
  return sound and head or nil
end

-- The first write is one that a full memory refuses.
local function put_letter(desk, id, head, body)
  call('HSET', desk.heads, id, cmsgpack.pack(head))
  call('HSET', desk.bodies, id, body)
  call('ZADD', order_of(desk, head[HEAD.reason]), 0, padded(head[HEAD.place]) .. '/' .. id)
  call('ZADD', desk.deaths, whole(head[HEAD.dead]), id)
  count_in(desk, head, 1)
end

-- Whether it was there.
local function take_letter(desk, id)
  local head = head_in(call('HGET', desk.heads, id))
  call('HDEL', desk.heads, id)
  call('HDEL', desk.bodies, id)
  call('ZREM', desk.deaths, id)
  if not head then return false end
  call('ZREM', order_of(desk, head[HEAD.reason]), padded(head[HEAD.place]) .. '/' .. id)
  count_in(desk, head, -1)
  return true
end

local function count_none(desk, order)
  for _, reason in ipairs(order == desk.poison and { 'poison' } or { 'no_subscriber', 'expired' }) do
    desk.count[reason] = 0
  end
  desk[order == desk.poison and 'poison_bytes' or 'bytes'], desk.touched = 0, true
end

-- What another program wrote over falls out with its place, and is counted until no letter is left.
local function take_oldest(desk, order)
  local member = call('ZRANGE', order, 0, 0)[1]
  if not member then
    count_none(desk, order)
    return false
  end
  if not take_letter(desk, string.sub(member, 43)) then call('ZREM', order, member) end
  return true
end

-- Remove the oldest: as many as came in, and up to 1,000 more. Bounds are five numbers from ARGV[at] on: letters of
-- messages and their bytes, age in ms, poison and its bytes.
local function bound_letters(desk, now, at, came)
  local left = came + MORE_A_STEP
  local function drop(why)
    desk.dropped[why] = desk.dropped[why] + 1
    left = left - 1
  end
  local old = '(' .. whole(now - tonumber(ARGV[at + 2]))
  for _, id in ipairs(call('ZRANGEBYSCORE', desk.deaths, '-inf', old, 'LIMIT', 0, left)) do
    if take_letter(desk, id) then drop('age') end
  end
  local function bound(order, counted, bytes, count_max, bytes_max)
    while left > 0 do
      local why = counted() > count_max and 'count' or desk[bytes] > bytes_max and 'bytes'
      if not why or not take_oldest(desk, order) then return end
      drop(why)
    end
  end
  local function messages() return desk.count.no_subscriber + desk.count.expired end
  bound(desk.messages, messages, 'bytes', tonumber(ARGV[at]), tonumber(ARGV[at + 1]))
  local function poison() return desk.count.poison end
  bound(desk.poison, poison, 'poison_bytes', tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]))
end

-- The letters in numbers: by reason, bytes, oldest death in ms, and what was dropped by count, bytes and age.
local function tally_of(desk)
  local oldest = call('ZRANGE', desk.deaths, 0, 0, 'WITHSCORES')[2] or '0'
  local count, dropped = desk.count, desk.dropped
  return { count.no_subscriber, count.expired, count.poison, desk.bytes + desk.poison_bytes, tonumber(oldest),
    dropped.count, dropped.bytes, dropped.age }
end
