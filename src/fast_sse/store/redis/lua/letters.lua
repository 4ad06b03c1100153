-- What operators and queues do with letters. ARGV[3] says what:
--
--   list    ARGV[4] `newest` or `oldest` first    ARGV[5] the last member of the page before, empty for none
--           ARGV[6] letters at most   ARGV[7] heads that are looked at, at most   ARGV[8...12] reason, id, type, and ms of
--           death from and before: empty for any
--           Returns how many letters there are, the member to go on after (empty at the end), and a member and its head
--           for each letter
--   get     ARGV[4] id; returns its head and its body: the bytes that were kept, the fields of a message; empty without it
--   drop    ARGV[4...] ids; returns how many there were
--   keep    ARGV[4] store time in ms, empty for the server's own   ARGV[5...9] the bounds of letter.lua   ARGV[10] id
--           ARGV[11,12] channel, empty for none   ARGV[13] description   ARGV[14] node   ARGV[15] size   ARGV[16...19] kind,
--           queue and place of its source, sha256   ARGV[20] the bytes of it that are kept   ARGV[21] reason
--           Returns 1, 0 when it is there already, and the tally of letter.lua
--   erase   ARGV[4,5] id and type of a channel   ARGV[6] as in list   ARGV[7] heads that are looked at, at most
--           Returns how many went, and the member to go on after

local log, desk = snapshot(), open_desk()
local acts = {}

local function members_of(order, place, newest_first, count)
  if newest_first then
    return call('ZREVRANGEBYLEX', order, place == '' and '+' or '(' .. place, '-', 'LIMIT', 0, count)
  end
  return call('ZRANGEBYLEX', order, place == '' and '-' or '(' .. place, '+', 'LIMIT', 0, count)
end

-- Members of the orders as one, after a place in it.
local function members_after(orders, place, newest_first, count)
  local messages = orders.messages and members_of(desk.messages, place, newest_first, count) or {}
  local poison = orders.poison and members_of(desk.poison, place, newest_first, count) or {}
  local found, at, poison_at = {}, 1, 1
  while #found < count and (messages[at] or poison[poison_at]) do
    local one, other = messages[at], poison[poison_at]
    local first = one and other and one < other
    if not other or (one and first ~= newest_first) then
      found[#found + 1], at = one, at + 1
    else
      found[#found + 1], poison_at = other, poison_at + 1
    end
  end
  return found
end

local function orders_for(reason)
  return { messages = reason ~= 'poison', poison = reason == 'poison' or reason == '' }
end

local function fits(head, after_ms, before_ms)
  local dead = head[HEAD.dead]
  return (ARGV[8] == '' or head[HEAD.reason] == ARGV[8])
    and (ARGV[9] == '' or head[HEAD.event_id] == ARGV[9])
    and (ARGV[10] == '' or head[HEAD.event_type] == ARGV[10])
    and (not after_ms or dead >= after_ms) and (not before_ms or dead < before_ms)
end

function acts.list()
  local most, filtered = tonumber(ARGV[6]), false
  for at = 8, 12 do filtered = filtered or ARGV[at] ~= '' end
  local looks = filtered and tonumber(ARGV[7]) or most
  local after_ms, before_ms = tonumber(ARGV[11]), tonumber(ARGV[12])
  local members = members_after(orders_for(ARGV[8]), ARGV[5], ARGV[4] == 'newest', looks + 1)
  local found, following = {}, ''
  for number, member in ipairs(members) do
    if number > looks or #found == 2 * most then
      following = members[number - 1]
      break
    end
    local packed = call('HGET', desk.heads, string.sub(member, 43))
    local head = filtered and head_in(packed)
    if packed and (not filtered or (head and fits(head, after_ms, before_ms))) then
      found[#found + 1], found[#found + 2] = member, packed
    end
  end
  return { desk.count.no_subscriber + desk.count.expired + desk.count.poison, following, found }
end

function acts.get()
  local packed, body = call('HGET', desk.heads, ARGV[4]), call('HGET', desk.bodies, ARGV[4])
  local head = head_in(packed)
  if not head or not body then return {} end
  return { packed, string.sub(ARGV[4], 1, 2) == 'p-' and body or unpacked(body) or {} }
end

function acts.drop()
  local gone = 0
  for at = 4, #ARGV do
    if take_letter(desk, ARGV[at]) then gone = gone + 1 end
  end
  close_desk(desk)
  return gone
end

function acts.keep()
  if call('HEXISTS', desk.heads, ARGV[10]) == 1 then return { 0, tally_of(desk) } end
  local now = now_ms(ARGV[4])
  put_letter(desk, ARGV[10], { (newest(log)), ARGV[11], ARGV[12], ARGV[21], ARGV[13], now, now, 0, 1, '', false, ARGV[14],
    #ARGV[20] + OVERHEAD, tonumber(ARGV[15]), ARGV[16], ARGV[17], ARGV[18], ARGV[19] }, ARGV[20])
  bound_letters(desk, now, 5, 1)
  close_desk(desk)
  return { 1, tally_of(desk) }
end

function acts.erase()
  local members = members_after(orders_for(''), ARGV[6], false, tonumber(ARGV[7]))
  local gone = 0
  for _, member in ipairs(members) do
    local id = string.sub(member, 43)
    local head = head_in(call('HGET', desk.heads, id))
    if head and head[HEAD.event_id] == ARGV[4] and head[HEAD.event_type] == ARGV[5] and take_letter(desk, id) then
      gone = gone + 1
    end
  end
  close_desk(desk)
  return { gone, members[#members] or '' }
end

return acts[ARGV[3]]()
