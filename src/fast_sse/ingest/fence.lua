-- Before every script here: go on only while the lease is ours; each use renews it.
--
-- KEYS  the lease (a string: the token of the node that reads the queue; expires by itself), the queue (a stream with
--       our consumer group)
-- ARGV  our token, the lease's milliseconds, then what the script behind this takes
--
-- A node that was taken for dead and wakes up fails here, so it can neither take an entry from the one that reads now,
-- nor acknowledge one for it.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return redis.error_reply('LEASELOST another node reads this queue')
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
