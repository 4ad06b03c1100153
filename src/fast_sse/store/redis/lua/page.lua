-- Pages of the log, for read.lua and last.lua. Nothing here writes.

-- The ids of several index streams as one ascending (or descending) list, each once, at most `count`.
local function merged(lists, count, descending)
  local heads, ids = {}, {}
  for number in ipairs(lists) do heads[number] = 1 end
  while #ids < count do
    local best
    for number, list in ipairs(lists) do
      local id = list[heads[number]]
      if id and (not best or (descending and before(best, id) or not descending and before(id, best))) then
        best = id
      end
    end
    if not best then break end
    ids[#ids + 1] = best
    for number, list in ipairs(lists) do
      if list[heads[number]] == best then heads[number] = heads[number] + 1 end
    end
  end
  return ids
end

local function ids_of(entries)
  local ids = {}
  for number, entry in ipairs(entries) do ids[number] = entry[1] end
  return ids
end

-- Entries after a place, one by one: of the whole log when there are no ranges, else of what the indexes name. An
-- entry that an index names and the log lacks comes without fields.
local function entries_after(log, ranges, place, count)
  if #ranges == 0 then
    local chunk, number, size = {}, 0, 16
    return function()
      number = number + 1
      if not chunk[number] then
        if number > 1 and #chunk < size then return nil end
        size = number == 1 and 16 or math.min(size * 2, 256)
        chunk = call('XRANGE', log.log, '(' .. place, '+', 'COUNT', size)
        number = 1
      end
      if chunk[number] then place = chunk[number][1] end
      return chunk[number]
    end
  end
  local lists = {}
  for number, range in ipairs(ranges) do
    lists[number] = ids_of(call('XRANGE', log.base .. range, '(' .. place, '+', 'COUNT', count))
  end
  local ids = #lists == 1 and lists[1] or merged(lists, count, false)
  local number = 0
  return function()
    number = number + 1
    local id = ids[number]
    return id and (call('XRANGE', log.log, id, id)[1] or { id, {} })
  end
end

-- Records after a start, bounded: { gap, start, fp of it, through, fp of it, entries }.
local function page(log, ranges, start, start_fp, gap, count_max, bytes_max)
  local entries, bytes = {}, 0
  local through, through_fp = newest(log)
  for entry in entries_after(log, ranges, start, count_max) do
    if ours(entry[2]) then
      local more = weight(entry[2])
      local full = #entries == count_max or (#entries > 0 and bytes + more > bytes_max)
      if not full then
        entries[#entries + 1] = entry
        bytes = bytes + more
      end
      if full or #entries == count_max then
        through, through_fp = entries[#entries][1], entries[#entries][2][FP]
        break
      end
    elseif #entries == 0 then
      gap, start, start_fp = gap == '' and 'unreadable' or gap, entry[1], BLANK
    else
      through, through_fp = entries[#entries][1], entries[#entries][2][FP]
      break
    end
  end
  return { log.epoch, gap, start, start_fp, through, through_fp, log.trimmed, log.trimmed_fp, entries }
end
