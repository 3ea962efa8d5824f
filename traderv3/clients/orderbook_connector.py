"""The actor that owns the market-data socket and the books: frames in from Kalshi, live books out.

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
from traderv3.clients.selection import Selection
from traderv3.clients.transport import Transport
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff
from traderv3.domain.book import BookState
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError, TraderError, VenueRefused
from traderv3.domain.events import ConnectionLost, ConnectionUp, FeedEvent, MarketsDropped
from traderv3.domain.feed import Feed, Link
from traderv3.protocol.session import BookSession, SessionLimits

log = structlog.get_logger(component="orderbook_connector")

TICK_S: Final = 1.0  # how often time limits are looked at when nothing arrives
STEADY_S: Final = 10.0  # a venue that takes us and drops us at once must not be hammered
SELECTION_BEAT_S: Final = 10.0  # discovery may take long; we live meanwhile


class OrderBookConnector:
    """One market-data connection for all markets of the selection.

    `give_up` is told when the venue refuses our key for good before it ever took it; the process then ends.
    """

    name = "orderbook_connector"

    def __init__(
        self,
        door: Door,
        selection: Selection,
        feed: Feed,
        bus: EventBus,
        *,
        wall_us: Callable[[], int],
        rng: random.Random,
        give_up: Callable[[VenueRefused], Awaitable[None]],
        backoff: Backoff,
        limits: SessionLimits,
    ) -> None:
        self._door = door
        self._selection = selection
        self._feed = feed
        self._bus = bus
        self._wall_us = wall_us
        self._rng = rng
        self._give_up = give_up
        self._backoff = backoff
        self._limits = limits

    async def run(self, lifeline: Lifeline) -> None:
        """Keep a connection for ever."""
        lifeline.started()  # a venue that is down must not keep the console from starting
        self._feed.watch(await self._wait_for_selection(lifeline))
        failures = refusals = 0
        while True:
            lifeline.beat()
            snapshots_before, began = self._feed.counters.snapshots, trio.current_time()
            cause: TraderError
            try:
                await self._stay_connected(lifeline)
            except (ConnectivityError, RemoteProtocolError, VenueRefused) as exc:
                cause = exc
            was_useful = self._feed.counters.snapshots > snapshots_before
            has_lasted = trio.current_time() - began >= STEADY_S
            failures = 1 if was_useful and has_lasted else failures + 1
            delay_s = self._backoff.delay_s(failures, self._rng)
            self._on_down(str(cause), delay_s)
            if isinstance(cause, VenueRefused) and cause.is_about_the_key:
                refusals += 1
                await self._on_key_refused(cause, refusals)
            await trio.sleep(delay_s)

    async def _wait_for_selection(self, lifeline: Lifeline) -> tuple[str, ...]:
        while True:
            with trio.move_on_after(SELECTION_BEAT_S):
                return await self._selection.wait()
            lifeline.beat()

    async def _stay_connected(self, lifeline: Lifeline) -> NoReturn:
        """Connect, subscribe and apply until the connection is over. Raises the reason."""
        feed = self._feed
        feed.link, feed.link_reason = Link.CONNECTING, "handshake"
        async with self._door.connect() as transport:
            session = BookSession(self.name, feed.books, feed.counters, self._limits)
            self._on_up()
            try:
                await self._converse(transport, session, lifeline)
            finally:  # cancelled or crashed, too: whoever reads must not take the last word for the present
                session.lost("the connection to the venue is down")
                feed.link, feed.link_reason, feed.connected_us = Link.DISCONNECTED, "given up by the connector", None

    async def _converse(self, transport: Transport, session: BookSession, lifeline: Lifeline) -> NoReturn:
        feed = self._feed
        settle_at = trio.current_time()
        snapshots_before = feed.counters.snapshots
        while True:
            for command in session.commands(at_us=self._wall_us(), now_s=trio.current_time()):
                await transport.send(command)
            batch: list[bytes] = []
            with trio.move_on_after(TICK_S):
                batch = await transport.receive_batch()
            at_us, now_s = self._wall_us(), trio.current_time()
            try:
                if batch:
                    feed.last_message_us = at_us
                    session.receive(batch, at_us=at_us, now_s=now_s)
                if now_s >= settle_at:
                    session.settle(at_us=at_us, now_s=now_s)
                    settle_at = now_s + TICK_S
                    self._forget_absences()
                    lifeline.beat()
            finally:
                self._tell(session.take_notices())
            if feed.counters.snapshots > snapshots_before:
                feed.first_snapshot_us = feed.first_snapshot_us or at_us
                feed.problem = None
            if not session.books:
                raise self._none_left()

    def _forget_absences(self) -> None:
        """A market that the venue did not know and serves by now is absent no more."""
        feed = self._feed
        for ticker in list(feed.absent):
            book = feed.books.get(ticker)
            if book is not None and book.state is BookState.LIVE:
                del feed.absent[ticker]

    def _none_left(self) -> ConnectivityError:
        feed = self._feed
        feed.problem = f"none of the markets is served by the venue: {', '.join(feed.absent)[:200]}"
        return ConnectivityError(feed.problem)

    def _tell(self, notices: list[FeedEvent]) -> None:
        for notice in notices:
            if isinstance(notice, MarketsDropped):
                self._feed.absent.update(dict.fromkeys(notice.tickers, notice.reason))
            self._bus.publish(notice)

    def _on_up(self) -> None:
        feed = self._feed
        feed.link, feed.link_reason = Link.CONNECTED, "accepted by the venue"
        feed.connected_us = self._wall_us()
        feed.counters.reconnects += feed.was_accepted
        feed.was_accepted = True
        self._bus.publish(ConnectionUp(self.name, feed.connected_us))

    def _on_down(self, cause: str, delay_s: float) -> None:
        feed = self._feed
        feed.link, feed.link_reason = Link.DISCONNECTED, cause
        feed.connected_us = None
        self._bus.publish(ConnectionLost(self.name, cause, round(delay_s, 2), self._wall_us()))

    async def _on_key_refused(self, refusal: VenueRefused, refusals: int) -> None:
        """Before the key was ever taken: measure the clock, try once more, then end. After: a person must look."""
        if self._feed.was_accepted:
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
