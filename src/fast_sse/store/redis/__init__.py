"""The Redis store: one log in one Redis (or Valkey) server, for several nodes.

target      the URL: where the server is and how to speak to it
wire        one connection: commands out, replies in, in order
link        a connection that comes back by itself, with the scripts loaded
scripts     the Lua files, each one atomic step; `lua/prelude.lua` documents every key
errors      what a reply or a lost connection means for a publish
codec       entries to records, places to cursors
server      what the server's settings promise, looked at on every connect
writer      what arrives in one tick, as few script calls, in order
reader      one XREAD for this node, and how it notices that the log is not what it was
store       the contract
"""
