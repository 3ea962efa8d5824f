"""Everything that reads the market, assembled: who finds the markets, who carries their books, who checks them.

    discovery             which markets, on which connection
    exchange_hours        when the exchange is open
    orderbook_connector   the books, one actor for each share of the selection
    channel_connector     lives of markets, public trades
    cross_check           REST as judge of the books

Each start of an actor makes its component anew. The room is there before the way to the venue is known: `door` is asked when
an actor starts.
"""

import random
from collections.abc import Awaitable, Callable

from traderv3.clients.channel_connector import ChannelConnector
from traderv3.clients.cross_check import CrossCheck, CrossCheckStats
from traderv3.clients.discovery import MarketDiscovery
from traderv3.clients.door import Door
from traderv3.clients.exchange_hours import ExchangeHours
from traderv3.clients.orderbook_connector import OrderBookConnector, connector_name
from traderv3.clients.selection import Selection
from traderv3.config.limits import LIMITS
from traderv3.config.markets import MarketSelection
from traderv3.core.clock import WallClock
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff, ChildSpec, Strategy, SupervisorSpec
from traderv3.domain.errors import VenueRefused
from traderv3.domain.feed import Feed
from traderv3.domain.market_facts import MarketFact, MarketLifecycle, Trade
from traderv3.domain.tape import Tape
from traderv3.protocol.session import SessionLimits


class MarketRoom:
    """One venue's market data. `give_up` is told when the venue refuses our key for good; `record_fact` hears of every fact;
    `add` starts a further actor in this room, as connections are needed.
    """

    name = "market"

    def __init__(
        self,
        feed: Feed,
        bus: EventBus,
        *,
        door: Callable[[], Door],
        wanted: MarketSelection,
        connections: int | None,
        give_up: Callable[[VenueRefused], Awaitable[None]],
        record_fact: Callable[[MarketFact], None],
        add: Callable[[ChildSpec], object],
        tape: Tape,
        wall_us: WallClock,
        rng: random.Random,
    ) -> None:
        self._feed = feed
        self._bus = bus
        self._door = door
        self._wanted = wanted
        self._give_up = give_up
        self._record_fact = record_fact
        self._add = add
        self._tape = tape
        self._wall_us = wall_us
        self._rng = rng
        self._backoff = Backoff(LIMITS.reconnect_first_s, LIMITS.reconnect_most_s)
        self._selection = Selection(
            connections=connections, per_connection=LIMITS.markets_per_connection, on_grow=self._open_connections
        )
        self._discovery: MarketDiscovery | None = None
        self._cross_check: CrossCheck | None = None

    def spec(self, *, heartbeat_s: float) -> SupervisorSpec:
        """The actors, in start order."""
        return SupervisorSpec(
            name=self.name,
            strategy=Strategy.ONE_FOR_ONE,
            children=(
                ChildSpec(name="discovery", run=self._discover, heartbeat_s=2 * heartbeat_s),
                ChildSpec(name="exchange_hours", run=self._watch_hours, heartbeat_s=4 * heartbeat_s),
                self._connector_spec(0),
                ChildSpec(name="channel_connector", run=self._hear_channels, heartbeat_s=2 * heartbeat_s),
                ChildSpec(name="cross_check", run=self._check_books, heartbeat_s=8 * heartbeat_s),
            ),
        )

    @property
    def tickers(self) -> list[str]:
        """What is watched now."""
        return self._selection.tickers

    def cross_check_stats(self) -> CrossCheckStats | None:
        """How often REST agreed with our books; None before the first start."""
        return self._cross_check.stats() if self._cross_check is not None else None

    def _connector_spec(self, index: int) -> ChildSpec:
        """One market-data connection; the first is there from the start, the others come with the markets."""

        async def run(lifeline: Lifeline) -> None:
            connector = OrderBookConnector(
                self._door(),
                self._selection,
                self._feed,
                self._bus,
                index=index,
                wall_us=self._wall_us,
                rng=self._rng,
                give_up=self._give_up,
                backoff=self._backoff,
                limits=SessionLimits(chunk=LIMITS.subscribe_chunk, answer_s=LIMITS.answer_s),
                tape=self._tape,
            )
            await connector.run(lifeline)

        return ChildSpec(name=connector_name(index), run=run, heartbeat_s=2 * LIMITS.heartbeat_s)

    def _open_connections(self, count: int) -> None:
        """Have so many connectors; those that are there already stay as they are."""
        for index in range(1, count):
            self._add(self._connector_spec(index))

    async def _discover(self, lifeline: Lifeline) -> None:
        self._discovery = MarketDiscovery(
            self._door().rest,
            self._wanted,
            self._selection,
            self._feed,
            self._bus,
            wall_us=self._wall_us,
            rng=self._rng,
            backoff=self._backoff,
        )
        await self._discovery.run(lifeline)

    async def _watch_hours(self, lifeline: Lifeline) -> None:
        await ExchangeHours(self._door().rest, self._feed, wall_us=self._wall_us).run(lifeline)

    async def _hear_channels(self, lifeline: Lifeline) -> None:
        connector = ChannelConnector(
            "channel_connector",
            lambda: {"market_lifecycle_v2": None, "trade": self._selection.tickers},
            lambda: self._selection.version,
            self._door(),
            self._feed,
            self._bus,
            deliver=self._on_fact,
            missed=self._on_missed,
            wall_us=self._wall_us,
            rng=self._rng,
            backoff=self._backoff,
            tape=self._tape,
        )
        await connector.run(lifeline)

    def _on_fact(self, fact: MarketFact) -> None:
        self._record_fact(fact)
        if isinstance(fact, Trade):
            self._feed.note_trade(fact)
        elif isinstance(fact, MarketLifecycle) and self._discovery is not None:
            self._discovery.heed(fact)

    def _on_missed(self) -> None:
        if self._discovery is not None:
            self._discovery.look_soon()

    async def _check_books(self, lifeline: Lifeline) -> None:
        books, lines = self._feed.books, self._feed.lines
        self._cross_check = CrossCheck(
            self._door().rest,
            lambda: {
                name: [books[ticker] for ticker in line.tickers if ticker in books] for name, line in lines.items()
            },
            self._feed.suspect,
            self._bus,
            wall_us=self._wall_us,
            rng=self._rng,
        )
        await self._cross_check.run(lifeline)
