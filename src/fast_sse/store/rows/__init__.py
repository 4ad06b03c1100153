"""The log as rows of SQLite: what the SQLite store and Kafka's view share. Plain synchronous code over one connection.

  schema         the tables on disk and their version
  log            the statements: rows, keys, losses, marks
  entries        rows ready to bind, and the one statement that inserts many of them
  channels       numbers that stand for channels, and the cache of them
  body           one record as one value, behind its checksum
  checksums      of what lies beside a body
  statements     the text of a page's one SELECT: four ways to find what matches
  pages          a page read, and which of the ways is taken
  since          where a time begins, by halving
  check          whether rows are what was written
  connect        a connection, and what an error of SQLite means
  wal            the write-ahead log kept small, whoever reads
  letter_tables  the tables of dead letters
  letters        dead letters written: made, removed, counted, bounded
  letter_pages   dead letters read
  letter_check   whether dead letters are what was written
  turns          what nodes decided about letters, applied

Whoever owns the connection owns the thread and the transaction.
"""
