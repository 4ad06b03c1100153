"""From the log to live sets: asyncio, but no sockets, no HTTP and no concrete store."""
