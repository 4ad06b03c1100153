"""`fast-sse bench`: a load generator for servers of server-sent events, and the scenarios it plays.

A benchmark whose client is slower than its server measures the client. So a subscriber here is a socket and
an integer: what arrives is received into one shared buffer and its frames are counted by one C call, without
a parser, a task or an allocation per event. Several processes share the subscribers where there are cores for
them; each reports its share of its core, and the figures say when the generator was the limit.

It knows no product: a `LoadTarget` says what to send, and the same code loads every server.

  scenarios    the scenarios by name
  burst        deliveries a second at full speed
  steady       publishing at a fixed rate
  publishes    publishes a second
  resume       catching up
  idle         what a subscriber costs that waits
  original     the load test of the original's README
  k6           its figures in the words of that README
  steps        what scenarios are made of
  target       what to send to a server
  connections  subscribers as sockets and counters
  counters     frames counted in bytes
  consumer     a subscriber that keeps what it got
  publisher    keep-alive connections that publish
  loop         the event loop
  conductor    starts the processes, and ends them
  crew         what the processes have in common
  figures      percentiles and sums
  cpu          CPU time and memory
"""
