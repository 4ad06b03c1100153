"""A load generator for servers of server-sent events: one thread, one epoll, bytes counted and not parsed.

A benchmark whose client is slower than its server measures the client. So a subscriber here is a socket and
an integer: what arrives is received into one shared buffer and its frames are counted by one C call, without
a parser, a task or an allocation per event. The generator reports its own share of its core next to every
figure and says so when it was the limit.

It knows no product: a `Target` says what to send, and the same code loads every server.
"""
