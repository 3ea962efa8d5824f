"""The bounds that hold between parts, and of everything that is kept, with their reasons; relations are asserted at import.

Whatever storage lets wait or pile up, in memory or on disk, is bounded here. Another bound of one part alone stands in
that part, with its reason.

Units: names in `_s` are seconds, in `_days` days, in `_bytes` and `_bytes_max` bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers that the coordinator hands to the parts."""

    # How soon we try again after the venue is lost: at most 20 s between the first five tries (design, section 3).
    reconnect_first_s: float = 0.2
    reconnect_most_s: float = 20.0
    # Clients in the wild send tickers in chunks of about 200; the venue's own limit is not published.
    subscribe_chunk: int = 200
    # Markets on one connection unless V3_CONNECTIONS says how many connections: one chunk each, so that a new
    # connection is subscribed in one command and a lost one takes few books along.
    markets_per_connection: int = 200
    # A command or snapshot that the venue leaves unanswered for so long is asked for again, then the connection goes.
    answer_s: float = 5.0
    # An order that the venue leaves unanswered for so long is unknown and its connection closed: later than this nothing
    # of it is on its way from us. Together with the reads that then look for it below the 5 s in which a restart must
    # know where it stands.
    order_s: float = 2.5
    # We ping every 10 s; a socket with neither bytes nor pong for 30 s is dead (design, section 7).
    ping_s: float = 10.0
    silence_s: float = 30.0
    connect_s: float = 10.0
    handshake_s: float = 10.0
    # A whole room, or the embedded exchange, that went down comes back no sooner than an outage is worth a transition.
    room_first_s: float = 1.5
    room_most_s: float = 4.0
    room_restarts_max: int = 10  # in a minute; more is a bug that restarting does not mend
    # The next try out of `error` (state machine): the connector itself tries all the time.
    error_first_s: float = 2.0
    error_most_s: float = 30.0
    # One subscriber's mailbox on the event bus, and how long its handler may take (design, section 5).
    bus_capacity: int = 1000
    handler_s: float = 5.0
    # Connections made and lost, as the console shows them.
    events_kept: int = 200
    # What the console can go back to, compressed: hours of a quiet trader, some ten minutes of 1,000 busy markets.
    past_bytes_max: int = 16 << 20
    # A heartbeat older than this is a failure of the actor.
    heartbeat_s: float = 30.0
    # The loop itself standing still for so long ends the process.
    stall_s: float = 10.0
    # Ordered shutdown within 10 s (design, section 3), then the process ends anyway.
    shutdown_s: float = 10.0


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """The raw journal's bounds. Sizes on disk are compressed."""

    # What may wait for the disk: two minutes of the busiest recorded session (825 frames/s of 270 bytes), and 70 MB.
    queue_frames_max: int = 200_000
    queue_bytes_max: int = 32 << 20
    # One round of the thread: large enough that waiting for the interpreter (5 ms a time) does not slow it at full
    # load, small enough that joining its lines does not hold the loop up.
    round_bytes_max: int = 8 << 20
    # How often lines go to the kernel: a killed process loses so much, and the promise is one second.
    flush_s: float = 0.25
    sync_s: float = 1.0
    retry_s: float = 1.0
    # A segment is what is deleted at once, copied, or read from its beginning to find a minute of it.
    segment_bytes_max: int = 64 << 20
    segment_s_max: float = 3600.0
    # All segments of one environment: about a month of six busy markets.
    total_bytes_max: int = 4 << 30
    # An ordered stop writes what waits for so long; then a disk that hangs is left behind.
    drain_s: float = 3.0
    hang_s: float = 1.0

    def __post_init__(self) -> None:
        assert self.flush_s < 1.0, "a crash loses at most the last second"
        assert self.round_bytes_max <= self.queue_bytes_max
        assert 2 * (self.segment_bytes_max + self.round_bytes_max) <= self.total_bytes_max


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """The bounds of the write queue to the database, in rows and seconds."""

    # Some 10 MB; a minute of 300 rows a second, should the spill's disk be slow as well.
    capacity: int = 20_000
    # The original's, both; a killed process loses at most `batch_s`.
    batch_rows: int = 100
    batch_s: float = 1.0
    # At a time out of the spill (an hour's outage is made up for in minutes) and into it, with one fsync.
    drain_rows: int = 500
    spill_rows: int = 1000
    # A call that takes longer than `hang_s` is an outage, and is said; after `call_s` it is cut off: a migration of a
    # large database may take so long.
    hang_s: float = 3.0
    call_s: float = 120.0
    # The next try while the database is away.
    retry_first_s: float = 0.2
    retry_most_s: float = 10.0
    # When asked to stop: to write what waits, then to spill it, and once more to close the connection.
    flush_s: float = 2.0
    farewell_s: float = 1.0
    # Losses go on for as long as a disk is full; so does the log.
    said_every_s: float = 60.0

    def __post_init__(self) -> None:
        assert 0 < 2 * self.batch_rows <= self.capacity
        assert self.batch_s < self.hang_s < self.call_s

    @property
    def stop_s(self) -> float:
        """The longest an ordered stop takes."""
        return self.flush_s + 2 * self.farewell_s


@dataclass(frozen=True, slots=True)
class SpillLimits:
    """The bounds of one environment's spill on disk."""

    bytes_max: int = 256 << 20  # an hour of 400 rows a second
    segment_bytes: int = 8 << 20  # what is deleted at once
    refused_bytes_max: int = 4 << 20  # rows set aside are for a person to read, and nobody reads more

    def __post_init__(self) -> None:
        assert 0 < self.segment_bytes <= self.bytes_max


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """How long the database keeps what is sampled, by table. All else (trades, orders, transitions, …) stays for good."""

    # A market that never rests makes 86,400 rows of each a day, some 20 MB; a quiet one makes none.
    days: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({"tops": 7, "bars": 90}))
    # Deleted at a time: a few ms of the database, and more in a second than a hundred markets write.
    batch_rows: int = 500
    every_s: float = 600.0

    def __post_init__(self) -> None:
        assert self.batch_rows > 0
        assert all(days > 0 for days in self.days.values())


LIMITS: Final = Limits()
JOURNAL: Final = JournalLimits()
WRITE_QUEUE: Final = QueueLimits()
SPILL: Final = SpillLimits()
RETENTION: Final = RetentionLimits()

assert LIMITS.reconnect_most_s + LIMITS.connect_s + LIMITS.handshake_s + LIMITS.answer_s < 2 * LIMITS.heartbeat_s
assert LIMITS.ping_s * 2 < LIMITS.silence_s, "one lost pong must not look like a dead socket"
assert LIMITS.handler_s < LIMITS.heartbeat_s
assert LIMITS.markets_per_connection <= LIMITS.subscribe_chunk
assert JOURNAL.drain_s + JOURNAL.hang_s + WRITE_QUEUE.stop_s < LIMITS.shutdown_s, "what waits is kept at a stop"
assert WRITE_QUEUE.capacity * 1000 < SPILL.bytes_max, (
    "all that waits in memory finds room on disk; a row has some 300 bytes"
)
assert RETENTION.batch_rows / WRITE_QUEUE.batch_s > 2 * 100, (
    "deleted faster than a hundred markets write, two rows a second each"
)
assert JOURNAL.sync_s + JOURNAL.retry_s < LIMITS.heartbeat_s
