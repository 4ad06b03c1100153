"""`fast-sse publish`: one message, or a file of them over several connections.

command  the command and its options
link     a connection that repeats a request until its outcome is known
ndjson   lines of an input in chunks, each with its idempotency key
senders  two ways to publish lines: in batches, or one by one
batch    a whole input: progress, summary, and how to go on
waiting  how far a message has come, asked until it came so far

Every line has an idempotency key, so that what is sent again is one message in the end.
"""
