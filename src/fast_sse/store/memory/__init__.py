"""The log in memory: for tests, and where nothing must outlive the process.

store    the contract, kept in this process
log      records by position, with three indexes
letters  dead letters, by the rows of a database in memory

The suite that proves the durable stores proves this one, too.
"""
