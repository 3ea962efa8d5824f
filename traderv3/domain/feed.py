"""What is known of the market data right now: the books, what came in, and how the connection stands.

One writer (the connectors), many readers; every write is complete before anybody else can run, so a reader sees state
and levels together. It outlives the actors that write it.
Units: times in microseconds since the epoch.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from traderv3.domain.book import Book, BookState


class Link(enum.StrEnum):
    """How one connection stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


@dataclass(slots=True)
class FeedCounters:
    """What came in since the process started, over all connections. Only ever grows."""

    messages: int = 0
    snapshots: int = 0
    deltas: int = 0
    deltas_unused: int = 0  # for a book that waits for its snapshot, or that nobody asked for
    gaps: int = 0
    duplicates: int = 0
    resyncs: int = 0
    reconnects: int = 0
    protocol_errors: int = 0  # unreadable, missing fields, impossible values
    unknown_types: int = 0
    negative_levels: int = 0
    crossed_books: int = 0


@dataclass(slots=True)
class Feed:
    """The market data of the whole process.

    `problem` is a sentence about something that a person must mend (a refused key, no market left), None otherwise.
    `absent` maps a wanted ticker to why it has no book.
    """

    books: dict[str, Book] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    counters: FeedCounters = field(default_factory=FeedCounters)
    link: Link = Link.DISCONNECTED
    link_reason: str = "not tried yet"
    connected_us: int | None = None  # None while down
    first_snapshot_us: int | None = None
    last_message_us: int | None = None
    was_accepted: bool = False  # the venue took our key at least once in this process
    problem: str | None = None
    exchange_active: bool | None = None  # None: not known
    trading_active: bool | None = None

    def watch(self, tickers: Iterable[str]) -> None:
        """Hold a book for each ticker from now on; those held already stay as they are."""
        for ticker in tickers:
            self.books.setdefault(ticker, Book(ticker))

    @property
    def live(self) -> int:
        """Books that may be believed."""
        return sum(book.state is BookState.LIVE for book in self.books.values())

    @property
    def stale(self) -> list[str]:
        """Tickers whose book was live once and is not to be believed now."""
        return [ticker for ticker, book in self.books.items() if book.state is BookState.STALE]

    @property
    def syncing(self) -> list[str]:
        """Tickers that wait for their first snapshot, those with a known absence left out."""
        return [t for t, book in self.books.items() if book.state is BookState.SYNCING and t not in self.absent]

    @property
    def unserved(self) -> list[str]:
        """Tickers for which the venue gives no usable snapshot while it serves others."""
        return [t for t, book in self.books.items() if book.is_unserved and t not in self.absent]
