"""The words of the hub and their rules: pure values, with no asyncio, clock, environment or I/O.

errors     the tree of errors, each with status and code
limits     every bound of the hub
channel    channels, filters, and the rule of matching
cursor     places in a log, and the text of Last-Event-ID
moment     a time to begin at, as a client writes it
message    draft, record and envelope
inflating  a stranger's gzip, under caps
payload    envelopes that are packed, and data that its publisher compressed
keys       idempotency keys
trace      the trace that a message belongs to
letter     a dead letter
frame      records and events of the hub as SSE bytes
deflate    gzip blocks that many connections share
parser     SSE bytes as events
signature  two signature formats, checked against a keyring
right      a right that lists its channels, and what claims of a token come to
secret     secrets that are too weak
backoff    waits that double

What a value needs from outside, such as time, chance or a secret, is an argument.
"""
