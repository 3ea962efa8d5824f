"""The actor that turns what happens into rows: transitions, connections, gaps, trades, sampled tops and one-second bars.

In:    transitions and market facts by `record_transition` and `record_fact`, connections from the bus; books and gaps are
       looked at every `LOOK_S` in the feed.
Out:   rows, into the write queue, which never waits.
A bar tells of the YES bid and the YES ask of one second by the wall clock: `open` is what was in force when it began,
`high`, `low` and `close` are of the looks in it, so a change that was undone within `LOOK_S` may be missing and the last
one may count for the next second. A market has a bar, and a sampled top at its end, if something changed in it.
Units: prices 1e-4 dollar, counts 0.01 contract, times microseconds since the epoch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import trio

from traderv3.core.clock import WallClock
from traderv3.core.event_bus import EventBus, handles
from traderv3.core.lifeline import Lifeline
from traderv3.domain.book import NONE, Book, BookState
from traderv3.domain.events import ConnectionLost, ConnectionUp, StateChanged
from traderv3.domain.feed import Feed, GapEntry
from traderv3.domain.market_facts import Fill, MarketFact, MarketPosition, Trade, UserOrder
from traderv3.domain.units import DOLLAR, Price, Qty
from traderv3.storage.rows import (
    AnyRow,
    BarRow,
    ConnectionRow,
    TopRow,
    TransitionRow,
    fill_row,
    gap_row,
    order_row,
    position_row,
    trade_row,
)

LOOK_S: Final = 0.1  # as often as the console shows a market
OPEN_GAPS_MAX: Final = 1_000  # gaps whose repair is waited for
_SECOND_US: Final = 1_000_000

_ROWS: Final[dict[type, Callable[[Any], AnyRow]]] = {
    Trade: trade_row,
    Fill: fill_row,
    UserOrder: order_row,
    MarketPosition: position_row,
}


@dataclass(slots=True)
class _Span:
    """One price through one second; None where there was none at any look."""

    open: Price | None
    high: Price | None
    low: Price | None
    close: Price | None

    @classmethod
    def at(cls, price: Price | None) -> "_Span":
        return cls(price, price, price, price)

    def take(self, price: Price | None) -> None:
        self.close = price
        if price is not None:
            self.high = price if self.high is None else max(self.high, price)
            self.low = price if self.low is None else min(self.low, price)


class _Bar:
    """One market in the second under way."""

    __slots__ = ("ask", "bid", "trades", "updates", "volume")

    def __init__(self, seen: "_Seen") -> None:
        self.bid, self.ask = _Span.at(seen.bid), _Span.at(seen.ask)
        self.updates = self.trades = self.volume = 0

    def row(self, ticker: str, second_us: int) -> BarRow:
        bid, ask = self.bid, self.ask
        return BarRow(
            at_us=second_us,
            ticker=ticker,
            bid_open=bid.open,
            bid_high=bid.high,
            bid_low=bid.low,
            bid_close=bid.close,
            ask_open=ask.open,
            ask_high=ask.high,
            ask_low=ask.low,
            ask_close=ask.close,
            updates=self.updates,
            trades=self.trades,
            volume=Qty(self.volume),
        )


@dataclass(slots=True)
class _Seen:
    """One book at the last look."""

    book: Book | None = None
    updates: int = 0
    state: BookState = BookState.SYNCING
    bid: Price | None = None
    ask: Price | None = None


class Recorder:
    """Outlives the starts of its actor. Gaps from before it was made are history, and nobody's to record again."""

    name = "recorder"

    def __init__(self, feed: Feed, bus: EventBus, put: Callable[[AnyRow], object], *, wall_us: WallClock) -> None:
        """`put` is the write queue's."""
        self._feed = feed
        self._put = put
        self._wall_us = wall_us
        self._since_us = wall_us()
        self._second = self._since_us // _SECOND_US
        self._seen: dict[str, _Seen] = {}
        self._bars: dict[str, _Bar] = {}
        self._newest_gap: GapEntry | None = None
        self._open_gaps: list[GapEntry] = []
        bus.subscribe("recorder", (ConnectionUp, ConnectionLost), handles(self._hear))

    async def run(self, lifeline: Lifeline) -> None:
        """Look and write until asked to stop; the second under way is written then."""
        lifeline.started()
        while not lifeline.stopping.is_set():
            self.look()
            lifeline.beat()
            with trio.move_on_after(LOOK_S):
                await lifeline.stopping.wait()
        self.look()
        self._end_second()

    def record_transition(self, event: StateChanged) -> None:
        """The trader changed its state."""
        self._put(
            TransitionRow(
                at_us=event.at_us, source=event.source.value, target=event.target.value, context=event.context
            )
        )

    def record_fact(self, fact: MarketFact) -> None:
        """Keep a trade, or one of our fills, orders or positions; other facts are not for the database."""
        make = _ROWS.get(type(fact))
        if make is not None:
            self._put(make(fact))
        if isinstance(fact, Trade):
            bar = self._bar(fact.ticker)
            bar.trades += 1
            bar.volume += fact.count

    def look(self) -> None:
        """Take what changed since the last look; at the first one in a second write the second before."""
        second = self._wall_us() // _SECOND_US
        if second != self._second:
            self._end_second()
            self._second = second
        for ticker, book in self._feed.books.items():
            seen = self._seen.get(ticker)
            if seen is None or seen.updates != book.updates or seen.state is not book.state or seen.book is not book:
                self._take(ticker, book)
        self._note_gaps()

    def _take(self, ticker: str, book: Book) -> None:
        bar = self._bar(ticker)
        seen = self._seen[ticker]
        bar.updates += book.updates - (seen.updates if seen.book is book else 0)
        is_live = book.state is BookState.LIVE
        seen.bid = Price(book.best_yes) if is_live and book.best_yes != NONE else None
        seen.ask = Price(DOLLAR - book.best_no) if is_live and book.best_no != NONE else None
        seen.book, seen.updates, seen.state = book, book.updates, book.state
        bar.bid.take(seen.bid)
        bar.ask.take(seen.ask)

    def _bar(self, ticker: str) -> _Bar:
        """The market's bar of the second under way, begun at what was in force."""
        bar = self._bars.get(ticker)
        if bar is None:
            bar = self._bars[ticker] = _Bar(self._seen.setdefault(ticker, _Seen()))
        return bar

    def _end_second(self) -> None:
        now_us = self._wall_us()
        for ticker, bar in self._bars.items():
            book = self._feed.books.get(ticker)
            if bar.updates or bar.trades:
                self._put(bar.row(ticker, self._second * _SECOND_US))
            if book is not None:
                self._put(_top_row(book, now_us))
        self._bars.clear()
        for ticker in self._seen.keys() - self._feed.books.keys():
            del self._seen[ticker]

    def _note_gaps(self) -> None:
        fresh: list[GapEntry] = []
        for entry in reversed(self._feed.gaps):
            if entry is self._newest_gap or entry.at_us < self._since_us:
                break
            fresh.append(entry)
        repaired = [entry for entry in self._open_gaps if entry.how is not None]
        for entry in (*reversed(fresh), *repaired):
            self._put(gap_row(entry))
        if fresh:
            self._newest_gap = fresh[0]
        if fresh or repaired:
            still_open = [entry for entry in (*self._open_gaps, *reversed(fresh)) if entry.how is None]
            self._open_gaps = still_open[-OPEN_GAPS_MAX:]

    def _hear(self, fact: ConnectionUp | ConnectionLost) -> None:
        if isinstance(fact, ConnectionUp):
            self._put(ConnectionRow(at_us=fact.at_us, connection=fact.connection, kind="up"))
        else:
            retry_ms = round(fact.retry_s * 1000)
            self._put(
                ConnectionRow(
                    at_us=fact.at_us,
                    connection=fact.connection,
                    kind="lost",
                    reason=fact.reason,
                    retry_ms=retry_ms,
                )
            )


def _top_row(book: Book, at_us: int) -> TopRow:
    """The best bid of each side as held, whether or not it may be believed: `book_state` says."""
    return TopRow(
        at_us=at_us,
        ticker=book.ticker,
        yes_bid=Price(book.best_yes) if book.best_yes != NONE else None,
        yes_bid_size=Qty(book.yes.get(book.best_yes, 0)),
        no_bid=Price(book.best_no) if book.best_no != NONE else None,
        no_bid_size=Qty(book.no.get(book.best_no, 0)),
        book_state=book.state.value,
    )
