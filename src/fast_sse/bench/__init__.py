"""`fast-sse bench`: a load generator for servers of server-sent events, and the scenarios it plays.

A benchmark whose client is slower than its server measures the client. So a subscriber here is a socket and
an integer: what arrives is received into one shared buffer and its frames are counted by one C call, without
a parser, a task or an allocation per event. Several processes share the subscribers where there are cores for
them; each reports its share of its core, and the figures say when the generator was the limit.

It knows no product: a `LoadTarget` says what to send, and the same code loads every server.
"""
