"""What is known of the market data right now: the books, what came in, and how the connections stand.

One writer (the connectors and discovery), many readers; every write is complete before anybody else can run, so a reader
sees state and levels together. It outlives the actors that write it.
Units: times in microseconds since the epoch.
"""

import enum
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from traderv3.domain.book import Book, BookState
from traderv3.domain.errors import ConnectivityError
from traderv3.domain.fees import FeeSchedule
from traderv3.domain.hours import Hours
from traderv3.domain.latency import Latency
from traderv3.domain.market_facts import Trade
from traderv3.domain.price_grid import PriceGrid

GAPS_KEPT: Final = 200
AWAY_FAILURES: Final = 3  # one lost connection, and two tries in vain


class Link(enum.StrEnum):
    """How one connection stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


@dataclass(slots=True)
class Line:
    """One connection to the venue's stream, or the attempt at one. `tickers` are the markets whose books it carries."""

    link: Link = Link.DISCONNECTED
    reason: str = "not tried yet"
    connected_us: int | None = None  # None while down
    last_message_us: int | None = None
    heard_us: int | None = None  # when bytes last came, answers to our pings included
    tickers: tuple[str, ...] = ()
    has_books: bool = True  # False: other channels; what the feed says of its link is not about it
    was_up: bool = False  # at least once in this process
    failures: int = 0  # in a row: connections that could not be had, brought nothing, or did not last
    renewal: str | None = None  # why somebody wants this connection to be made anew

    @property
    def holds(self) -> bool:
        """Whether books are written from here now."""
        return self.has_books and self.link is Link.CONNECTED


@dataclass(slots=True)
class FeedCounters:
    """What came in since the process started, over all connections. Only ever grows."""

    messages: int = 0
    snapshots: int = 0
    deltas: int = 0
    deltas_unused: int = 0  # for a book that waits for its snapshot, or that nobody asked for
    gaps: int = 0
    duplicates: int = 0
    rollbacks: int = 0  # a number from the past
    resets: int = 0  # the venue began to count anew on a running subscription
    resyncs: int = 0
    reconnects: int = 0
    protocol_errors: int = 0  # unreadable, missing fields, impossible values
    unknown_types: int = 0
    unknown_fields: int = 0
    negative_levels: int = 0
    crossed_books: int = 0
    clock_backwards: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """What a market is, as the venue lists it; None where it does not say."""

    title: str | None = None
    close_us: int | None = None
    grid: PriceGrid | None = None
    event_ticker: str | None = None
    shard: int = 0  # of the exchange, where its orders are matched


@dataclass(frozen=True, slots=True)
class EventTerms:
    """What holds for every market of an event. `is_exclusive`: at most one of its markets comes out YES."""

    series_ticker: str
    is_exclusive: bool
    fees: FeeSchedule


@dataclass(slots=True)
class GapEntry:
    """One line of the gap journal. `how` and `stale_ms` are None while the repair is under way."""

    connection: str
    at_us: int
    what: str  # what went missing, in a sentence
    missing: int  # sequence numbers; 0 where the trouble was of another kind
    books: int
    how: str | None = None  # snapshot, resubscribe, reconnect; dropped: what was stale is not ours any more
    stale_ms: int | None = None


@dataclass(slots=True)
class Feed:
    """The market data of the whole process.

    `problem` is a sentence about something that a person must mend (a refused key, no market left), None otherwise.
    `absent` maps a wanted ticker to why it has no book, `closed` one whose market is over to how: its last book stays.
    `statuses` maps a ticker to the venue's word for its market (active, inactive, closed, …).
    `suspects` maps a ticker whose book was found wrong from outside to why; its connector takes it from there.
    `listings` maps a ticker to what its market is, `last_trades` to its newest public trade, as far as they are known;
    `events` maps an event's ticker to its terms.
    `wake` is called once after each batch that wrote books, and when books go stale; it must not wait.
    `receive_to_book` is how long a batch takes from its bytes having been read to every book having been written.
    """

    books: dict[str, Book] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    suspects: dict[str, str] = field(default_factory=dict)
    listings: dict[str, Listing] = field(default_factory=dict)
    last_trades: dict[str, Trade] = field(default_factory=dict)
    events: dict[str, EventTerms] = field(default_factory=dict)
    receive_to_book: Latency = field(default_factory=Latency)
    counters: FeedCounters = field(default_factory=FeedCounters)  # of the books
    channel_counters: FeedCounters = field(default_factory=FeedCounters)  # of every other channel
    gaps: deque[GapEntry] = field(default_factory=lambda: deque(maxlen=GAPS_KEPT))
    lines: dict[str, Line] = field(default_factory=dict)  # by the name of the connector
    hours: Hours = field(default_factory=Hours)
    search_reason: str = "not tried yet"  # why the markets are not known yet
    connections_made: int = 0  # to the stream, by whichever connector; each has its number
    first_snapshot_us: int | None = None
    was_accepted: bool = False  # the venue took our key at least once in this process
    problem: str | None = None
    mark: Callable[[str, str, str], None] = lambda event, ticker, reason: (
        None
    )  # what others did to a book, for the tape
    wake: Callable[[], None] = lambda: None

    def terms(self, ticker: str) -> EventTerms | None:
        """The terms of a market's event, as far as they are known."""
        listing = self.listings.get(ticker)
        return None if listing is None or listing.event_ticker is None else self.events.get(listing.event_ticker)

    def watch(self, tickers: Iterable[str]) -> None:
        """Hold a book for each ticker from now on; those held already stay as they are."""
        for ticker in tickers:
            self.books.setdefault(ticker, Book(ticker))

    def line(self, name: str) -> Line:
        """The connection of that name, made if need be."""
        return self.lines.setdefault(name, Line())

    def suspect(self, ticker: str, reason: str) -> None:
        """A book was found wrong from outside: stale from now on, and its connector asks for it again."""
        if self.books[ticker].mark_stale(reason):
            self.suspects[ticker] = reason
            self.mark("suspect", ticker, reason)

    def close(self, ticker: str, reason: str) -> None:
        """A market is over: what is held of its book is its last word."""
        self.closed[ticker] = reason
        self.suspects.pop(ticker, None)
        self.books[ticker].mark_stale(reason)
        self.mark("closed", ticker, reason)

    def reopen(self, ticker: str) -> bool:
        """A market is not over after all; False if it was not held for that.

        Its connector may not have seen it go: the book is suspect, so that it is asked for again either way.
        """
        if self.closed.pop(ticker, None) is None:
            return False
        self.suspects[ticker] = "its market is open again"
        self.mark("reopened", ticker, "")
        return True

    def forget(self, ticker: str) -> None:
        """Hold nothing of a market any more."""
        if ticker in self.books:
            self.mark("forgotten", ticker, "")
        tables: tuple[dict[str, Any], ...] = (self.books, self.absent, self.closed, self.statuses, self.suspects)
        for table in (*tables, self.listings, self.last_trades):
            table.pop(ticker, None)

    def note_trade(self, trade: Trade) -> None:
        """Keep the newest public trade of a market that is watched."""
        if trade.ticker in self.books:
            self.last_trades[trade.ticker] = trade

    def renew(self, name: str, reason: str) -> bool:
        """Ask for the connection of that name to be made anew; False if it is not up."""
        line = self.lines.get(name)
        if line is None or line.link is not Link.CONNECTED:
            return False
        line.renewal = reason
        return True

    def check_renewal(self, name: str) -> None:
        """For the connection's owner, at every step. Raises `ConnectivityError` once, if it is to be made anew."""
        line = self.lines[name]
        reason, line.renewal = line.renewal, None
        if reason is not None:
            raise ConnectivityError(reason)

    # -- all connections together ----------------------------------------------------------------------------------

    def _book_lines(self) -> list[Line]:
        return [line for line in self.lines.values() if line.has_books]

    @property
    def link(self) -> Link:
        """Connected while any connection is."""
        links = {line.link for line in self._book_lines()}
        return next((link for link in (Link.CONNECTED, Link.CONNECTING) if link in links), Link.DISCONNECTED)

    @property
    def link_reason(self) -> str:
        """Why a connection is not up; of several, the first; the last word of the first while all are up."""
        lines = [line for line in self._book_lines() if line.tickers] or self._book_lines()
        down = [line for line in lines if line.link is not Link.CONNECTED]
        return next((line.reason for line in down or lines), self.search_reason)

    @property
    def connected_us(self) -> int | None:
        """Since when there has been a connection; None while there is none."""
        return min((line.connected_us for line in self._book_lines() if line.connected_us is not None), default=None)

    @property
    def last_message_us(self) -> int | None:
        """When the last market-data message came, on whichever connection."""
        return max((line.last_message_us for line in self._book_lines() if line.last_message_us), default=None)

    @property
    def away(self) -> set[str]:
        """Tickers whose connection failed again and again and is not up: not to be waited for."""
        lines = (line for line in self.lines.values() if line.link is not Link.CONNECTED)
        return {ticker for line in lines if line.failures >= AWAY_FAILURES for ticker in line.tickers}

    def unclaimed(self, name: str, tickers: Iterable[str]) -> tuple[str, ...]:
        """Those that no other connection carries at the moment: two must not write one book."""
        others = {
            ticker for other, line in self.lines.items() if other != name and line.holds for ticker in line.tickers
        }
        return tuple(ticker for ticker in tickers if ticker not in others)

    # -- books by what may be done with them -----------------------------------------------------------------------

    @property
    def live(self) -> int:
        """Books that may be believed."""
        return sum(book.state is BookState.LIVE for book in self.books.values())

    @property
    def stale(self) -> list[str]:
        """Tickers whose book was live once and is not to be believed now, those of closed markets left out."""
        return [t for t, book in self.books.items() if book.state is BookState.STALE and t not in self.closed]

    @property
    def syncing(self) -> list[str]:
        """Tickers that wait for their first snapshot, those with a known absence left out."""
        return [t for t, book in self.books.items() if book.state is BookState.SYNCING and not self._is_out(t)]

    @property
    def unserved(self) -> list[str]:
        """Tickers for which the venue gives no usable snapshot while it serves others."""
        return [t for t, book in self.books.items() if book.is_unserved and not self._is_out(t)]

    def _is_out(self, ticker: str) -> bool:
        return ticker in self.absent or ticker in self.closed
