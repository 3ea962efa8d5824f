"""Trading in `local`, all of it real but the strangers: engine, risk, reconciliation, strategy and shadow venue in one loop."""

import random

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.trading.fake_house import Log
from tests.trading.shadow_house import BALANCE, FEES, MemoryLatch
from tests.trading.strangers import TICKER, Strangers
from tests.trading.telling import NOW_US
from traderv3.core.lifeline import Lifeline
from traderv3.domain.execution import EngineItem, Snapshot
from traderv3.domain.feed import EventTerms, Feed, Line, Link, Listing
from traderv3.domain.market_facts import MarketLifecycle
from traderv3.domain.permission import Mode
from traderv3.domain.price_grid import PriceGrid
from traderv3.domain.risk_limits import DEFAULT_LIMITS
from traderv3.domain.units import DOLLAR
from traderv3.trading.day_book import DayBook
from traderv3.trading.decider import Senses
from traderv3.trading.engine import Engine
from traderv3.trading.inbox import Inbox
from traderv3.trading.portfolio import Portfolio
from traderv3.trading.shadow_venue import DELAYS_S, ShadowVenue
from traderv3.trading.state_sync import PERIOD_S, StateSync
from traderv3.trading.strategies.spread_maker import DEFAULTS, SpreadMaker


def _wall_us() -> int:
    return NOW_US + round(trio.current_time() * 1e6)


class Room:
    """What `execution_room` puts together for `local`, with one market of strangers."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.rng = rng
        self.feed = Feed()
        self.feed.watch([TICKER])
        self.feed.books[TICKER].replace([(4000, 500)], [(4000, 500)])
        self.feed.listings[TICKER] = Listing("T", None, PriceGrid(((0, DOLLAR, 100),)), "EV")
        self.feed.statuses[TICKER] = "active"
        self.feed.events = {"EV": EventTerms("S", False, FEES)}
        self.line = self.feed.lines["orderbook_connector"] = Line(link=Link.CONNECTED, tickers=(TICKER,))
        self.strangers = Strangers(rng)
        self.latch = MemoryLatch()
        self.inbox = Inbox[EngineItem | MarketLifecycle]()
        self.portfolio = Portfolio(fees=lambda _: FEES)
        self.venue = ShadowVenue(
            self.feed,
            self.latch,
            deliver=self.inbox.put,
            wall_us=_wall_us,
            rng=rng,
            fees=lambda _: FEES,
            balance=BALANCE,
        )
        self.sync = StateSync(self.venue, since_us=lambda: 0, deliver=self.inbox.put, wall_us=_wall_us)
        senses = Senses(
            account_trouble=lambda: None, clock_offset_us=lambda: 0, cross_check=lambda: 1.0, ask=self.sync.ask
        )
        self.engine = Engine(
            self.feed,
            self.portfolio,
            self.venue,
            Log(),
            self.inbox,
            SpreadMaker(DEFAULTS),
            DEFAULT_LIMITS,
            DayBook(None, DEFAULT_LIMITS.day, wall_us=_wall_us),
            self.latch,
            senses,
            wall_us=_wall_us,
        )

    async def live(self, for_s: float) -> None:
        """The market moves, several times a second."""
        ends_at = trio.current_time() + for_s
        book = self.feed.books[TICKER]
        while trio.current_time() < ends_at:
            self.strangers.act()
            for is_yes, price, change in self.strangers.actions.pop(0):
                book.apply(is_yes, price, change)
            book.received_us = self.line.heard_us = _wall_us()
            self.venue.look()
            self.inbox.wake()
            for trade in self.strangers.trades:
                self.venue.note_trade(trade)
            self.strangers.trades.clear()
            await trio.sleep(self.rng.uniform(0, 0.5))

    async def rest(self, for_s: float) -> None:
        """Nothing happens, but that the line is heard."""
        ends_at = trio.current_time() + for_s
        while trio.current_time() < ends_at:
            self.line.heard_us = _wall_us()
            await trio.sleep(0.5)

    def check(self, read: Snapshot) -> None:
        """The engine's account is the venue's, and no limit was passed."""
        portfolio, most = self.portfolio, DEFAULT_LIMITS.market
        self.venue.check()
        portfolio.check()
        assert self.engine.reconciliation.is_clean
        assert self.engine.reconciliation.differences == ()
        assert portfolio.cash == self.venue.account.cash
        assert portfolio.free == read.balance
        assert portfolio.position(TICKER) == self.venue.account.position(TICKER).count
        assert abs(portfolio.position(TICKER)) <= DEFAULTS.position_max <= most.size
        resting = {word.client_order_id for word in read.orders if word.status == "resting"}
        assert resting == portfolio.open.keys()
        assert len(resting) <= most.open_orders


async def _trade(seed: int) -> None:
    room, lifeline = Room(seed), Lifeline()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.venue.run, lifeline)
        nursery.start_soon(room.engine.run, lifeline)
        nursery.start_soon(room.sync.run, lifeline)
        await room.live(300)
        await room.rest(2 * PERIOD_S)  # until a reading has agreed
        room.check(await room.venue.snapshot(0))
        assert room.portfolio.fills

        room.venue.on_latch(await room.latch.set(Mode.HALTED, by="a person", reason="drill"))
        await trio.sleep(DELAYS_S[1] + 0.01)
        assert room.venue.open_orders == 0
        await room.live(10)
        assert room.venue.open_orders == 0
        assert not room.portfolio.open
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(4))
def test_the_example_strategy_trades_in_the_shadow_and_every_number_agrees(seed: int) -> None:
    with capture_logs():
        trio.run(_trade, seed, clock=MockClock(autojump_threshold=0))


@pytest.mark.soak
def test_the_example_strategy_trades_in_the_shadow_for_long() -> None:
    for seed in range(100, 300):
        with capture_logs():
            trio.run(_trade, seed, clock=MockClock(autojump_threshold=0))
