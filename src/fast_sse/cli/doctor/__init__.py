"""`fast-sse doctor`: what it looks at, and what it says about it.

command         the command: every check in the order of the report
findings        what a check says: a colour, what was found, what to do
check_settings  settings that are allowed and open a door
check_tokens    the keys of an identity provider
check_machine   open files, ports, clock, versions
check_store     the directory, the disk and the log of the SQLite store
check_redis     the settings of a Redis server
ask_redis       the questions to that server, over the store's own client
check_kafka     the settings of a Kafka topic
ask_kafka       the questions to its cluster

A check looks and measures, and changes nothing.
"""
