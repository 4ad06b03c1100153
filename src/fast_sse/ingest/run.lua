-- Run commands, all in one step.
--
-- ARGV  from 3: each command as the number of its words and the words
--
-- Answers one reply a command, in order; none for no command, which only renews the lease.
local replies, at = {}, 3
while at <= #ARGV do
    local words = tonumber(ARGV[at])
    replies[#replies + 1] = redis.call(unpack(ARGV, at + 1, at + words))
    at = at + words + 1
end
return replies
