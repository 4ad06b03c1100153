-- Who tells what it handed over, for begin.lua and settle.lua: the turners, and the receipts that they left.

local TURNER = { 'number', 'through', 'upto', 'every', 'decides', 'time', 'behind', 'late' }
local BY, BOTTOM, TOP, UNTIL, HANDED, DECIDED, ACKS = 2, 4, 6, 8, 10, 12, 14

-- All that there are, with a name `node/start` each.
local function turners_of(log)
  local found, turners = call('HGETALL', log.base .. 'turners'), {}
  for at = 1, #found, 2 do
    local words, dead = string.match(found[at + 1], '^([^\n]*)\n(.*)$')
    local one, number = { name = found[at], dead = dead }, 0
    for word in string.gmatch(words, '%S+') do
      number = number + 1
      one[TURNER[number]] = word
    end
    turners[#turners + 1] = one
  end
  return turners
end

local function note(log, turner)
  local words = {}
  for number, name in ipairs(TURNER) do words[number] = turner[name] end
  call('HSET', log.base .. 'turners', turner.name, table.concat(words, ' ') .. '\n' .. turner.dead)
end

-- One that has told nothing yet counts as one that decides.
local function new_turner(name, now)
  return { name = name, number = '-1', through = '0-0', upto = '-', every = '0', decides = '1',
    time = string.format('%.0f', now), behind = '-', late = '0', dead = '' }
end

-- What lies ahead of a clock that was set back is now: its silence and its last turn are as old as they can be known to be.
-- Whether anything did.
local function set_back(turner, now)
  local changed = false
  for _, name in ipairs({ 'time', 'behind' }) do
    if turner[name] ~= '-' and tonumber(turner[name]) > now then
      turner[name], changed = string.format('%.0f', now), true
    end
  end
  return changed
end

-- Whether it is on the list: it may have handed over something above `decided`, and was not silent for too long.
local function on_list(turner, decided, silent_ms)
  local open = turner.upto == '-' or before(decided, turner.upto)
  return open and (turner.behind == '-' or tonumber(turner.behind) > silent_ms)
end

-- One that has not looked as far as another has something to tell, and is silent from now on until it does.
local function notice_silence(log, turners, through, now)
  for _, one in ipairs(turners) do
    if one.behind == '-' and before(one.through, through) then
      one.behind = string.format('%.0f', now)
      note(log, one)
    end
  end
end

-- The place below which nothing waits. In a log without one it is the newest: what was there before dead letters were kept
-- becomes none. But a process that knew another epoch followed this one from its beginning.
local function decided_of(log, known_epoch)
  local found = call('HGET', KEYS[1], 'decided')
  if found then return found end
  if known_epoch ~= '' and known_epoch ~= log.epoch then return log.trimmed end
  return (newest(log))
end
