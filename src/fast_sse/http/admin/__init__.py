"""The second listener, for operators only: it shows and repairs, and is never on the road of a message.

app           the whole application: guards around routes, and errors in the form of the public protocol
health        is the loop alive, and may this node be sent publishers or subscribers?
metrics       the numbers, for Prometheus
live          the same as a stream, for the dashboard
pages         the dashboard's own files
channels      which channels are busy and listened to; erase what was published to one
messages      what the log holds of a channel, and of one message
tail          a channel as it is written, as a stream
subscribers   streams that are slow, behind, or old; end one
trial         publish by hand
nodes         settings in force, and the nodes that share the log
letters       dead letters: list, show, replay, purge; and how far a message has come
views         messages and dead letters as JSON
guard         what a request must show: the key or a session, and that no page of a stranger sent it
session       the key in exchange for a cookie
event_stream  answers that go on: how many, and how they end
asked         what a request asks for: parameters that are all known, a body that is short
answers       answers of the public protocol as Starlette sends them
logged        the access log of this listener
server        uvicorn on a socket and a loop of ours
door          deadlines for heads, and a bound for connections
"""
