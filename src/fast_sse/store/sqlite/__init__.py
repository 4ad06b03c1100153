"""The SQLite store: the log in one directory of this machine, fsynced before it is acknowledged.

A publish goes from the loop's thread to the writer's and back: store, group, writer, keeper, answers. Reading has threads of
its own, and looking for damage another one.

  store     the contract, made of the parts below
  group     one call of `append` numbered and ready to bind; several of them as one transaction
  parts     a large append, committed part by part
  writer    the one thread that writes, by group commit
  keeper    what that thread does to the log, and what becomes of it when the disk fails
  answers   what a committed group's publishers and followers are given
  reader    the threads that read, and pages as the contract has them
  trim      how far retention goes in one step
  erasing   a channel overwritten in steps
  damage    what is known to be unreadable; pages read past it
  audit     looking through the whole log for damage, again and again
  verify    whether a backup is whole
  backup    all that a log holds in one file, while the hub runs
  restore   a backup made the log of an empty directory
  failures  what an error says about the write that met it
  letters   the dead letters, on the writer's thread
  opening   the files opened on a thread, and let go when nobody waits for it
  files     opening a directory: its lock, and what was lost since last time
  reserve   the sidecar that says which positions may have been given
  ballast   room kept for the day the disk is full
  upgrade   a log of an earlier schema, written anew beside it
  earlier   logs of earlier schemas, read as what they hold
  compact   the file made as short as what it holds
  replace   a second file that takes the log's name
"""
