"""The Redis store: one log in one Redis (or Valkey) server, for several nodes.

  store         the contract, made of the parts below
  writer        the appends of one tick, sent as a few script calls, in order
  reader        one XREAD for this node; how it notices that the log is not what it was
  trail         the places that were read, to find where a lost tail begins
  high_water    the newest place that this node has given
  log           the scripts as calls
  letters       the dead letters: turns, and what operators do, each one script
  letter_codec  turns as words of a script, letters as objects
  codec         entries as records, places as cursors
  scripts       the Lua files, each one atomic step
  link          a connection that comes back by itself, with the scripts loaded
  wire          one connection: commands out, replies in, in order
  server        what a server's settings promise: the judgement of the store and of the doctor
  commands      every command that is sent: the rights that the user needs
  target        the URL: where the server is, as which user, over which TLS
  errors        what a reply, or a lost connection, means for a publish

`lua/prelude.lua` documents every key, and docs/store-redis.md what the store promises.
"""
