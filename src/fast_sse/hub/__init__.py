"""From the log to live sets: asyncio, but no sockets, no HTTP and no concrete store.

    form          the wire form: framing, positions, heartbeats, last words
    subscription  what a stream is opened with: Start, Subscription
    frames        records to bytes, one by one or a page at a time
    tail          the recent records of this node, each encoded once
    packing       packed frames that take long to make, in a thread
    arrivals      from a publish to the flush that first wrote it: how live the hub is
    waiting       what waits for a hand-over or a decision, in log order
    handover      what this node handed over: counts on the tail, and the sweep over them
    page_blocks   pieces of pages, compressed once for all who come for them
    lane          members that are written the same bytes
    coder         compresses a live set once for all members
    live_set      all level streams of one filter in one form; what waits for their next flush
    index         a record's channel to the live sets that match
    fanout        delivery, the tick, and the follower's back-pressure
    wheel         one timer for all streams
    pace          how long streams that come keep the loop at a time
    ground        what a stream stands on: clock, limits, the way to the store, counts
    outgoing      what goes out on one stream, and where its client then stands
    acks          names of clients that said that they have a message
    telling       one node's half of the turns: what it says to its store, and what it hears
    report        what the dead letters let operators see
    subscriber    one stream and its states
    catch_up      moves a stream that is behind, by pages of the store and along the tail
    streams       the registry: open, revoke, drain
    busy          which channels have the most messages
    watch         streams and channels, as operators see them
    retained      what the log holds, for operators
    supervised    loud, and alive: attempt after attempt
    ending        an end that is reached whoever is cancelled meanwhile
    dead_letter   the turns of one process, from its beginning to its goodbye
    delivery      the delivery indicator: how far a message has come
    follower      the one reader of the log
    retention     trimming, and ids of quiet channels that move on before it
    probe         would a publish be stored?
    long_lines    messages that some clients cannot read, counted
    publishes     appends in flight, bounded, each answered by its deadline
    send_time     the text of `send_time`, for those who draft messages
    replays       from a dead letter to the draft of its replay
    letter_run    a run over many letters: where it stands, and where it ends
    letters       what operators do with dead letters: list, show, replay, purge
    hub           the front door
    consumer      a subscriber that is code of this process
    traced        the same door where tracing is on

The list is an order: each file imports only files above it, and tests/test_layout.py keeps it so.
"""
