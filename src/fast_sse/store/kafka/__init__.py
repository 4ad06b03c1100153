"""The Kafka store: one topic with one partition is the log, and each node keeps a view of it in SQLite.

  store         the contract, made of the parts below
  settings      how clients and topic are configured, and what `kafka.options` may add
  topic         the topic: made, checked, asked for its ends
  watch         whether the topic is still the same one
  entry         a message as bytes of the topic, and back
  sender        the producer, and which publishes failed
  appends       publishes under way, answered when they are read back
  topic_reader  the thread that reads the topic into the view
  view          what was read, and what the topic let go
  view_file     the file of it: found, checked, made anew
  fold          entries of the topic as rows of the view
  controls      what dead letters say in the topic
  letter_fold   such entries as dead letters of the view
  letters       the contract of dead letters
  bound         which keys count when there are too many
  pages         pages of the view, with cursors that carry fingerprints
  readers       threads that read the view
  failures      Kafka's errors in the hub's words

docs/store-kafka.md says what this store promises, docs/adr/009 and 010 why it is made like this.
"""
