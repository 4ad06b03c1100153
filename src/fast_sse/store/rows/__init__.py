"""The log as rows of SQLite: what the SQLite store and Kafka's view share."""
