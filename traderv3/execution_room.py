"""Everything that trades, assembled: the engine, and beside it whoever carries orders out and says what became of them.

    market_terms       events, series, fees
    account_connector  what the account's channels tell ─┐
    order_gateway      orders to the venue, answers back ─┼─► inbox ─► engine ─► order_gateway
    state_sync         the account, read whole           ─┘
    day_book           the day's counts and stops, on disk

In `local` a shadow venue stands in for connector, gateway and account: no order leaves the process.
What must survive a restart of an actor (portfolio, inbox, intent log, what is on its way) is made here, once.
Never: a decision. Rooms that may not see each other meet here through types of `domain` alone.
"""

import random
from collections.abc import Callable
from typing import Final

from traderv3.clients.account_connector import AccountConnector
from traderv3.clients.account_reads import AccountReader
from traderv3.clients.door import Door
from traderv3.clients.doors import open_order_rest
from traderv3.clients.market_terms import MarketTerms
from traderv3.clients.order_gateway import OrderGateway
from traderv3.clients.order_rest import OrderRest
from traderv3.config.environment import Orders
from traderv3.config.limits import LIMITS
from traderv3.config.settings import Settings
from traderv3.core.clock import WallClock
from traderv3.core.disk import Blocking
from traderv3.core.event_bus import EventBus
from traderv3.core.supervision import Backoff, ChildSpec, Strategy, SupervisorSpec
from traderv3.domain.execution import AccountFact, AccountReads, EngineItem, Missed, OrderPort, Snapshot
from traderv3.domain.feed import Feed, Link
from traderv3.domain.fees import FeeSchedule
from traderv3.domain.market_facts import (
    EventFeeUpdate,
    EventLifecycle,
    MarketFact,
    MarketLifecycle,
    OrderGroupUpdate,
    Trade,
)
from traderv3.domain.permission import Latch, Mode, Stand
from traderv3.domain.tape import Tape
from traderv3.domain.trading_report import FillLine, OrderLine, TradingReport
from traderv3.domain.units import Money, Qty
from traderv3.storage.intent_log import INTENT_FILE, IntentFile
from traderv3.trading.day_book import DayBook
from traderv3.trading.decider import Senses
from traderv3.trading.engine import Engine
from traderv3.trading.inbox import Inbox
from traderv3.trading.picture import Picture
from traderv3.trading.pilot import TradingFacts
from traderv3.trading.portfolio import Portfolio
from traderv3.trading.shadow_venue import ShadowVenue
from traderv3.trading.state_sync import StateSync
from traderv3.trading.strategies import make_strategy

LOOK_BACK_US: Final = 60_000_000  # before the oldest open order: the venue files by its own clock
SHADOW_BALANCE: Final = Money(1_000_000_000)  # what a shadow account begins with: 1,000 dollars
# The venue sums what fills within 15 s gross, both ways; the limit is net: from one side to the other and back.
GROUP_ROUNDS: Final = 3
ENGINE_GRACE_S: Final = 3.0
GATEWAY_GRACE_S: Final = 3.0


class ExecutionRoom:
    """One account's trading. `tell` hears of every change of an order and every fill; `record` keeps the account's facts."""

    name = "execution"

    def __init__(
        self,
        settings: Settings,
        feed: Feed,
        bus: EventBus,
        *,
        door: Callable[[], Door],
        latch: Latch,
        blocking: Callable[[], Blocking],
        record: Callable[[MarketFact], None],
        tape: Tape,
        cross_check: Callable[[], float | None],
        clock_offset_us: Callable[[], int | None],
        tell: Callable[[OrderLine | FillLine], None],
        wall_us: WallClock,
        rng: random.Random,
    ) -> None:
        self._settings = settings
        self._feed = feed
        self._door = door
        self._wall_us = wall_us
        self._order_rest: OrderRest | None = None
        self._began_us = wall_us()
        folder = settings.folder
        self.inbox: Inbox[EngineItem | MarketLifecycle] = Inbox()
        self.portfolio = Portfolio(tell=tell, fees=self._fees, ahead=self._queue_ahead)
        is_shadow = settings.environment.policy.orders is Orders.SHADOW
        self.day = DayBook(
            None if is_shadow else folder / "day.json", settings.risk.day, wall_us=wall_us, blocking=blocking()
        )
        self.terms = MarketTerms(lambda: door().rest, feed)
        self.gateway: OrderGateway | None = None
        self.shadow: ShadowVenue | None = None
        self.intents = IntentFile(folder / INTENT_FILE, rng=rng, blocking=blocking())
        port: OrderPort
        reads: AccountReads
        if is_shadow:  # its account begins anew with every process, and so does its day
            port = reads = self.shadow = ShadowVenue(
                feed,
                latch,
                deliver=self.inbox.put,
                wall_us=wall_us,
                rng=rng,
                fees=self._fees,
                balance=SHADOW_BALANCE,
            )
        else:
            port = self.gateway = OrderGateway(
                self._rest_for_orders,
                lambda: door().rest,
                self.intents,
                latch,
                deliver=self.inbox.put,
                wall_us=wall_us,
                rng=rng,
                group_limit=Qty(GROUP_ROUNDS * settings.risk.account.size),
                shard_of=lambda ticker: feed.listings[ticker].shard if ticker in feed.listings else 0,
            )
            reads = AccountReader(lambda: door().rest, wall_us=wall_us)
            self._connector = AccountConnector(
                door,
                feed,
                bus,
                deliver=self._on_account,
                record=record,
                wall_us=wall_us,
                rng=rng,
                backoff=Backoff(LIMITS.reconnect_first_s, LIMITS.reconnect_most_s),
                tape=tape,
            )
        self.sync = StateSync(reads, since_us=self._since_us, deliver=self._on_reading, wall_us=wall_us)
        senses = Senses(
            account_trouble=self._account_trouble,
            clock_offset_us=clock_offset_us,
            cross_check=cross_check,
            ask=self.sync.ask,
        )
        self.engine = Engine(
            feed,
            self.portfolio,
            port,
            self.intents,
            self.inbox,
            make_strategy(settings.strategy, settings.strategy_parameters),
            settings.risk,
            self.day,
            latch,
            senses,
            wall_us=wall_us,
            is_in_book=not is_shadow,
        )
        self._picture = Picture(self.engine)
        feed.wake = self._on_books

    def spec(self, *, heartbeat_s: float) -> SupervisorSpec:
        """The actors, in start order; the engine leaves first, while its cancels are still carried out."""
        return SupervisorSpec(
            name=self.name,
            strategy=Strategy.ONE_FOR_ONE,
            children=(
                ChildSpec(name=self.terms.name, run=self.terms.run, heartbeat_s=2 * heartbeat_s),
                ChildSpec(name=self.day.name, run=self.day.run, heartbeat_s=heartbeat_s),
                *self._carriers(heartbeat_s),
                ChildSpec(name=self.engine.name, run=self.engine.run, heartbeat_s=heartbeat_s, grace_s=ENGINE_GRACE_S),
                ChildSpec(name=self.sync.name, run=self.sync.run, heartbeat_s=2 * heartbeat_s),
            ),
        )

    def _carriers(self, heartbeat_s: float) -> tuple[ChildSpec, ...]:
        if self.shadow is not None:
            return (ChildSpec(name="shadow_venue", run=self.shadow.run, heartbeat_s=heartbeat_s),)
        assert self.gateway is not None
        return (
            ChildSpec(name="account_connector", run=self._connector.run, heartbeat_s=2 * heartbeat_s),
            ChildSpec(name="order_gateway", run=self.gateway.run, heartbeat_s=heartbeat_s, grace_s=GATEWAY_GRACE_S),
        )

    # -- what others read ----------------------------------------------------------------------------------------------

    def facts(self) -> TradingFacts:
        """What the state machine decides by."""
        return self._picture.facts()

    def report(self) -> TradingReport:
        """What people see."""
        return self._picture.report(self._wall_us())

    def troubles(self) -> dict[str, str]:
        """What a person must know of, a sentence for each kind of trouble."""
        found = self._picture.troubles(self._wall_us())
        for kind, trouble in (
            ("account", self._account_trouble()),
            ("gateway", self.gateway.trouble if self.gateway is not None else None),
            ("reading", self.sync.trouble),
        ):
            if trouble is not None:
                found[kind] = trouble
        return found

    @property
    def open_orders(self) -> int:
        """How many orders rest, as whoever carries them out knows, whatever the engine does."""
        carrier = self.gateway or self.shadow
        assert carrier is not None
        return carrier.open_orders

    @property
    def left_behind(self) -> int:
        """How many orders may rest at the venue now that all has stopped: 0 once it has deleted their groups, which ends them,
        or where the embedded exchange ends with us.
        """
        if self.gateway is None or self._settings.is_own_exchange or not self.intents.groups:
            return 0
        return len(self.portfolio.open)

    async def aclose(self) -> None:
        """Close the way for orders."""
        if self._order_rest is not None:
            await self._order_rest.aclose()

    # -- what others tell ----------------------------------------------------------------------------------------------

    def on_latch(self, stand: Stand) -> None:
        """The trading latch moved; a halt is carried out whatever the engine does."""
        carrier = self.gateway or self.shadow
        assert carrier is not None
        carrier.on_latch(stand)
        if stand.mode is Mode.ACTIVE:
            self.day.lift(self._wall_us())
        self.inbox.wake()

    def on_market_fact(self, fact: MarketFact) -> None:
        """Something that the market's channels told."""
        match fact:
            case MarketLifecycle():
                self.inbox.put(fact)
                if self.shadow is not None:
                    self.shadow.note_life(fact)
            case EventFeeUpdate() | EventLifecycle():
                self.terms.heed(fact)
            case Trade() if self.shadow is not None:
                self.shadow.note_trade(fact)

    def _on_account(self, fact: AccountFact | Missed) -> None:
        assert self.gateway is not None
        is_past = isinstance(fact, OrderGroupUpdate) and not self.gateway.is_present(fact.order_group_id)
        if not isinstance(fact, Missed):
            self.gateway.heed(fact)
        if not is_past:  # of a group that our own halt triggered, say, and that a person has lifted since
            self.inbox.put(fact)

    def _on_reading(self, reading: Snapshot) -> None:
        if self.gateway is not None:
            self.gateway.heed_reading(reading)
        self.inbox.put(reading)

    def _on_books(self) -> None:
        if self.shadow is not None:
            self.shadow.look()
        self.inbox.wake()

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _rest_for_orders(self) -> OrderRest:
        if self._order_rest is None:
            self._order_rest = open_order_rest(self._door(), self._settings)
        return self._order_rest

    def _account_trouble(self) -> str | None:
        if self.gateway is None:
            return None
        line = self._feed.lines.get("account_connector")
        if line is not None and line.link is Link.CONNECTED:
            return None
        return f"the account is not heard: {line.reason if line is not None else 'not tried yet'}"

    def _fees(self, ticker: str) -> FeeSchedule | None:
        terms = self._feed.terms(ticker)
        return None if terms is None else terms.fees

    def _queue_ahead(self, order_id: str) -> Qty | None:
        return None if self.shadow is None else self.shadow.ahead_of(order_id)

    def _since_us(self) -> int:
        """How far back a reading goes: every order that is not done with, and every fill since the last reading, is in it."""
        known = self.engine.reconciliation.as_of_us or self._began_us
        oldest = min((order.created_us for order in self.portfolio.at_risk.values()), default=known)
        return min(oldest, known) - LOOK_BACK_US
