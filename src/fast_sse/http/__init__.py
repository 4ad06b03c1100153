"""HTTP in and out: the rules of the public interface stand once, in `api`; the servers carry bytes to it and back.

api           the rules: what a request asks for, and what it is answered
front         our own HTTP/1.1 server on sockets
asgi          the same rules under a server of the ASGI kind
admin         the operators' listener
tokens        tokens of an identity provider, as a right to subscribe
message       the values between servers and rules: Request, Response, Stream, Deferred
errors        from an error to its JSON answer
indicator     how far a message has come, as JSON
wire          from an answer to its bytes
boundary      the wall around the rules: no exception gets past it
logged        the same wall where there is an access log
request_head  the checks of a head that every server needs, and what of it is kept
hosts         is a Host one of our own names?
addresses     addresses as numbers, and the proxies that are trusted
"""
