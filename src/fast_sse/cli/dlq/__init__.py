"""`fast-sse dlq`: dead letters on the command line. A command asks the operators' listener; nothing is done here.

options    what the commands share: which letters, which hub
texts      a letter and a time for people
looking    `dlq list` and `dlq show`
runs       one run over many letters: counted first, page by page, at a pace, until its end or Ctrl-C
replaying  `dlq replay`
purging    `dlq purge`
entries    entries of a dead-letter stream of Redis, as the hub takes them
importing  `dlq import`
command    the group of commands

A run can be broken off at any time: a letter is replayed and gone, or it is there, and the same command goes on with what is
left.
"""
