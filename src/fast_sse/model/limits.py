"""Every bound of the hub in one frozen place, units last in the name.

A limit that is reached is counted and named in an error; nothing is bounded silently. Tests may lower any
of them with `msgspec.structs.replace`.
"""

from __future__ import annotations

import msgspec

KIB = 1024
MIB = 1024 * KIB


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The hub's bounds. Defaults are those of the public protocol."""

    # -- requests ---------------------------------------------------------------------------------
    #: A publish body as sent.
    body_bytes_max: int = MIB
    #: A gzip body after inflating, and how many times longer than sent it may become.
    inflated_bytes_max: int = 4 * MIB
    inflate_ratio_max: int = 100
    #: A batch, as sent and inflated, and its lines.
    batch_bytes_max: int = 16 * MIB
    batch_lines_max: int = 10_000
    #: Bodies on their way whose signature covers them, all together: until the last byte no signature vouches for them.
    bodies_unvouched_bytes_max: int = 64 * MIB
    #: Request line and headers together.
    head_bytes_max: int = 32 * KIB
    #: Heads of requests that are kept to be known again, and their bytes; 0 keeps none.
    heads_kept_max: int = 8192
    heads_kept_bytes_max: int = 8 * MIB
    #: Levels of arrays and objects in a message's `data`, and in its `user`.
    json_depth_max: int = 64
    #: Entries of a publisher's `headers`.
    header_count_max: int = 64
    #: A message's line on a stream above which it is counted as long, since some clients read no longer one; 0 = off.
    line_bytes_warn: int = 64 * KIB
    #: Bytes of data and headers from which on a message is packed for streams in payload mode.
    payload_bytes_min: int = KIB
    #: Requests of one connection that may wait for their answer before reading pauses.
    pipeline_requests_max: int = 32
    #: UTF-8 bytes of an idempotency key.
    key_bytes_max: int = 256
    #: Seconds from a request's first byte (or the connection's start) to the end of its head.
    header_s: float = 10.0
    #: Seconds from the end of the head to the end of the body.
    body_s: float = 30.0
    #: Seconds an idle keep-alive connection is held. Above the usual 60 s of proxies, so they close first.
    keep_alive_s: float = 75.0

    #: Messages a second that one client address may publish, in bursts of one second; 0 = no bound.
    publish_rate: float = 0

    # -- publishing ---------------------------------------------------------------------------------
    #: Drafts that may wait for the store before publishes are answered 503 `overloaded`.
    publishes_pending_max: int = 100_000
    #: Bytes of those drafts.
    publish_bytes_pending_max: int = 64 * MIB
    #: Seconds a publish may wait for the store before it is answered 504 `unknown`.
    append_s: float = 10.0

    # -- streams ------------------------------------------------------------------------------------
    #: Open streams; above it a subscriber is told to come back (200, `retry:`, close). 0 = no bound.
    streams_max: int = 0
    #: Seconds between heartbeats of one stream, before jitter.
    heartbeat_s: float = 15.0
    #: Open streams of one client address; 0 = no bound.
    streams_per_address_max: int = 0
    #: Age at which a stream's client is told to come back; the last fifth of it is jitter.
    connection_age_s: float = 3600.0
    #: Seconds without progress after which a peer is cut.
    stall_s: float = 30.0
    #: Queued bytes of one connection above which it leaves its live set.
    write_buffer_bytes_max: int = 64 * KIB
    #: Largest single write of joined frames (or one larger record).
    flush_bytes_max: int = 256 * KIB
    #: Frames waiting for a flush over all live sets; above it the follower waits.
    pending_bytes_max: int = 16 * MIB
    #: Longest wait before the next flush while flushing is the bottleneck.
    coalesce_ms_max: float = 5.0
    #: Milliseconds of `retry:` at the start of a stream, before jitter.
    retry_ms: int = 2000
    #: Milliseconds of `retry:` when told to come back later, before jitter of 50 %.
    overload_retry_ms: int = 15_000
    #: Milliseconds of `retry:` for a client whose signature has run out, before jitter of a third.
    expired_retry_ms: int = 45_000
    #: `last=N`.
    last_records_max: int = 1000

    # -- compression --------------------------------------------------------------------------------
    #: Flushes that a live set compresses with one window, and seconds; then it begins anew, and all members share it.
    epoch_flushes_max: int = 200
    epoch_s_max: float = 30.0
    #: Members from which on a live set has such a window.
    epoch_members_min: int = 8
    #: Live sets that have one at a time, some 150 KiB each; 0 = none.
    epoch_sets_max: int = 256

    # -- catch-up -----------------------------------------------------------------------------------
    #: Recent records this node keeps encoded.
    tail_bytes_max: int = 32 * MIB
    tail_records_max: int = 65_536
    #: Records a joiner may scan in the tail at once; a longer way goes through the store's indexes.
    tail_scan_records_max: int = 4096
    #: One page of a catch-up.
    page_records_max: int = 512
    page_bytes_max: int = 256 * KIB
    #: Store reads in flight for all catch-ups together.
    reads_concurrent_max: int = 16
    #: Wait after a failed store read, doubled each time up to the maximum.
    retry_store_s: float = 0.2
    retry_store_s_max: float = 5.0

    # -- foreign queues -----------------------------------------------------------------------------
    #: Entries of a queue that are in hand at a time, from reading to acknowledging.
    ingest_entries_max: int = 100
    #: Bytes of them that are given to the store at once (or one larger entry).
    ingest_bytes_max: int = 4 * MIB
    #: Seconds after a reader's last sign of life until another node reads its queue.
    ingest_lease_s: float = 10.0
    #: Seconds that a drain waits for entries in hand to be stored and acknowledged.
    ingest_stop_s: float = 2.0

    # -- delivery -----------------------------------------------------------------------------------
    #: Letters of poison that are kept.
    poison_max: int = 10_000
    #: Names of clients that a message's acks hold.
    ack_names_max: int = 1000
    #: Acks of all recent messages that this node holds.
    acks_max: int = 100_000

    # -- retention ----------------------------------------------------------------------------------
    #: Records one trim step removes at most.
    trim_records_max: int = 500
    #: Seconds between looks for something to trim.
    trim_interval_s: float = 5.0

    #: A quiet stream's id is moved on at least this often, so that it never falls out of the log.
    quiet_id_s: float = 3600.0

    # -- drain --------------------------------------------------------------------------------------
    #: Window over which stream ends are spread.
    drain_s: float = 20.0
