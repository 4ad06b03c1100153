"""The log in memory: for tests, and where nothing must outlive the process.

store  the contract, kept in this process
log    records by position, with three indexes

The suite that proves the durable stores proves this one, too.
"""
