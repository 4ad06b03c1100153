"""Foreign queues as sources: what other systems put into a Redis stream or a Kafka topic is published here.

  source         the life of a source, whichever queue it reads
  package        the package that an entry carries, as a draft
  poison         what cannot become a message, as a dead letter, and back again
  forward        publishes entries in order, until each is stored or, as poison, kept
  figures        counts of one queue
  redis_stream   a Redis stream as a source
  redis_hole     what a Redis stream let go unread
  lease          the right of one node to read a stream
  kafka_topic    a Kafka topic as a source
  kafka_session  one membership in the consumer group, on its own thread

The Lua files are the steps that Redis takes at once, each under the lease; `take.lua` also finds the holes.
"""
