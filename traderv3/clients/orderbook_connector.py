"""The actor that owns one market-data socket and the books on it: frames in from Kalshi, live books out.

There are as many of these as the selection has shares. The first one proves the key; the others wait for it.
Out:   the books of `Feed`, written in place (by `book_line`, which a replay uses too); every frame onto the tape; facts on
       the bus (connection, gaps, repairs, bad frames, dropped markets).
Dies:  only when an invariant breaks. An outage of the venue is its daily work: it tries for ever, with capped and
       jittered backoff that starts anew only after a connection that brought useful data (a snapshot) and lasted.
Stale: written into the books synchronously, before anybody else can run.
"""

import random
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import structlog
import trio

from traderv3.clients.book_line import BookLine
from traderv3.clients.door import Door
from traderv3.clients.selection import Selection
from traderv3.clients.transport import Transport
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError, TraderError, VenueRefused
from traderv3.domain.events import ConnectionLost
from traderv3.domain.feed import Feed, Link
from traderv3.domain.tape import NO_TAPE, Tape
from traderv3.protocol.session import SessionLimits

log = structlog.get_logger(component="orderbook_connector")

TICK_S: Final = 0.2  # how often what is due (a repair) and the selection are looked at when nothing arrives
STEADY_S: Final = 10.0  # a venue that takes us and drops us at once must not be hammered


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
        tape: Tape = NO_TAPE,
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
        self._books = BookLine(
            self.name,
            feed,
            tape,
            tell=bus.publish,
            over_limit=lambda tickers: selection.move(tickers, away_from=index),
            limits=limits,
        )

    async def run(self, lifeline: Lifeline) -> None:
        """Keep a connection for ever, or none while the share is empty."""
        lifeline.started()  # a venue that is down must not keep the console from starting
        await lifeline.wait(self._selection.wait)
        books = self._books
        line = books.line
        if self._index:
            await lifeline.wait(self._door.proven.wait)
        refusals = 0
        while True:
            lifeline.beat()
            line.tickers = self._share()
            self._feed.watch(line.tickers)
            if not line.tickers:
                line.reason = "no market to carry"
                books.idle(at_us=self._wall_us())
                await trio.sleep(TICK_S)
                continue
            began = trio.current_time()
            cause: TraderError
            line.link, line.reason, books.was_useful = Link.CONNECTING, "handshake", False
            try:
                async with self._door.connect() as transport:
                    await self._converse(transport, lifeline)
            except (ConnectivityError, RemoteProtocolError, VenueRefused) as exc:
                cause = exc
            finally:
                line.link = Link.DISCONNECTED
            lifeline.beat()
            has_lasted = trio.current_time() - began >= STEADY_S
            line.failures = 1 if books.was_useful and has_lasted else line.failures + 1
            delay_s = self._backoff.delay_s(line.failures, self._rng)
            line.reason = str(cause)
            self._bus.publish(ConnectionLost(self.name, str(cause), round(delay_s, 2), self._wall_us()))
            if isinstance(cause, VenueRefused) and cause.is_about_the_key:
                refusals += 1
                await self._on_key_refused(cause, refusals)
            await trio.sleep(delay_s)

    async def _converse(self, transport: Transport, lifeline: Lifeline) -> NoReturn:
        """Subscribe and apply until the connection is over. Raises the reason."""
        books = self._books
        anchor_us = self._wall_us() - int(
            trio.current_time() * 1e6
        )  # a wall clock that is set must not move a time limit

        def now_us() -> int:
            return anchor_us + int(trio.current_time() * 1e6)

        self._feed.connections_made += 1
        share = self._share()  # some markets may have gone meanwhile
        reason = "given up by the connector"
        try:
            commands = books.open(self._feed.connections_made, share, at_us=now_us())
            while True:
                for command in commands:
                    await transport.send(command)
                commands = []
                with trio.move_on_after(TICK_S):  # one limit for many batches: to set one costs as much as a batch
                    while not commands:
                        commands = self._step(await transport.receive_batch(), transport, lifeline, now_us())
                commands = commands or self._step([], transport, lifeline, now_us())
        except (ConnectivityError, RemoteProtocolError) as exc:
            reason = str(exc)
            raise
        finally:  # cancelled or crashed, too
            books.close(reason, at_us=now_us())
            self._feed.wake()

    def _step(self, batch: list[bytes], transport: Transport, lifeline: Lifeline, at_us: int) -> list[bytes]:
        """Take what arrived, or that nothing did, and tell whoever reads the books; returns commands to send."""
        books, feed = self._books, self._feed
        commands = books.step(batch, self._share(), at_us=at_us)
        if batch:
            feed.wake()
        lifeline.beat()
        now = trio.current_time()
        books.line.heard_us = self._wall_us() - int((now - transport.heard_at) * 1e6)
        if batch:
            feed.receive_to_book.note(int((now - transport.batch_at) * 1e6), now_s=now)
        feed.check_renewal(self.name)
        return commands

    def _share(self) -> tuple[str, ...]:
        """What to carry: our share, without what the connection that had it before has not given up yet."""
        share = self._selection.share(self._index)
        held = self._books.line.tickers
        if share is held or share == held:  # nearly always the same object: a look must not cost more with more markets
            return share
        return self._feed.unclaimed(self.name, share)

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
