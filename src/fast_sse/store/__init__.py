"""Where the log lives: one contract, and one package for each store. No store imports another.

  base     the contract of a store
  letters  the contract of dead letters
  memory   the log of one process
  sqlite   the log of one node, on its disk
  redis    the log of several nodes, in a Redis server
  kafka    the log of several nodes, in a Kafka topic
  rows     the log as rows of SQLite, for the store of that name and for a view of a topic
  judge    whether a cursor can be continued, and if not, the gap
  dedup    what an idempotency key makes of a draft
  ranges   a filter as ranges of an index
  record   a draft as a record, and what a record weighs
  relay    from the commits of this process to its followers
  clock    the time of a store on another machine
  pace     the time of a log on this machine, whatever is done to its clock

`tests/contract` proves the contract on all four.
"""
