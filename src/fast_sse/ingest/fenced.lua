-- Run commands, all in one step, only while the lease is ours; each use renews it.
--
-- KEYS  the lease (a string: the token of the node that reads the queue; expires by itself), then every other key
--       that the commands name: the queue (a stream with our consumer group) and its dead letters (a stream)
-- ARGV  our token, the lease's milliseconds, then each command as the number of its words and the words
--
-- Answers one reply a command, in order; none for no command, which only renews. A node that was taken for dead and
-- wakes up fails here, so it can neither take an entry from the one that reads now, nor acknowledge one for it.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return redis.error_reply('LEASELOST another node reads this queue')
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local replies, at = {}, 3
while at <= #ARGV do
    local words = tonumber(ARGV[at])
    replies[#replies + 1] = redis.call(unpack(ARGV, at + 1, at + words))
    at = at + words + 1
end
return replies
