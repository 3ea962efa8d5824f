"""A shadow venue among its neighbours: live books that a test moves, a latch, and a portfolio that hears everything."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction

import trio
import trio.testing

from tests.trading.risking import make_feed
from tests.trading.telling import NOW_US, TICKER
from traderv3.core.lifeline import Lifeline
from traderv3.domain.execution import Answer, Cancel, Create, EngineItem, Missed, Outcome, Request, Snapshot
from traderv3.domain.fees import FeeSchedule, FeeType
from traderv3.domain.market_facts import Trade
from traderv3.domain.orders import Approved, Draft, Order, TimeInForce
from traderv3.domain.permission import Mode, Stand
from traderv3.domain.units import DOLLAR, Money, Price, Qty
from traderv3.trading.portfolio import Portfolio
from traderv3.trading.shadow_venue import DELAYS_S, ShadowVenue

BALANCE = Money(100_000_000)
FEES = FeeSchedule(FeeType.QUADRATIC_WITH_MAKER_FEES, Fraction(1))
ARRIVED_S = DELAYS_S[1] + 0.001


class MemoryLatch:
    """A latch that a test moves."""

    def __init__(self) -> None:
        self.stand = Stand(Mode.ACTIVE, 0, "start", "nobody has said otherwise")

    async def set(self, mode: Mode, *, by: str, reason: str) -> Stand:
        await trio.lowlevel.checkpoint()
        self.stand = Stand(mode, 0, by, reason)
        return self.stand


class ShadowHouse:
    """Short verbs; everything that the venue delivers goes into `heard`, and into the portfolio at once."""

    def __init__(self, seed: int = 0) -> None:
        self.feed = make_feed(FEES)
        self.latch = MemoryLatch()
        self.heard: list[EngineItem] = []
        self.venue = ShadowVenue(
            self.feed,
            self.latch,
            deliver=self._hear,
            wall_us=self.wall_us,
            rng=random.Random(seed),
            fees=lambda _: FEES,
            balance=BALANCE,
        )
        self.portfolio = Portfolio(fees=lambda _: FEES, ahead=self.venue.ahead_of)
        self.portfolio.adopt_cash(BALANCE)
        self._ids = 0

    def wall_us(self) -> int:
        return NOW_US + round(trio.current_time() * 1e6)

    def _hear(self, item: EngineItem) -> None:
        self.heard.append(item)
        assert not isinstance(item, Snapshot | Missed)
        self.portfolio.apply(item, self.wall_us())

    @property
    def outcomes(self) -> list[Outcome]:
        """Of all requests so far."""
        return [item.outcome for item in self.heard if isinstance(item, Answer)]

    def draft(self, is_bid: bool, price: int, count: int, tif: TimeInForce = TimeInForce.GTC, **more: object) -> Draft:
        return Draft(
            strategy="s",
            ticker=TICKER,
            is_bid=is_bid,
            price=Price(price),
            count=Qty(count),
            time_in_force=tif,
            **more,  # type: ignore[arg-type]
        )

    def intend(self, draft: Draft) -> Create:
        self._ids += 1
        key = f"v-{self._ids}"
        self.portfolio.intend(draft, key, self.wall_us())
        return Create(key, Approved(draft, self.wall_us()))

    async def order(self, draft: Draft) -> Order:
        """Submit and wait for what becomes of it."""
        create = self.intend(draft)
        await self.submit(create)
        return self.portfolio.orders[create.client_order_id]

    async def submit(self, *requests: Request) -> None:
        self.venue.submit(requests)
        await trio.sleep(ARRIVED_S)

    def cancel(self, order: Order) -> Cancel:
        assert order.order_id is not None
        self.portfolio.withdraw(order.client_order_id, self.wall_us())
        return Cancel(order.client_order_id, order.order_id, order.ticker)

    async def change(self, is_bid: bool, price: int, change: int, ticker: str = TICKER) -> None:
        """The live book moves."""
        book = self.feed.books[ticker]
        book.apply(is_bid, price if is_bid else DOLLAR - price, change)
        book.received_us = self.wall_us()
        self.venue.look()
        await trio.testing.wait_all_tasks_blocked()

    async def trade(self, price: int, count: int, *, is_taker_yes: bool, ticker: str = TICKER) -> None:
        """Strangers trade."""
        self.venue.note_trade(
            Trade(
                trade_id="t",
                ticker=ticker,
                yes_price=Price(price),
                count=Qty(count),
                is_taker_yes=is_taker_yes,
                is_block=False,
                at_us=self.wall_us(),
                received_us=self.wall_us(),
            )
        )
        await trio.testing.wait_all_tasks_blocked()

    async def check(self) -> None:
        """The venue's account as it reads, and the portfolio that only heard, are one."""
        self.venue.check()
        self.portfolio.check()
        read = await self.venue.snapshot(0)
        assert self.portfolio.cash == self.venue.account.cash
        assert self.portfolio.free == read.balance
        for held in read.positions:
            ours = self.portfolio.positions[held.ticker]
            assert (ours.count, ours.cost, ours.realized, ours.fees) == (
                held.position,
                held.exposure,
                held.realized_pnl,
                held.fees_paid,
            )
        assert {fill.trade_id for fill in read.fills} == self.portfolio.fills.keys()
        told = {word.client_order_id: word for word in read.orders}
        for key, order in self.portfolio.orders.items():
            if order.order_id is not None:
                word = told[key]
                assert (order.price, order.count, order.filled, order.remaining) == (
                    word.yes_price,
                    word.initial,
                    word.filled,
                    word.remaining,
                )
                assert order.is_open == (word.status == "resting")


@asynccontextmanager
async def running(house: ShadowHouse) -> AsyncIterator[None]:
    """Its actor runs inside."""
    async with trio.open_nursery() as nursery:
        lifeline = Lifeline()
        nursery.start_soon(house.venue.run, lifeline)
        await trio.lowlevel.checkpoint()
        yield
        lifeline.stopping.set()


@asynccontextmanager
async def shadow_house(seed: int = 0) -> AsyncIterator[ShadowHouse]:
    """A house with its actor running."""
    house = ShadowHouse(seed)
    async with running(house):
        yield house
