"""Foreign queues as sources: what other systems put into a Redis stream or a Kafka topic is published here."""
