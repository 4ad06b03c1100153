-- One turn of one process, in the order of store/letters.py: note it, take in what was handed over, make letters of what is
-- due, remove letters of what came late, move `decided` up, bound. The first write is one that a full memory refuses, and the
-- keys were looked at before it, so nothing after it fails; the turn is noted as the last of all.
--
-- ARGV[3]      store time in ms, empty for the server's own
-- ARGV[4,5]    `node/start` and number of the turn      ARGV[6,7] ms between its turns, its grace in ms
-- ARGV[8,9]    1 if it decides; 1 if it is its last      ARGV[10,11] places: through; decided, empty for none yet
-- ARGV[12,13]  what it heard last: epoch and receipt
-- ARGV[14,15]  first and last place of what it tells, both empty for none
-- ARGV[16,17]  handed over and acks, packed; empty for none
-- ARGV[18,19]  sentences for no_subscriber and expired
-- ARGV[20...]  the five bounds of letter.lua, receipts a turner at most, bytes of receipts in the answer
-- ARGV[27]     number of due ones, then of each its place and fingerprint; then the ids of late letters
--
-- Returns { epoch, due ones that died as { place, reason, maybe }, late, receipts of others as { by, handed, decided, acks },
-- the last receipt of them, 1 if there are more, turners as { name, through, current }, the tally of letter.lua, receipts
-- that were forgotten early }.
--
-- Packed are an array of a time in ms and then three values an item: ms after that time, n, and the count (what it was
-- decided to: a reason's number, plus 2 for maybe; the client of an ack).

local log, desk = snapshot(), open_desk()
local now = now_ms(ARGV[3])
local me, number, grace = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[7])
local through, bottom, top = ARGV[10], ARGV[14], ARGV[15]
local turns, decided = log.base .. 'turns', decided_of(log, ARGV[12])
local newest_place = newest(log)
local EXPIRES, UNBOUND_BYTES = 8, 8388608
local silent_ms = now - 2 * grace - 60000
local others, mine = {}, nil

for _, one in ipairs(turners_of(log)) do
  one.changed = set_back(one, now)
  if one.name == me then mine = one else others[#others + 1] = one end
end
local known = mine and tonumber(mine.number) >= number
if before(newest_place, through) then through = newest_place end

local function each(packed, take)
  if packed == '' then return end
  local items = cmsgpack.unpack(packed)
  for at = 2, #items, 3 do
    if take(items[1] + items[at], items[at + 1], items[at + 2]) == false then return end
  end
end

local function pack(items)
  if #items == 0 then return '' end
  local flat = { items[1].ms }
  for _, one in ipairs(items) do
    flat[#flat + 1], flat[#flat + 2], flat[#flat + 3] = one.ms - items[1].ms, one.n, one.value
  end
  return cmsgpack.pack(flat)
end

-- Receipts after the last one that was heard; when that one is not there (cut, lost, of another log), all of them.
local function receipts()
  local heard, from, chunk, at = ARGV[13], '-', {}, 0
  if ARGV[12] == log.epoch and #call('XRANGE', turns, heard, heard) == 1 then from = '(' .. heard end
  return function()
    at = at + 1
    if not chunk[at] then
      if at > 1 and #chunk < 8 then return nil end
      chunk, at = call('XRANGE', turns, from, '+', 'COUNT', 8), 1
    end
    if chunk[at] then from = '(' .. chunk[at][1] end
    return chunk[at]
  end
end

local function listed(one)
  return on_list(one, decided, silent_ms)
end

local function current(one)
  return tonumber(one.number) >= 0 and now - tonumber(one.time) <= 3 * tonumber(one.every)
end

local function may_have(one, place)
  local told = current(one) and not before(one.through, place)
  return listed(one) and not told and (one.upto == '-' or not before(one.upto, place))
end

local function any(turners, holds, place)
  for _, one in ipairs(turners) do
    if holds(one, place) then return true end
  end
  return false
end

-- This turn, as far as it is known before it is applied. Nothing is written yet.
local function note_mine()
  mine = mine or new_turner(me, now)
  mine.number, mine.through, mine.every, mine.decides = ARGV[5], through, ARGV[6], ARGV[8]
  mine.time, mine.behind = whole(now), '-'
  if ARGV[9] == '1' then mine.upto = '0-0' end
end

-- A row that is off the list stays as long as a silence, so that its last turn is known when it comes again.
local function forget_turners()
  local left = {}
  for _, one in ipairs(others) do
    if not listed(one) and tonumber(one.time) <= silent_ms then
      call('HDEL', log.base .. 'turners', one.name)
    else
      if one.changed then note(log, one) end
      left[#left + 1] = one
    end
  end
  others = left
end

-- What is due, less what a receipt that was not heard, or this turn itself, says to be settled.
local function undecided()
  local due, by_ms, first, last = {}, {}, nil, nil
  for at = 28, 26 + 2 * tonumber(ARGV[27]), 2 do
    local one = { place = ARGV[at], fp = ARGV[at + 1] }
    if before(decided, one.place) then
      one.ms, one.n = halves(one.place)
      due[#due + 1] = one
      by_ms[one.ms] = by_ms[one.ms] or {}
      by_ms[one.ms][one.n] = one
      first = first and before(first, one.place) and first or one.place
      last = last and before(one.place, last) and last or one.place
    end
  end
  local function settle(ms, n)
    local one = by_ms[ms] and by_ms[ms][n]
    if one then one.settled = true end
  end
  if #due == 0 then return due end
  for entry in receipts() do
    local told = entry[2]
    if not before(last, told[BOTTOM]) and not before(told[TOP], first) then
      each(told[HANDED], settle)
      each(told[DECIDED], settle)
    end
  end
  each(ARGV[16], settle)
  return due
end

local function lineage(meta)
  if not string.find(meta, '"replay"', 1, true) then return 1, '', 0 end
  local read, said = pcall(cjson.decode, meta)
  local replay = read and type(said) == 'table' and said.replay
  if type(replay) ~= 'table' then return 1, '', 0 end
  return tonumber(replay.attempts) or 1, tostring(replay.original or ''), tonumber(replay.first_ms) or 0
end

-- The letter of a record of the log; nothing when it is gone, or another one, or a letter already.
local function bury(one)
  local entry = call('XRANGE', log.log, one.place, one.place)[1]
  local fields = entry and entry[2]
  if not fields or not ours(fields) or fields[EVENT] == 'fast-sse.erased' then return nil end
  if one.fp ~= fields[FP] then return nil end
  local id = id_of(log, one.place, fields[FP])
  if call('HEXISTS', desk.heads, id) == 1 then return nil end
  local expires, published = tonumber(fields[EXPIRES]), tonumber(fields[TIME])
  local expired = expires > 0 and now >= expires
  local maybe = any(others, may_have, one.place) or may_have(mine, one.place)
  local attempts, original, first = lineage(fields[META])
  put_letter(desk, id, { one.place, fields[ID], fields[TYPE], expired and 'expired' or 'no_subscriber',
    expired and ARGV[19] or ARGV[18], published, now, first, attempts, original, maybe, string.match(me, '^(.*)/'),
    weight(fields), #fields[DATA] + #fields[HEADERS] },
    cmsgpack.pack({ fields[EVENT], fields[HEADERS], fields[META], fields[DATA], fields[EXPIRES], fields[FP] }))
  one.value, one.weight = (expired and 1 or 0) + (maybe and 2 or 0), weight(fields)
  return one
end

-- Letters of this log whose message was handed over now. Both go up, and whole stretches of either are passed over.
local function letters_among(packed)
  local ids, items, at = {}, {}, 2
  local first = packed ~= '' and call('ZRANGEBYLEX', desk.messages, '[' .. padded(ARGV[14]), '+', 'LIMIT', 0, 1) or {}
  if #first > 0 then items = cmsgpack.unpack(packed) end
  local ours_begin = 'r1.' .. log.epoch .. '.'
  while at < #items do
    local from = '[' .. string.format('%020.0f-%020.0f', items[1] + items[at], items[at + 1])
    local members = call('ZRANGEBYLEX', desk.messages, from, '+', 'LIMIT', 0, 256)
    for _, member in ipairs(members) do
      local ms, n = tonumber(string.sub(member, 1, 20)), tonumber(string.sub(member, 22, 41))
      while at < #items and (items[1] + items[at] < ms or (items[1] + items[at] == ms and items[at + 1] < n)) do
        at = at + 3
      end
      if at > #items then break end
      local same = items[1] + items[at] == ms and items[at + 1] == n
      if same and string.sub(member, 43, 42 + #ours_begin) == ours_begin then ids[#ids + 1] = string.sub(member, 43) end
    end
    if #members < 256 then break end
  end
  return ids
end

local function leave_receipt(dead)
  for _, one in ipairs(dead) do
    if bottom == '' or before(one.place, bottom) then bottom = one.place end
    if top == '' or before(top, one.place) then top = one.place end
  end
  if top == '' or not (any(others, listed) or before(decided, top)) then return end
  call('XADD', turns, '*', 'by', me, 'bottom', bottom, 'top', top, 'until', whole(now + 3 * tonumber(ARGV[6])),
    'handed', ARGV[16], 'decided', mine.dead, 'acks', ARGV[17])
end

local function move_decided()
  local place = ARGV[11]
  local function decides(one) return listed(one) and one.decides == '1' end
  if place == '' or (ARGV[8] ~= '1' and any(others, decides)) then return end
  if before(newest_place, place) then place = newest_place end
  if before(decided, place) then decided = place end
end

-- Receipts wholly at or below `decided` that others had time to hear of, or that there is nobody to hear of but this process,
-- which has; and the oldest of too many. What waits up to the top of one of these can be judged no more.
local function cut_receipts()
  local alone, count, gone, forgotten = not any(others, listed), call('XLEN', turns), 0, 0
  local most, last = tonumber(ARGV[25]) * (1 + #others), nil
  local heard = ARGV[12] == log.epoch and ARGV[13] ~= '' and ARGV[13] or '0-0'
  local function goes(id, told)
    local needless = alone and (told[BY] == me or not before(heard, id))
    if before(decided, told[TOP]) then
      if count - gone <= most then return false end
      decided, forgotten = told[TOP], forgotten + 1
    elseif not needless and tonumber(told[UNTIL]) >= now and count - gone <= most then
      return false
    end
    return true
  end
  local from = '-'
  while gone < 1000 do
    local chunk = call('XRANGE', turns, from, '+', 'COUNT', 4)
    local stays = #chunk < 4
    for _, entry in ipairs(chunk) do
      if not goes(entry[1], entry[2]) then
        stays = true
        break
      end
      last, gone = entry[1], gone + 1
    end
    if stays then break end
    from = '(' .. last
  end
  if last then
    local ms, n = halves(last)
    call('XTRIM', turns, 'MINID', string.format('%.0f-%.0f', ms, n + 1))
  end
  return forgotten
end

local function apply()
  local due = undecided()
  note_mine()
  call('HSET', KEYS[1], 'decided', decided) -- a full memory refuses this one, and with it the turn
  local late, dead, unbound = 0, {}, 0
  for _, one in ipairs(due) do
    if not one.settled and bury(one) then
      dead[#dead + 1], unbound = one, unbound + one.weight
      if unbound > UNBOUND_BYTES then
        bound_letters(desk, now, 20, #dead)
        unbound = 0
      end
    end
  end
  mine.dead = pack(dead)
  leave_receipt(dead)
  for _, id in ipairs(letters_among(ARGV[16])) do
    if take_letter(desk, id) then late = late + 1 end
  end
  for at = 28 + 2 * tonumber(ARGV[27]), #ARGV do
    if take_letter(desk, ARGV[at]) then late = late + 1 end
  end
  move_decided()
  local forgotten = cut_receipts()
  call('HSET', KEYS[1], 'decided', decided)
  bound_letters(desk, now, 20, #dead)
  close_desk(desk)
  forget_turners()
  mine.late = whole(late)
  note(log, mine)
  notice_silence(log, others, through, now)
  return forgotten
end

-- What this turn made letters of, and how many came late, when it was applied: now, or the first time.
local function outcome()
  local dead = {}
  if tonumber(mine.number) ~= number then return dead, 0 end
  each(mine.dead, function(ms, n, value)
    dead[#dead + 1] = { string.format('%.0f-%.0f', ms, n), value % 2, value >= 2 and 1 or 0 }
  end)
  return dead, tonumber(mine.late)
end

local function told_by_others()
  local found, bytes, seen, more = {}, 0, ARGV[13], 0
  if ARGV[12] ~= log.epoch then seen = '0-0' end
  for entry in receipts() do
    local told = entry[2]
    if told[BY] ~= me then
      bytes = bytes + #told[HANDED] + #told[DECIDED] + #told[ACKS]
      if #found > 0 and bytes > tonumber(ARGV[26]) then
        more = 1
        break
      end
      found[#found + 1] = { told[BY], told[HANDED], told[DECIDED], told[ACKS] }
    end
    seen = entry[1]
  end
  return found, seen, more
end

local function turners()
  local found = {}
  others[#others + 1] = mine
  for _, one in ipairs(others) do
    if listed(one) then found[#found + 1] = { one.name, one.through, current(one) and 1 or 0 } end
  end
  return found
end

local forgotten = 0
if not known then forgotten = apply() end
local dead, late = outcome()
local told, seen, more = told_by_others()
return { log.epoch, dead, late, told, seen, more, turners(), tally_of(desk), forgotten }
