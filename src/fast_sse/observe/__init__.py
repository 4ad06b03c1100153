"""What is seen of a hub, as facts and as numbers. Neither ever changes what the hub does.

observer    the facts, and who takes them
observers   several observers as one
logging     facts and everything else as lines, cleaned
console     a line for a person at a terminal
access      a line for each request, and for each stream that ended
lines       lines on a descriptor whose reader may be slow or gone
spans       what the hub asks of tracing
tracing     the same by OpenTelemetry
metrics     samples: what a part counts, read when asked
prometheus  samples as the text that Prometheus reads
history     the last quarter of an hour of them, for charts
process     the process in numbers
loop_lag    how late the event loop is
"""
