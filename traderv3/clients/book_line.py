"""One book connection without its socket: what a live connection and the replay of one do alike.

Each step is a moment with the frames that arrived at it (none: a tick). Whatever decides anything comes in as an argument
and is written to the tape, so the same steps lead to the same books, counters and commands, to the last bit.
Units: `at_us` microseconds since the epoch, growing with every step of a connection; the session's seconds are counted
from its opening.
Never: a clock, a socket, a wait.
"""

from collections.abc import Callable, Sequence
from typing import Final

from traderv3.clients.gap_journal import GapJournal
from traderv3.domain.book import BookState
from traderv3.domain.errors import ConnectivityError
from traderv3.domain.events import ConnectionUp, FeedEvent, MarketsDropped, MarketsOverLimit
from traderv3.domain.feed import Feed, Link
from traderv3.domain.tape import Tape
from traderv3.protocol.session import BookSession, SessionLimits
from traderv3.protocol.wire import SnapshotBody

SETTLE_US: Final = 1_000_000  # how often all books are judged, which costs a look at each


class BookLine:
    """The books of one connector, over all its connections.

    `tell` takes what happened; `over_limit` the markets that the venue takes on no more here. `was_useful` says of the
    present or last connection whether it brought a book.
    """

    def __init__(
        self,
        name: str,
        feed: Feed,
        tape: Tape,
        *,
        tell: Callable[[FeedEvent], None],
        over_limit: Callable[[tuple[str, ...]], None],
        limits: SessionLimits,
    ) -> None:
        self.name = name
        self.line = feed.line(name)
        self.was_useful = False
        self._feed = feed
        self._tape = tape
        self._tell = tell
        self._over_limit = over_limit
        self._limits = limits
        self._journal = GapJournal(feed.gaps, name)
        self._session: BookSession | None = None
        self._conn = 0
        self._opened_us = self._last_us = self._settle_us = 0

    @property
    def session(self) -> BookSession:
        """The conversation of the present connection."""
        assert self._session is not None
        return self._session

    def open(self, conn: int, tickers: Sequence[str], *, at_us: int) -> list[bytes]:
        """The venue took connection number `conn`; returns the first commands."""
        feed, line = self._feed, self.line
        self._conn, self._opened_us, self._last_us, self._settle_us = conn, at_us, at_us, at_us
        self.was_useful = False
        self._tape.event(conn, at_us, "open", name=self.name, carries="books", markets=",".join(tickers))
        self._carry(tickers)
        books = {ticker: feed.books[ticker] for ticker in tickers}
        self._session = BookSession(self.name, books, feed.counters, self._limits)
        line.link, line.reason, line.connected_us = Link.CONNECTED, "accepted by the venue", at_us
        feed.counters.reconnects += line.was_up
        line.was_up = feed.was_accepted = True
        self._tell(ConnectionUp(self.name, at_us))
        return self._commands(at_us, self._now_s(at_us))

    def step(self, frames: Sequence[bytes], tickers: Sequence[str], *, at_us: int) -> list[bytes]:
        """Take what arrived, the markets to carry from now on, and books that were found wrong; returns commands to send.

        Raises `ConnectivityError` or `RemoteProtocolError` when the connection is to be made anew.
        """
        at_us = max(at_us, self._last_us + 1)  # a moment is one step: a replay tells steps apart by their time
        self._last_us = at_us
        session, now_s = self.session, self._now_s(at_us)
        try:
            self._follow(tickers, at_us)
            self._receive(frames, at_us, now_s)
            if self._feed.suspects:
                self._distrust_suspects(at_us, now_s)
        finally:
            self._take_notices()
        if session.has_served and not self.was_useful:
            self.was_useful, self._feed.problem = True, None
            self._feed.first_snapshot_us = self._feed.first_snapshot_us or at_us
        if self._journal.waits_for_whole and session.is_whole:
            self._journal.whole(at_us)
        if not session.books:
            raise self._none_left()
        return self._commands(at_us, now_s)

    def assume(self, body: SnapshotBody, *, at_us: int) -> None:
        """Take a book that the venue never sent (`BookSession.assume`)."""
        self.session.assume(body, at_us=at_us, now_s=self._now_s(at_us))
        self._take_notices()

    def close(self, reason: str, *, at_us: int) -> None:
        """The connection is gone: nothing held may be believed, and whoever reads must not take the last word for the present."""
        self._tape.event(self._conn, max(at_us, self._last_us + 1), "close", reason=reason)
        self.session.lost("the connection to the venue is down")
        self._journal.lost()
        self.line.link, self.line.reason, self.line.connected_us = Link.DISCONNECTED, reason, None

    def idle(self, *, at_us: int) -> None:
        """There is no market to carry: what earlier connections left unrepaired is not ours any more."""
        self._journal.dropped(at_us)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _now_s(self, at_us: int) -> float:
        return (at_us - self._opened_us) / 1e6

    def _carry(self, tickers: Sequence[str]) -> None:
        self.line.tickers = tuple(tickers)
        self._feed.watch(tickers)

    def _follow(self, tickers: Sequence[str], at_us: int) -> None:
        held = self.line.tickers
        if held is tickers or held == tuple(tickers):
            return
        self._tape.event(self._conn, at_us, "markets", markets=",".join(tickers))
        self._carry(tickers)
        self.session.remove([ticker for ticker in held if ticker not in tickers])
        self.session.add({ticker: self._feed.books[ticker] for ticker in tickers if ticker not in held})

    def _distrust_suspects(self, at_us: int, now_s: float) -> None:
        for ticker in [ticker for ticker in self._feed.suspects if ticker in self.session.books]:
            self.session.distrust(ticker, self._feed.suspects.pop(ticker), at_us=at_us, now_s=now_s)

    def _receive(self, frames: Sequence[bytes], at_us: int, now_s: float) -> None:
        session, counters = self.session, self._feed.counters
        if frames:
            unread = counters.protocol_errors + counters.unknown_types
            is_json = False
            self.line.last_message_us = at_us
            try:
                session.receive(frames, at_us=at_us, now_s=now_s)
                is_json = counters.protocol_errors + counters.unknown_types == unread
            finally:
                self._tape.frames(self._conn, at_us, frames, is_inbound=True, is_json=is_json)
        else:
            self._tape.event(self._conn, at_us, "tick")
        if at_us >= self._settle_us:
            session.settle(at_us=at_us, now_s=now_s)
            self._settle_us = at_us + SETTLE_US
            self._forget_absences()

    def _commands(self, at_us: int, now_s: float) -> list[bytes]:
        commands = self.session.commands(at_us=at_us, now_s=now_s)
        if commands:
            self._tape.frames(self._conn, at_us, commands, is_inbound=False, is_json=True)
        return commands

    def _take_notices(self) -> None:
        for notice in self.session.take_notices():
            if isinstance(notice, MarketsDropped):
                self._feed.absent.update(dict.fromkeys(notice.tickers, notice.reason))
            elif isinstance(notice, MarketsOverLimit):
                self._over_limit(notice.tickers)
            self._journal.take(notice)
            self._tell(notice)

    def _forget_absences(self) -> None:
        """A market that the venue did not know and serves by now is absent no more."""
        feed = self._feed
        for ticker in list(feed.absent):
            book = feed.books.get(ticker)
            if book is not None and book.state is BookState.LIVE:
                del feed.absent[ticker]

    def _none_left(self) -> ConnectivityError:
        """Every market of this connection is gone or refused. A problem, if there is no other connection with any."""
        feed = self._feed
        if not self.line.tickers:
            return ConnectivityError("no market to carry")
        msg = f"none of the markets is served by the venue: {', '.join(feed.absent)[:200]}"
        if all(ticker in feed.absent for line in feed.lines.values() for ticker in line.tickers):
            feed.problem = msg
        return ConnectivityError(msg)
