"""`fast-sse publish`: one message, or a file of them over several connections."""
