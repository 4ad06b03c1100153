"""Our own HTTP/1.1 server over sockets; it knows no rule of the interface."""
