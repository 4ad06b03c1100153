-- Pages of the log, for read.lua and last.lua. Nothing here writes.

-- The places of one index, one by one, as { ms, n, id }: those after a place ascending, or from the end descending.
-- Erased ones are passed over.
local function places_of(index, place, step, chunk)
  local at, ids, number = place and after(index, place) or -1, {}, 0
  return function()
    while true do
      number = number + 1
      if not ids[number] then
        local last = at + step * (chunk - 1)
        ids = step > 0 and call('LRANGE', index, at, last) or call('LRANGE', index, last, at)
        if #ids == 0 then return nil end
        if step < 0 then
          for one = 1, math.floor(#ids / 2) do ids[one], ids[#ids - one + 1] = ids[#ids - one + 1], ids[one] end
        end
        at, number = at + step * #ids, 1
      end
      local id = ids[number]
      if string.sub(id, -1) ~= '!' then
        local ms, n = halves(id)
        return { ms, n, id }
      end
    end
  end
end

-- Those of several indexes as one list, each once. `place` nil: from the end, descending.
local function merged(log, ranges, place, count)
  local step, heads = place and 1 or -1, {}
  local chunk = math.max(8, math.ceil(count / #ranges))
  for _, range in ipairs(ranges) do
    local following = places_of(log.base .. range, place, step, chunk)
    local head = following()
    if head then heads[#heads + 1] = { head, following } end
  end
  local ids = {}
  while #ids < count and #heads > 0 do
    local best
    for _, pair in ipairs(heads) do
      local one = pair[1]
      if not best or step * one[1] < step * best[1] or (one[1] == best[1] and step * one[2] < step * best[2]) then
        best = one
      end
    end
    ids[#ids + 1] = best[3]
    for number = #heads, 1, -1 do
      local pair = heads[number]
      if pair[1][1] == best[1] and pair[1][2] == best[2] then
        pair[1] = pair[2]()
        if not pair[1] then table.remove(heads, number) end
      end
    end
  end
  return ids
end

-- Entries after a place, one by one: of the whole log when there are no ranges, else of what the indexes name. An
-- entry that an index names and the log lacks comes without fields.
local function entries_after(log, ranges, place, count)
  if #ranges == 0 then
    local chunk, number, size = {}, 0, 4
    return function()
      number = number + 1
      if not chunk[number] then
        if number > 1 and #chunk < size then return nil end
        size = number == 1 and 4 or math.min(size * 2, 256)
        chunk = call('XRANGE', log.log, '(' .. place, '+', 'COUNT', size)
        number = 1
      end
      if chunk[number] then place = chunk[number][1] end
      return chunk[number]
    end
  end
  local ids = merged(log, ranges, place, count)
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
