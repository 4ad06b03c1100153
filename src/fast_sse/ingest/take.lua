-- Take entries that no reader has taken, and find out how many were deleted unread.
--
-- ARGV  from 3: group, consumer, most entries
--
-- Answers { entries, hole }, either nil. A hole is { the group's place before, `next` or `up to`, an id, how many,
-- `exactly` or `at least`, the group's place now, its count behind the hole }. The reader that is given one reports it, and then
-- notes it by XGROUP SETID with the last two. Until then it stays in the count, and is found again.
--
-- The rule. `entries-read` of the group counts entries that were read or reported. Redis adds what is read, but goes wrong
-- or gives up at what was deleted (7.0: a trim is passed without a trace, XDEL makes it nil), so each take sets it.
-- Of all that was ever added (`entries-added`), what was neither read, nor reported, nor is still to be read, is unreported. How
-- much is still to be read is known where Redis gives less than it was asked for: nothing; and where all that is there
-- lies behind the group's place: all of it. Elsewhere, in a backlog behind entries that were read, nothing is known, and
-- no trim can have passed the group, as trims take the oldest; what XDEL took there is reported when the backlog is done.
--
-- A group at 0-0 without a count was never anywhere: it begins at what is there now. Any other group without one was
-- put there by somebody, or made again: until its count can be known, what is certain is reported, and `at least 0` where a
-- trim may have passed it.

local function fields(flat)
    local map = {}
    for at = 1, #flat, 2 do map[flat[at]] = flat[at + 1] end
    return map
end

-- Whether an id is smaller. As text: a number of Lua holds 53 bits of the 64.
local function before(a, b)
    local x, x_seq = string.match(a, '^(%d+)-(%d+)$')
    local y, y_seq = string.match(b, '^(%d+)-(%d+)$')
    if x == y then x, y = x_seq, y_seq end
    if #x ~= #y then return #x < #y end
    return x < y
end

local queue, name, consumer, most = KEYS[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local stream, group = fields(redis.call('XINFO', 'STREAM', queue)), nil
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', queue)) do
    local found = fields(flat)
    if found['name'] == name then group = found end
end
if not group then return redis.error_reply('NOGROUP no such consumer group') end

local length, added, newest = stream['length'], stream['entries-added'], stream['last-generated-id']
local first, deleted = stream['recorded-first-entry-id'], stream['max-deleted-entry-id']
local last, read = group['last-delivered-id'], group['entries-read']
local all_behind = before(last, newest) and (length == 0 or before(last, first))
if not read and last == '0-0' then read = added - length end

local reply = redis.call('XREADGROUP', 'GROUP', name, consumer, 'COUNT', most, 'STREAMS', queue, '>')
local taken = reply and reply[1][2] or {}
local place, level = last, #taken < most
if #taken > 0 then place = taken[#taken][1] end

-- What the count is with what was taken now, and what it is when nothing is untold, if that can be known.
local count, due, hole = read and read + #taken, nil, nil
if level then
    due = added
elseif all_behind then
    due = added - (length - #taken)
end

-- A hole, and where it lies: what is left tells how far it can reach.
local function found(entries, counted)
    local side, stop = 'up to', last
    if length == 0 then
        stop = newest
    elseif all_behind and before(deleted, first) then
        side, stop = 'next', first
    elseif before(last, deleted) then
        stop = deleted
    end
    return { last, side, stop, entries, counted, place, due or -1 }
end

if count and due and due > count then
    hole = found(due - count, 'exactly')
elseif count then
    count = due or count
else
    -- XDEL marks the greatest id that it took, a trim none: passed, or counted over, that one is certain.
    local xdel = before(last, deleted) and (due or not before(place, deleted))
    if xdel or (all_behind and length == 0) then
        hole = found(1, 'at least')
    elseif all_behind and added > length then
        hole = found(0, 'at least')
    else
        count = due
    end
end
if #taken > 0 or count ~= group['entries-read'] then
    redis.call('XGROUP', 'SETID', queue, name, place, 'ENTRIESREAD', count or -1)
end
return { taken, hole }
