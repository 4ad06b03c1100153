"""The Kafka store: one topic with one partition is the log, and each node keeps a view of it in SQLite."""
