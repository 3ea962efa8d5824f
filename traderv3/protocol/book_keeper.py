"""The books of one connection and what they are worth: changes in, trust lost, snapshots wanted, trust regained.

Units: `at_us` wall time in microseconds, `now_s` any monotonic clock in seconds.
Source: Kalshi's AsyncAPI, October 2026; a book may look crossed inside a run of one `ts_ms`, never after it (measured).
Never: a book that is live although something it should hold may be missing, impossible or out of order.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from traderv3.domain.book import Book, BookState, NegativeLevel
from traderv3.domain.events import BooksRepaired, FeedEvent, FrameProblem, GapDetected
from traderv3.domain.feed import FeedCounters
from traderv3.domain.units import UnitError
from traderv3.protocol import wire
from traderv3.protocol.repairs import Repairs
from traderv3.protocol.sequence import Verdict
from traderv3.protocol.subscription import SessionLimits

GAPS_KEPT: Final = 100  # numbers of open gaps, of a line that loses more than it brings


@dataclass(slots=True)
class _Damage:
    """What is not to be believed since `since_us`: which books, by which gaps, mended how."""

    since_us: int
    tickers: set[str] = field(default_factory=set)
    gaps: deque[int] = field(default_factory=lambda: deque(maxlen=GAPS_KEPT))
    how: str = "snapshot"


class BookKeeper:
    """Writes the `Book`s of `books`; `repairs` are the snapshots wanted, `notices` what is worth telling."""

    def __init__(
        self, connection: str, books: Mapping[str, Book], counters: FeedCounters, limits: SessionLimits
    ) -> None:
        self.books = dict(books)
        self.repairs = Repairs(
            answer_s=limits.answer_s,
            asks_max=limits.asks_max,
            first_s=limits.distrust_s_first,
            most_s=limits.distrust_s_max,
            calm_s=limits.calm_s,
        )
        self.notices: list[FeedEvent] = []
        self._connection = connection
        self._counters = counters
        self._settle_us = limits.settle_us
        self._aside: dict[str, tuple[Book, float]] = {}
        self._damage: _Damage | None = None
        self._gaps = 0
        self._crossed: dict[
            str, tuple[int | str | None, int]
        ] = {}  # by ticker: in which run it was seen so, since when

    @property
    def is_quiet(self) -> bool:
        """Nothing is damaged, no snapshot is wanted, no market is put aside."""
        return self._damage is None and not self.repairs and not self._aside

    @property
    def is_any_live(self) -> bool:
        """At least one book may be believed."""
        return any(book.state is BookState.LIVE for book in self.books.values())

    # -- which markets -------------------------------------------------------------------------------------------------

    def add(self, books: Mapping[str, Book]) -> None:
        """These are ours from now on."""
        self.books.update(books)
        for ticker in books:
            self._aside.pop(ticker, None)

    def forget(self, tickers: Iterable[str], reason: str) -> None:
        """These are not ours any more: their books keep the levels and are not live."""
        for ticker in tickers:
            self._aside.pop(ticker, None)
            self._crossed.pop(ticker, None)
            self.repairs.forget(ticker)
            book = self.books.pop(ticker, None)
            if book is not None:
                book.mark_stale(reason)
                if self._damage is not None and self._damage.how == "snapshot":
                    self._damage.how = "dropped"

    def set_aside(self, tickers: Iterable[str], reason: str, *, until_s: float) -> None:
        """The venue does not take these: not ours until then."""
        held = {ticker: self.books[ticker] for ticker in tickers if ticker in self.books}
        self.forget(held, reason)
        self._aside.update({ticker: (book, until_s) for ticker, book in held.items()})

    def take_returning(self, now_s: float) -> dict[str, Book]:
        """Books that were put aside long enough: the venue may take their markets by now."""
        if not self._aside:  # as at nearly every step
            return {}
        due = {ticker: book for ticker, (book, until_s) in self._aside.items() if until_s <= now_s}
        for ticker in due:
            del self._aside[ticker]
        return due

    def problem(self, kind: str, detail: str, at_us: int) -> None:
        """Tell of something that cannot be believed."""
        self.notices.append(FrameProblem(self._connection, kind, detail, at_us))

    # -- what the venue says -------------------------------------------------------------------------------------------

    def on_deltas(self, frames: Sequence[wire.Delta], at_us: int, now_s: float) -> None:
        """Apply changes to live books, each in its turn, or withdraw the trust in the one that a change does not fit."""
        self._counters.deltas += len(frames)
        books, prices, counts, live = self.books, wire.PRICES, wire.COUNTS, BookState.LIVE
        for frame in frames:
            body = frame.msg
            book = books.get(body.market_ticker)
            if book is None or book.state is not live:
                self._counters.deltas_unused += 1
                continue
            run = body.ts if body.ts_ms is None else body.ts_ms
            if run != book.run:
                if book.run is not None and book.is_crossed:  # a snapshot may have been taken inside a run
                    self._on_crossed(book, at_us, now_s)
                    continue
                book.run = run
            clock = body.clock
            if clock is not None:
                if book.clock is not None and clock < book.clock:
                    self._on_clock(book, clock, at_us, now_s)
                    continue
                book.clock = clock
            try:
                book.apply(body.side == "yes", prices[body.price_dollars], counts[body.delta_fp])
            except (NegativeLevel, UnitError) as exc:
                self._on_impossible(book, exc, at_us, now_s)
                continue
            book.seq = frame.seq
            book.received_us = at_us

    def _on_impossible(self, book: Book, why: NegativeLevel | UnitError, at_us: int, now_s: float) -> None:
        if isinstance(why, NegativeLevel):
            self._counters.negative_levels += 1
            self.distrust(book, "negative_level", str(why), at_us, now_s)
        else:
            self._counters.protocol_errors += 1
            self.distrust(book, "bad_number", f"{book.ticker}: {why}", at_us, now_s)

    def on_snapshot(self, body: wire.SnapshotBody, seq: int, at_us: int, now_s: float, *, is_asked: bool) -> None:
        """Take a whole book, which is live from now on. `is_asked`: it answers our own request."""
        book = self.books[body.market_ticker]
        if body.clock is not None and book.clock is not None and body.clock < book.clock:
            if not is_asked:
                self._on_clock(book, body.clock, at_us, now_s)
                return
            self._counters.clock_backwards += 1  # maintenance may set it back
            self.problem("clock_reset", f"{book.ticker}: clock {body.clock} after {book.clock}", at_us)
        try:
            book.replace(wire.levels(body.yes_dollars_fp), wire.levels(body.no_dollars_fp))
        except (UnitError, NegativeLevel) as exc:
            self._counters.protocol_errors += 1
            self.distrust(book, "bad_number", f"{book.ticker}: snapshot: {exc}", at_us, now_s)
            return
        book.seq, book.clock, book.run, book.received_us = seq, body.clock, body.ts_ms, at_us
        self.repairs.settle(book.ticker, now_s=now_s)
        if self._damage is not None and self._damage.how == "dropped":
            self._damage.how = "snapshot"

    def settle(self, at_us: int, now_s: float) -> None:
        """Judge books whose run does not end: quiet for a while, or of one time for longer than any run lasts."""
        for ticker, book in self.books.items():
            if book.state is not BookState.LIVE or not book.is_crossed:
                self._crossed.pop(ticker, None)
                continue
            run, since_us = self._crossed.setdefault(ticker, (book.run, at_us))
            if run != book.run:
                self._crossed[ticker] = (book.run, at_us)
            last_us = book.received_us if book.received_us is not None else at_us
            if at_us - last_us >= self._settle_us or (run == book.run and at_us - since_us >= self._settle_us):
                del self._crossed[ticker]
                self._on_crossed(book, at_us, now_s)

    def _on_crossed(self, book: Book, at_us: int, now_s: float) -> None:
        self._counters.crossed_books += 1
        detail = f"{book.ticker}: best YES {book.best_yes} + best NO {book.best_no} reach a dollar after a run ended"
        self.distrust(book, "crossed_book", detail, at_us, now_s)

    def _on_clock(self, book: Book, clock: int, at_us: int, now_s: float) -> None:
        self._counters.clock_backwards += 1
        self.distrust(book, "clock_backwards", f"{book.ticker}: clock {clock} after {book.clock}", at_us, now_s)
        book.clock = None  # the next snapshot says what it is

    # -- trust ---------------------------------------------------------------------------------------------------------

    def distrust(self, book: Book, kind: str, detail: str, at_us: int, now_s: float) -> None:
        """One market is wrong: stale now, and a snapshot soon; the more often in a row, the later."""
        book.mark_stale(detail)
        if self.repairs.want_patiently(book.ticker, now_s=now_s):
            book.is_unserved = True
        self._damage = self._damage or _Damage(at_us)
        self._damage.tickers.add(book.ticker)
        self.problem(kind, detail, at_us)

    def on_gap(self, verdict: Verdict, sid: int, expected: int, got: int, at_us: int) -> None:
        """Count and tell why all books have just lost their trust."""
        assert self._damage is not None
        self._counters.gaps += verdict is Verdict.GAP
        self._counters.rollbacks += verdict is Verdict.ROLLBACK
        self._counters.resets += verdict is Verdict.RESET
        self._gaps += 1
        self._damage.gaps.append(self._gaps)
        books = len(self.books)
        notice = GapDetected(self._connection, sid, expected, got, books, at_us, kind=verdict.value, number=self._gaps)
        self.notices.append(notice)

    def distrust_all(self, reason: str, at_us: int, *, due_s: float) -> None:
        """Something is missing that may have been about any book: all stale now, snapshots at `due_s`."""
        self._damage = self._damage or _Damage(at_us)
        for ticker, book in self.books.items():
            if book.mark_stale(reason) or self.repairs.is_asked(ticker):  # what was lost may be its snapshot
                self.repairs.want(ticker, due_s=due_s)
                self._damage.tickers.add(ticker)

    def start_over(self, reason: str, at_us: int) -> None:
        """The subscription is made anew: all stale now, and snapshots come by themselves."""
        self.distrust_all(reason, at_us, due_s=0.0)
        assert self._damage is not None
        self._damage.how = "resubscribe"
        self.repairs.clear()

    def lost(self, reason: str) -> None:
        """The connection is gone: nothing held may be believed."""
        for book in self.books.values():
            book.mark_stale(reason)

    def expect(self, tickers: Iterable[str], *, now_s: float) -> None:
        """Books that begin anew, with the snapshot that comes with a subscription."""
        self.repairs.expect(tickers, now_s=now_s)
        for ticker in tickers:
            self.books[ticker].clock = None  # it need not go on where it stood before

    def check_repaired(self, at_us: int) -> bool:
        """Whether the damage has just ended: every book is live, or of a market that the venue does not serve at all."""
        damage = self._damage
        if damage is None or not all(book.state is BookState.LIVE or book.is_unserved for book in self.books.values()):
            return False
        took_ms = (at_us - damage.since_us) // 1000
        self._damage = None
        self.notices.append(
            BooksRepaired(self._connection, took_ms, at_us, damage.how, len(damage.tickers), tuple(damage.gaps))
        )
        return True
