"""The bounds that hold between parts, in one table with their reasons; their relations are asserted at import.

A bound of one part alone stands in that part, with its reason.

Units: names in `_s` are seconds.
"""

from dataclasses import dataclass
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
    # A heartbeat older than this is a failure of the actor.
    heartbeat_s: float = 30.0
    # The loop itself standing still for so long ends the process.
    stall_s: float = 10.0
    # Ordered shutdown within 10 s (design, section 3), then the process ends anyway.
    shutdown_s: float = 10.0


LIMITS: Final = Limits()

assert LIMITS.reconnect_most_s + LIMITS.connect_s + LIMITS.handshake_s + LIMITS.answer_s < 2 * LIMITS.heartbeat_s
assert LIMITS.ping_s * 2 < LIMITS.silence_s, "one lost pong must not look like a dead socket"
assert LIMITS.handler_s < LIMITS.heartbeat_s
assert LIMITS.markets_per_connection <= LIMITS.subscribe_chunk
