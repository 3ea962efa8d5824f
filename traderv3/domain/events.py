"""Facts that actors tell each other over the event bus: frozen, named by what happened, times in microseconds since the epoch.

`name` is the fact's word where facts are told apart by name.
"""

from dataclasses import dataclass
from typing import ClassVar

from traderv3.domain.states import State


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The trader changed its state; `context` is a sentence a person understands."""

    name: ClassVar[str] = "state_transition"
    source: State
    target: State
    context: str
    at_us: int


@dataclass(frozen=True, slots=True)
class ConnectionUp:
    """A market-data connection was accepted by the venue."""

    name: ClassVar[str] = "connection_up"
    connection: str
    at_us: int


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """A market-data connection, or an attempt at one, ended; the next attempt comes in `retry_s` seconds."""

    name: ClassVar[str] = "connection_lost"
    connection: str
    reason: str
    retry_s: float
    at_us: int


@dataclass(frozen=True, slots=True)
class GapDetected:
    """A sequence number other than the next one came: `books` books of the subscription are stale until repaired.

    `kind` is `gap`, `rollback` (a number from the past) or `reset` (counted from 1 again); `number` counts these on one
    connection, from 1.
    """

    name: ClassVar[str] = "gap_detected"
    connection: str
    sid: int
    expected: int
    got: int
    books: int
    at_us: int
    kind: str = "gap"
    number: int = 0

    @property
    def missing(self) -> int:
        """How many messages were lost; 0 where the numbers went backwards."""
        return max(0, self.got - self.expected)


@dataclass(frozen=True, slots=True)
class BooksRepaired:
    """Every book that was stale is live again, `took_ms` after the first of them was lost.

    `books` is how many they were, `gaps` the numbers of the gaps this ends; none if single books had been wrong.
    `how` is `snapshot`, `resubscribe` (on the same connection) or `dropped` (what was stale is not ours any more).
    """

    name: ClassVar[str] = "books_repaired"
    connection: str
    took_ms: int
    at_us: int
    how: str = "snapshot"
    books: int = 0
    gaps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FrameProblem:
    """The venue sent something that cannot be believed: `kind` names the rule, `detail` says what and where."""

    name: ClassVar[str] = "frame_problem"
    connection: str
    kind: str
    detail: str
    at_us: int


@dataclass(frozen=True, slots=True)
class MarketsDropped:
    """Tickers that the venue does not serve; the others go on."""

    name: ClassVar[str] = "markets_dropped"
    tickers: tuple[str, ...]
    reason: str
    at_us: int


@dataclass(frozen=True, slots=True)
class MarketsOverLimit:
    """Tickers that the venue takes on no more on this connection; it is asked again, or another connection carries them."""

    name: ClassVar[str] = "markets_over_limit"
    connection: str
    tickers: tuple[str, ...]
    reason: str
    at_us: int


@dataclass(frozen=True, slots=True)
class StreamGap:
    """Something of `channel` was lost for good: whoever lives on it reads by REST what is now.

    `expected` and `got` are sequence numbers, None where the channel has none or the loss is of another kind.
    """

    name: ClassVar[str] = "stream_gap"
    connection: str
    channel: str
    expected: int | None
    got: int | None
    reason: str
    at_us: int


@dataclass(frozen=True, slots=True)
class ChannelGivenUp:
    """The venue has no such channel, or none for our key; the other channels go on."""

    name: ClassVar[str] = "channel_given_up"
    connection: str
    channel: str
    reason: str
    at_us: int


FeedEvent = (
    ConnectionUp
    | ConnectionLost
    | GapDetected
    | BooksRepaired
    | FrameProblem
    | MarketsDropped
    | MarketsOverLimit
    | StreamGap
    | ChannelGivenUp
)
