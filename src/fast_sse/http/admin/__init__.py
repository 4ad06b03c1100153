"""The second listener, for operators only: it shows and repairs, and is never on the road of a message.

app         the whole application: guards around routes, and errors in the form of the public protocol
health      is the loop alive, and may this node be sent publishers or subscribers?
metrics     the numbers, for Prometheus
channels    erase what was published to a channel
letters     dead letters: list, show, replay, purge; and how far a message has come
views       a dead letter as JSON: its head, and the whole of it
asked       what a request asks for: parameters that are all known, a body that is short
answers     answers of the public protocol as Starlette sends them
guard       what a request must show: the key, and that no web page sent it
logged      the access log of this listener
server      uvicorn on a socket and a loop of ours
door        deadlines for heads, and a bound for connections
"""
