"""Our own HTTP/1.1 server on sockets (docs/adr/002). It knows no rule of the interface.

front           the listener's protocol factory: what all connections share, and the end of them
connection      one connection: answers in the order of the requests
flow            when a connection is read, how long it may wait, how it ends
reader          from bytes to requests, with llhttp, in bounded turns
assembly        from what llhttp reports to one request
known_heads     heads that came before, found by their bytes (docs/adr/014)
shared          what all connections of a listener refer to
bodies          a bound for requests on their way whose signature is not verified yet
turns           connections that sent more than a turn's worth
deadlines       one timer for all connections
descriptors     file descriptors that clients cannot have
acknowledged    what the kernel knows of a peer that is silent
introductions   connections that begin with a PROXY header
proxy_protocol  from bytes to that header
listener        bound sockets and their options
unix_socket     the path of a Unix socket
tls             the certificate
"""
