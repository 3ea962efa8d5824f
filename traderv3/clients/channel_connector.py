"""The actor that keeps one connection for channels other than books: facts in from Kalshi, handed on one by one.

A flood here delays no book, and the loss of this connection makes none stale: what it told is made up for by REST, so
whoever reads the facts is told of every loss (`missed`).
Dies:  only when an invariant breaks. It tries for ever with capped, jittered backoff; the first book connection proves
       the key before this one is tried at all.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn

import trio

from traderv3.clients.door import Door
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError, VenueRefused
from traderv3.domain.events import ConnectionLost, ConnectionUp, StreamGap
from traderv3.domain.feed import Feed, Line, Link
from traderv3.domain.market_facts import MarketFact
from traderv3.domain.tape import NO_TAPE, Tape
from traderv3.protocol.channel_session import ChannelSession

TICK_S: Final = 1.0
STEADY_S: Final = 10.0  # a venue that takes us and drops us at once must not be hammered


class ChannelConnector:
    """One connection. `wanted` maps a channel to its markets, None for all; it is asked again as soon as `version` moves.

    `deliver` and `missed` must not wait or raise.
    """

    def __init__(
        self,
        name: str,
        wanted: Callable[[], Mapping[str, Sequence[str] | None]],
        version: Callable[[], int],
        door: Door,
        feed: Feed,
        bus: EventBus,
        *,
        deliver: Callable[[MarketFact], None],
        missed: Callable[[], None],
        wall_us: Callable[[], int],
        rng: random.Random,
        backoff: Backoff,
        tape: Tape = NO_TAPE,
    ) -> None:
        self.name = name
        self._wanted = wanted
        self._version = version
        self._door = door
        self._feed = feed
        self._bus = bus
        self._deliver = deliver
        self._missed = missed
        self._wall_us = wall_us
        self._rng = rng
        self._backoff = backoff
        self._tape = tape
        self._conn = 0

    async def run(self, lifeline: Lifeline) -> None:
        """Keep a connection for ever."""
        lifeline.started()
        line = self._feed.line(self.name)
        line.has_books = False
        await lifeline.wait(self._door.proven.wait)
        failures = 0
        while True:
            lifeline.beat()
            began = trio.current_time()
            try:
                await self._stay_connected(line, lifeline)
            except (ConnectivityError, RemoteProtocolError, VenueRefused) as exc:
                cause = exc
            failures = 1 if trio.current_time() - began >= STEADY_S else failures + 1
            delay_s = self._backoff.delay_s(failures, self._rng)
            line.reason = str(cause)
            self._bus.publish(ConnectionLost(self.name, line.reason, round(delay_s, 2), self._wall_us()))
            await trio.sleep(delay_s)

    async def _stay_connected(self, line: Line, lifeline: Lifeline) -> NoReturn:
        """Connect, subscribe and hand on until the connection is over. Raises the reason."""
        line.link, line.reason = Link.CONNECTING, "handshake"
        try:
            async with self._door.connect() as transport:
                self._on_up(line)
                version = self._version()
                session = ChannelSession(self.name, self._wanted(), self._feed.channel_counters)
                self._missed()  # whatever was told while we were away
                while True:
                    if self._version() != version:
                        version = self._version()
                        for channel, tickers in self._wanted().items():
                            session.set_markets(channel, tickers)
                    commands = session.commands(now_s=trio.current_time())
                    if commands:
                        self._tape.frames(self._conn, self._wall_us(), commands, is_inbound=False, is_json=True)
                    for command in commands:
                        await transport.send(command)
                    batch: list[bytes] = []
                    with trio.move_on_after(TICK_S):
                        batch = await transport.receive_batch()
                    lifeline.beat()
                    self._take(session, line, batch)
                    self._feed.check_renewal(self.name)
        finally:
            if line.link is Link.CONNECTED:
                self._tape.event(self._conn, self._wall_us(), "close")
            line.link, line.reason, line.connected_us = Link.DISCONNECTED, "given up by the connector", None

    def _on_up(self, line: Line) -> None:
        at_us = self._wall_us()
        line.link, line.reason, line.connected_us = Link.CONNECTED, "accepted by the venue", at_us
        self._feed.connections_made += 1
        self._conn = self._feed.connections_made
        self._tape.event(self._conn, at_us, "open", name=self.name, carries="channels")
        self._bus.publish(ConnectionUp(self.name, at_us))

    def _take(self, session: ChannelSession, line: Line, batch: list[bytes]) -> None:
        if not batch:
            return
        at_us = self._wall_us()
        line.last_message_us = at_us
        self._tape.frames(self._conn, at_us, batch, is_inbound=True)
        try:
            session.receive(batch, at_us=at_us, now_s=trio.current_time())
        finally:
            for fact in session.take_facts():
                self._deliver(fact)
            for notice in session.take_notices():
                self._bus.publish(notice)
                if isinstance(notice, StreamGap):
                    self._missed()
