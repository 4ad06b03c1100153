-- What every script begins with: the keys, how places compare, and a snapshot of the log's ends.
--
-- Every key of one log, all under one hash tag, P being `{<redis.prefix>}:` and B being `P<epoch>:`. A new epoch
-- (the meta key is gone: FLUSHALL, a new server) therefore shares no key with an old one.
--
--   P meta             hash    epoch; last_fp: fingerprint of the newest entry ever appended; trimmed, trimmed_fp: the
--                              trim mark, everything up to it is gone; count, bytes: what retention measures;
--                              last_time, trimmed_time: times of the newest entry and of the trim mark, in ms, each with
--                              what it belongs to behind it (last_fp, trimmed): nodes of earlier versions, which may be
--                              at work beside this one, move these without the times, and then a time is not known;
--                              decided: the place at or below which no message waits for its receivers
--   P ping             string  the probe of readiness; ends by itself
--   B log              stream  the one log, bodies and all, one entry a message; fields in exactly this order:
--                              fp      random fingerprint, 7 characters, repeated by cursors: an id that was given
--                                      again after a lost tail is another entry
--                              prev    fingerprint of the entry before: a reader sees every hole
--                              time    milliseconds, store time, never below that of the entry before
--                              expires milliseconds, 0 for never
--                              id, type, event, headers, meta, data    as published
--   B ch:<id>/<type>   list    index: the places of the log's entries of exactly this channel, ascending; with a `!`
--                              behind it, of one that was erased. A list, since a stream takes 4 KiB for its first
--                              entry, and a hub may have a channel a user
--   B id:<id>          list    index: those of one id, whatever the type
--   B type:<type>      list    index: those of one type, whatever the id
--   B erased           zset    places of entries that were erased above the trim mark: cursors at them still stand
--   B losses           list    `<ms>-<n>-<fp> <ms>-<n>`: after the first, up to the second, entries were lost
--   B keys             hash    idempotency key -> `<ms>-<n>-<fp> <end of its window, ms> <body sha256>`
--   B key_ends         zset    the same keys by the end of their window
--   B turners          hash    `<node>/<start>`, a process that tells what it handed over -> what it told last, as words:
--                              number of its turn; through; upto (`-`: open); ms between its turns; 1 if it decides; time;
--                              since when it is silent (`-`: it is not); how many letters its turn removed as late; and,
--                              behind a line break, what its turn made letters of, packed as in settle.lua
--   B turns            stream  receipts, one entry a turn that told something, fields in exactly this order: by, the
--                              turner; bottom and top, the first and the last place in it; until, when others have heard
--                              of it; handed, decided, acks, packed as in settle.lua
--
-- Dead letters outlive their epoch, so their keys are below P:
--
--   P letters          hash    id -> its head: a packed array of place, id and type of the channel, reason, description,
--                              times of publishing, of death and of the first publish (0: the same), attempts, id of the
--                              first message (empty: its own), maybe, node, weight, bytes of data and headers, and of what
--                              a source brought (its id begins with `p-`) kind, queue and place of it, and sha256
--   P letter_bodies    hash    id -> event, headers, meta, data, expires and fp of the message, packed; the bytes that a source
--                              brought. Apart from the heads, so that a list costs the same whatever the letters weigh
--   P letter_order     zset    letters of messages as `<place, padded>/<id>`, also of messages that a source brought
--   P poison_order     zset    poison, likewise: neither pushes the other out
--   P letter_deaths    zset    ids of all letters by the time of their death
--   P letter_tally     hash    how many there are by reason (no_subscriber, expired, poison), and what they weigh (bytes of
--                              messages, poison_bytes)
--
-- A control record (it erases a channel) is in the log and in no index. A place is `<ms>-<n>`, with its fingerprint
-- `<ms>-<n>-<fp>`. KEYS[1] is P meta, ARGV[1] is P, ARGV[2] the epoch to begin when there is none.

local BLANK = '0000000'
local FIELDS = { 'fp', 'prev', 'time', 'expires', 'id', 'type', 'event', 'headers', 'meta', 'data' }
local FP, TIME, ID, TYPE, EVENT, HEADERS, META, DATA = 2, 6, 10, 12, 14, 16, 18, 20
local OVERHEAD = 200
local call = redis.call

local function halves(place)
  local ms, n = string.match(place, '^(%d+)%-(%d+)')
  return tonumber(ms), tonumber(n)
end

local function before(one, other)
  local ms, n = halves(one)
  local other_ms, other_n = halves(other)
  return ms < other_ms or (ms == other_ms and n < other_n)
end

local function padded(place)
  return string.format('%020.0f-%020.0f', halves(place))
end

-- Whether an entry of the log is one that we wrote; anything else was written by another program.
local function ours(fields)
  if #fields ~= 2 * #FIELDS then return false end
  for number, name in ipairs(FIELDS) do
    if fields[2 * number - 1] ~= name then return false end
  end
  return #fields[FP] == 7 and tonumber(fields[TIME]) ~= nil
end

local function mark(fields)
  return ours(fields) and fields[FP] or BLANK
end

local function weight(fields)
  return ours(fields) and #fields[DATA] + #fields[HEADERS] + #fields[META] + OVERHEAD or 0
end

local function now_ms(given)
  if given ~= '' then return tonumber(given) end
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The ms of a time that belongs to `owner`, nil when it is another's or there is none.
local function time_for(text, owner)
  local ms, of = string.match(text or '', '^(%d+) (%S+)$')
  return of == owner and tonumber(ms) or nil
end

-- The log as it is now; begins an epoch where there is none.
local function snapshot()
  local found = call('HMGET', KEYS[1], 'epoch', 'last_fp', 'trimmed', 'trimmed_fp', 'count', 'bytes',
    'last_time', 'trimmed_time')
  if not found[1] then
    found = { ARGV[2], BLANK, '0-0', BLANK, '0', '0' }
    call('HSET', KEYS[1], 'epoch', ARGV[2], 'last_fp', BLANK, 'trimmed', '0-0', 'trimmed_fp', BLANK,
      'count', 0, 'bytes', 0)
  end
  local base = ARGV[1] .. found[1] .. ':'
  return {
    epoch = found[1], last_fp = found[2], trimmed = found[3], trimmed_fp = found[4],
    count = tonumber(found[5]), bytes = tonumber(found[6]),
    last_ms = time_for(found[7], found[2]), trimmed_ms = time_for(found[8], found[3]),
    base = base, log = base .. 'log',
  }
end

-- The place and the fingerprint of the newest entry; of the trim mark when there is none.
local function newest(log)
  local entry = call('XREVRANGE', log.log, '+', '-', 'COUNT', 1)[1]
  if entry then return entry[1], mark(entry[2]) end
  return log.trimmed, log.trimmed_fp
end

-- The index keys of an entry's fields.
local function indexes(log, fields)
  if not ours(fields) or fields[EVENT] == 'fast-sse.erased' then return {} end
  local id, type = fields[ID], fields[TYPE]
  return { log.base .. 'ch:' .. id .. '/' .. type, log.base .. 'id:' .. id, log.base .. 'type:' .. type }
end

-- How many places of an index are not after a place, which is where those after it begin. Looked for from the end,
-- where most who ask are, and then by halving.
local function after(index, place)
  local low, high, step = 0, call('LLEN', index), 1
  local length = high
  while step <= length do
    if not before(place, call('LINDEX', index, length - step)) then
      low = length - step + 1
      break
    end
    high, step = length - step, step * 2
  end
  while low < high do
    local middle = math.floor((low + high) / 2)
    if before(place, call('LINDEX', index, middle)) then high = middle else low = middle + 1 end
  end
  return low
end
