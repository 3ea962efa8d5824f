"""The money of shadow trading: play cash, positions, fees and what resting orders hold, by the exchange's own rules.

Units: prices 1e-4 dollar on the YES scale, counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
Never: a dollar that is real. It begins anew with every process.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from traderv3.domain.claims import Claim, collateral
from traderv3.domain.execution import HeldPosition
from traderv3.domain.fees import ORDINARY_FEES, ROUNDING, FeeSchedule, charge, trade_fee
from traderv3.domain.market_facts import Fill, MarketPosition, UserOrder
from traderv3.domain.matching import Order
from traderv3.domain.orders import NOTHING
from traderv3.domain.positions import NO_MONEY, Position
from traderv3.domain.units import Money, Price, Qty

SHARD: Final = 0


@dataclass(slots=True, kw_only=True)
class ShadowOrder:
    """One order as the shadow venue keeps it; `place` is its place in the queue while it rests."""

    order_id: str
    client_order_id: str
    ticker: str
    is_bid: bool
    price: Price
    initial: Qty
    remaining: Qty
    created_us: int
    updated_us: int
    expires_us: int | None
    is_post_only: bool
    filled: Qty = NOTHING
    status: str = "resting"
    reason: str | None = None
    costs: dict[bool, Money] = field(default_factory=lambda: {True: NO_MONEY, False: NO_MONEY})  # by whether as taker
    fees: dict[bool, Money] = field(default_factory=lambda: {True: NO_MONEY, False: NO_MONEY})
    accumulated: int = 0  # rounding fees of its fills so far
    place: Order | None = None

    @property
    def claim(self) -> Claim:
        """What it may yet do to the account."""
        return Claim(self.is_bid, self.price, self.remaining)

    def word(self, received_us: int) -> UserOrder:
        """As the venue would tell of it."""
        return UserOrder(
            order_id=self.order_id,
            client_order_id=self.client_order_id,
            ticker=self.ticker,
            status=self.status,
            is_yes=self.is_bid,
            yes_price=self.price,
            initial=self.initial,
            filled=self.filled,
            remaining=self.remaining,
            taker_cost=self.costs[True],
            maker_cost=self.costs[False],
            taker_fees=self.fees[True],
            maker_fees=self.fees[False],
            order_group_id=None,
            self_trade_prevention=None,
            reason=self.reason,
            exchange_index=SHARD,
            subaccount=None,
            created_us=self.created_us,
            expires_us=self.expires_us,
            at_us=self.updated_us,
            received_us=received_us,
        )


class ShadowAccount:
    """Cash and positions. `fees` of a ticker: what its market charges; unknown ones the ordinary."""

    def __init__(self, balance: Money, fees: Callable[[str], FeeSchedule | None]) -> None:
        self.cash = balance
        self.positions: dict[str, Position] = {}
        self._touched_us: dict[str, int] = {}
        self._volumes: dict[str, int] = {}
        self._fees = fees
        self._trades = 0

    def fill(self, order: ShadowOrder, price: Price, count: Qty, *, is_taker: bool, at_us: int) -> Fill:
        """Book one fill to the order and to the account."""
        before = self.position(order.ticker)
        fee = trade_fee(self._rate(order.ticker, is_taker=is_taker), price, count)
        bare = before.after(order.is_bid, price, count, NO_MONEY)
        booked = charge(bare.flow - before.flow, fee, order.accumulated, ROUNDING)
        after = before.after(order.is_bid, price, count, Money(booked.fee))
        order.accumulated = booked.accumulated
        order.filled = Qty(order.filled + count)
        order.remaining = Qty(order.remaining - count)
        order.costs[is_taker] = Money(order.costs[is_taker] + price * count)
        order.fees[is_taker] = Money(order.fees[is_taker] + booked.fee)
        order.updated_us = at_us
        self._move(order.ticker, after, at_us)
        self._volumes[order.ticker] = self._volumes.get(order.ticker, 0) + count
        self._trades += 1
        return Fill(
            trade_id=f"shadow-{self._trades:09}",  # in the order of their making also within one millisecond
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            ticker=order.ticker,
            is_yes=order.is_bid,
            is_taker=is_taker,
            yes_price=price,
            count=count,
            fee=Money(booked.fee),
            position=after.count,
            exchange_index=SHARD,
            subaccount=None,
            at_us=at_us,
            received_us=at_us,
        )

    def settle(self, ticker: str, value: Price, at_us: int) -> None:
        """A market pays."""
        self._move(ticker, self.position(ticker).settled(value), at_us)

    def position(self, ticker: str) -> Position:
        """What is held in a market."""
        return self.positions.get(ticker) or Position()

    def held(self, orders: Iterable[ShadowOrder]) -> Money:
        """What these orders set aside."""
        return self._held((order.ticker, order.claim) for order in orders)

    def held_with(self, others: Iterable[ShadowOrder], order: ShadowOrder, price: Price, remaining: Qty) -> Money:
        """The same, with an order on other terms."""
        claims = [(other.ticker, other.claim) for other in others]
        return self._held([*claims, (order.ticker, Claim(order.is_bid, price, remaining))])

    def _held(self, claims: Iterable[tuple[str, Claim]]) -> Money:
        markets: dict[str, list[Claim]] = {}
        for ticker, claim in claims:
            markets.setdefault(ticker, []).append(claim)
        total = 0
        for ticker, of_market in markets.items():
            rate = self._rate(ticker, is_taker=True)
            total += collateral(self.position(ticker).count, of_market, rate, ROUNDING.quantum)
        return Money(total)

    def closable(self, ticker: str, *, is_bid: bool) -> Qty:
        """How much an order may be that only closes."""
        count = self.position(ticker).count
        return Qty(max(0, -count if is_bid else count))

    def told(self, ticker: str, received_us: int) -> MarketPosition:
        """A position as the venue would tell of it."""
        position = self.position(ticker)
        return MarketPosition(
            ticker=ticker,
            position=position.count,
            cost=position.cost,
            realized_pnl=position.realized,
            fees_paid=position.fees,
            position_fee_cost=NO_MONEY,
            volume=Qty(self._volumes.get(ticker, 0)),
            subaccount=None,
            received_us=received_us,
        )

    def holdings(self) -> list[HeldPosition]:
        """Every position as a read would show it."""
        return [
            HeldPosition(
                ticker=ticker,
                position=position.count,
                exposure=position.cost,
                realized_pnl=position.realized,
                fees_paid=position.fees,
                updated_us=self._touched_us[ticker],
            )
            for ticker, position in self.positions.items()
        ]

    def _move(self, ticker: str, after: Position, at_us: int) -> None:
        self.cash = Money(self.cash + after.flow - self.position(ticker).flow)
        self.positions[ticker] = after
        self._touched_us[ticker] = at_us

    def _rate(self, ticker: str, *, is_taker: bool) -> Fraction:
        return (self._fees(ticker) or ORDINARY_FEES).rate(is_taker=is_taker)
