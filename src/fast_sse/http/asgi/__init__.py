"""The public interface under a server of the ASGI kind.

app        scopes to requests, answers to ASGI messages, the lifespan
stream     the transport of an event stream over an awaited `send`
authorize  what the application around the hub lets a request read
"""
