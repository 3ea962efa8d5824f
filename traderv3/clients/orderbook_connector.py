"""The actor that owns one market-data socket and the books on it: frames in from Kalshi, live books out.

There are as many of these as the selection has shares. The first one proves the key; the others wait for it.
Out:   the books of `Feed`, written in place; facts on the bus (connection, gaps, repairs, bad frames, dropped markets).
Dies:  only when an invariant breaks. An outage of the venue is its daily work: it tries for ever, with capped and
       jittered backoff that starts anew only after a connection that brought useful data (a snapshot) and lasted.
Stale: written into the books synchronously, before anybody else can run.
"""

import random
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import structlog
import trio

from traderv3.clients.door import Door
from traderv3.clients.gap_journal import GapJournal
from traderv3.clients.selection import Selection
from traderv3.clients.transport import Transport
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff
from traderv3.domain.book import BookState
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError, TraderError, VenueRefused
from traderv3.domain.events import ConnectionLost, ConnectionUp, FeedEvent, MarketsDropped, MarketsOverLimit
from traderv3.domain.feed import Feed, Line, Link
from traderv3.protocol.session import BookSession, SessionLimits

log = structlog.get_logger(component="orderbook_connector")

TICK_S: Final = 0.2  # how often what is due (a repair) and the selection are looked at when nothing arrives
SETTLE_S: Final = 1.0  # how often all books are judged, which costs a look at each
STEADY_S: Final = 10.0  # a venue that takes us and drops us at once must not be hammered
WAIT_BEAT_S: Final = 10.0  # discovery, and the first handshake, may take long; we live meanwhile


def connector_name(index: int) -> str:
    """The actor's name by the number of its share, from 0."""
    return "orderbook_connector" if index == 0 else f"orderbook_connector_{index + 1}"


class OrderBookConnector:
    """One market-data connection for one share of the selection.

    `give_up` is told when the venue refuses our key for good before it ever took it; the process then ends.
    """

    def __init__(
        self,
        door: Door,
        selection: Selection,
        feed: Feed,
        bus: EventBus,
        *,
        index: int = 0,
        wall_us: Callable[[], int],
        rng: random.Random,
        give_up: Callable[[VenueRefused], Awaitable[None]],
        backoff: Backoff,
        limits: SessionLimits,
    ) -> None:
        self.name = connector_name(index)
        self._door = door
        self._selection = selection
        self._feed = feed
        self._bus = bus
        self._index = index
        self._wall_us = wall_us
        self._rng = rng
        self._give_up = give_up
        self._backoff = backoff
        self._limits = limits
        self._journal = GapJournal(feed.gaps, self.name)
        self._was_useful = False  # the last connection brought a book

    async def run(self, lifeline: Lifeline) -> None:
        """Keep a connection for ever, or none while the share is empty."""
        lifeline.started()  # a venue that is down must not keep the console from starting
        await self._wait(self._selection.wait, lifeline)
        line = self._feed.line(self.name)
        if self._index:
            await self._wait(self._door.proven.wait, lifeline)
        refusals = 0
        while True:
            lifeline.beat()
            if not self._adopt(line):
                line.reason = "no market to carry"
                await trio.sleep(TICK_S)
                continue
            began = trio.current_time()
            cause: TraderError
            try:
                await self._stay_connected(line, lifeline)
            except (ConnectivityError, RemoteProtocolError, VenueRefused) as exc:
                cause = exc
            lifeline.beat()
            has_lasted = trio.current_time() - began >= STEADY_S
            line.failures = 1 if self._was_useful and has_lasted else line.failures + 1
            delay_s = self._backoff.delay_s(line.failures, self._rng)
            self._on_down(line, str(cause), delay_s)
            if isinstance(cause, VenueRefused) and cause.is_about_the_key:
                refusals += 1
                await self._on_key_refused(cause, refusals)
            await trio.sleep(delay_s)

    async def _wait(self, event: Callable[[], Awaitable[object]], lifeline: Lifeline) -> None:
        while True:
            with trio.move_on_after(WAIT_BEAT_S):
                await event()
                return
            lifeline.beat()

    def _adopt(self, line: Line) -> tuple[str, ...]:
        line.tickers = self._selection.share(self._index)
        self._feed.watch(line.tickers)
        return line.tickers

    async def _stay_connected(self, line: Line, lifeline: Lifeline) -> None:
        """Connect, subscribe and apply until the connection is over (raises the reason) or has nothing left to carry."""
        line.link, line.reason, self._was_useful = Link.CONNECTING, "handshake", False
        async with self._door.connect() as transport:
            books = {ticker: self._feed.books[ticker] for ticker in self._adopt(line)}  # some may have gone meanwhile
            session = BookSession(self.name, books, self._feed.counters, self._limits)
            self._on_up(line)
            try:
                await self._converse(transport, session, line, lifeline)
            finally:  # cancelled or crashed, too: whoever reads must not take the last word for the present
                session.lost("the connection to the venue is down")
                self._journal.lost()
                line.link, line.reason, line.connected_us = Link.DISCONNECTED, "given up by the connector", None

    async def _converse(self, transport: Transport, session: BookSession, line: Line, lifeline: Lifeline) -> NoReturn:
        feed = self._feed
        settle_at = trio.current_time()
        while True:
            for command in session.commands(at_us=self._wall_us(), now_s=trio.current_time()):
                await transport.send(command)
            batch: list[bytes] = []
            with trio.move_on_after(TICK_S):
                batch = await transport.receive_batch()
            at_us, now_s = self._wall_us(), trio.current_time()
            try:
                if batch:
                    line.last_message_us = at_us
                    session.receive(batch, at_us=at_us, now_s=now_s)
                if now_s >= settle_at:
                    session.settle(at_us=at_us, now_s=now_s)
                    settle_at = now_s + SETTLE_S
                    self._forget_absences()
                    lifeline.beat()
                self._follow(session, line, at_us=at_us, now_s=now_s)
            finally:
                self._tell(session.take_notices())
            if session.has_served and not self._was_useful:
                self._was_useful, feed.problem = True, None
                feed.first_snapshot_us = feed.first_snapshot_us or at_us
            if self._journal.waits_for_whole and session.is_whole:
                self._journal.whole(at_us)
            if not session.books:
                raise self._none_left(line)

    def _follow(self, session: BookSession, line: Line, *, at_us: int, now_s: float) -> None:
        """Take up what others decided: markets that come and go, and books that were found wrong."""
        feed = self._feed
        held = line.tickers
        if held != self._selection.share(self._index):
            share = self._adopt(line)
            session.remove([ticker for ticker in held if ticker not in share])
            session.add({ticker: feed.books[ticker] for ticker in share if ticker not in held})
        for ticker in [ticker for ticker in feed.suspects if ticker in session.books]:
            session.distrust(ticker, feed.suspects.pop(ticker), at_us=at_us, now_s=now_s)

    def _forget_absences(self) -> None:
        """A market that the venue did not know and serves by now is absent no more."""
        feed = self._feed
        for ticker in list(feed.absent):
            book = feed.books.get(ticker)
            if book is not None and book.state is BookState.LIVE:
                del feed.absent[ticker]

    def _none_left(self, line: Line) -> ConnectivityError:
        """Every market of this connection is gone or refused. A problem, if there is no other connection with any."""
        feed = self._feed
        msg = f"none of the markets is served by the venue: {', '.join(feed.absent)[:200]}"
        if line.tickers and all(ticker in feed.absent for ticker in self._selection.tickers):
            feed.problem = msg
        return ConnectivityError(msg if line.tickers else "no market to carry")

    def _tell(self, notices: list[FeedEvent]) -> None:
        for notice in notices:
            if isinstance(notice, MarketsDropped):
                self._feed.absent.update(dict.fromkeys(notice.tickers, notice.reason))
            elif isinstance(notice, MarketsOverLimit):
                self._selection.move(notice.tickers, away_from=self._index)
            self._journal.take(notice)
            self._bus.publish(notice)

    def _on_up(self, line: Line) -> None:
        feed = self._feed
        line.link, line.reason = Link.CONNECTED, "accepted by the venue"
        line.connected_us = self._wall_us()
        feed.counters.reconnects += line.was_up
        line.was_up = feed.was_accepted = True
        self._bus.publish(ConnectionUp(self.name, line.connected_us))

    def _on_down(self, line: Line, cause: str, delay_s: float) -> None:
        line.link, line.reason = Link.DISCONNECTED, cause
        line.connected_us = None
        self._bus.publish(ConnectionLost(self.name, cause, round(delay_s, 2), self._wall_us()))

    async def _on_key_refused(self, refusal: VenueRefused, refusals: int) -> None:
        """Before the key was ever taken: measure the clock, try once more, then end. After: a person must look, as soon as
        no other connection stands with it.
        """
        if self._feed.was_accepted:
            if self._feed.link is not Link.CONNECTED:
                self._feed.problem = str(refusal)
            return
        if refusals > 1:
            await self._give_up(refusal)
            await trio.sleep_forever()
        try:
            await self._door.rest.measure_clock()
        except TraderError as exc:
            log.warning("the venue's clock could not be measured", error=str(exc))
        log.warning("the venue refused our key, one more try", offset_ms=self._door.clock.offset_us // 1000)
