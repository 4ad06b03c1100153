"""The second listener, for operators only: it shows and repairs, and is never on the road of a message.

app         the whole application: guards around routes, and errors in the form of the public protocol
health      is the loop alive, and may this node be sent publishers or subscribers?
metrics     the numbers, for Prometheus
channels    erase what was published to a channel
answers     answers of the public protocol as Starlette sends them
guard       what a request must show: the key, and that no web page sent it
server      uvicorn on a socket and a loop of ours
door        deadlines for heads, and a bound for connections
"""
