"""The rules of the public interface: what a request asks for, and what it is answered. No server, no socket.

paths           the paths of the routes
refusals        why a signature was refused, for the log
headers         the headers that are read
routes          the table of routes, and the look-up in it
credential      what a request shows for its right to read
access          who may do what: keyring, allow-lists, where a signature may stand
clients         who a request comes from, publish rates, streams of one client
cors            requests of pages from other origins
body            media types, and gzip under caps
ndjson          the lines of a batch
later           answers that take longer than a turn of the loop
drafting        from a checked body to the draft of a message
ignored         fields of a publish that are not known
publish_routes  what the publish routes share, and the words of a 2xx
publishing      one message; the load route
batching        many messages
forms           the wire form that a request asks for
subscribing     event streams
history         what is retained, a page at a time
delivery        how far a message has come, and acks
page            the demo page
health          the path for balancers
endpoints       all of it put together: what a server calls
traced          the same where tracing is on
"""
