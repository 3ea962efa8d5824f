"""The limits of risk, as one table: what an order, a market, an event, a series, a strategy, the account and a day may come to.

Every figure reckons with everything that rests or is on its way as if it filled. A limit refuses only what makes its figure
larger. So an order that closes a position passes every limit of stake (notional, size and worst case, a day's orders and
turnover), but where it takes one leg of a hedge away and the worst case of the event grows. The mechanical ones (size of one
order, open orders, orders a second and a minute) hold for it too: they are there for a loop that has run away.
Units: counts 0.01 contract, prices 1e-4 dollar, money 1e-6 dollar; names ending in `_ms`, `_s`, `_percent` say theirs.
The defaults are for a first day with a small account; `[risk]` in the strategy file replaces single ones.
Never: a limit that is off. Whoever wants one out of the way writes a large number, and it shows.
"""

from dataclasses import dataclass
from typing import Final

from traderv3.domain.units import Money, Price, Qty


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLimits:
    """One order. `notional` is what it may cost, fee included, which is also the most that it alone can lose; closing costs
    nothing. `size` holds for every order.
    """

    size: Qty
    notional: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeLimits:
    """One market, event, series or strategy, or the whole account.

    `size`: contracts held on either side, summed over markets. `notional`: what they cost. `worst_case`: the most that can
    be lost by the worst outcome; of an event's exclusive outcomes only one can happen. Orders count from being sent.
    """

    size: Qty
    notional: Money
    worst_case: Money
    open_orders: int
    orders_per_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLimits:
    """One day (UTC). `loss` counts from midnight, `drawdown` from the highest point since the last lock was lifted.

    A stop locks new exposure: for the rest of the day, and for `lock_s` at the least. The `strategy_` ones bound each strategy.
    """

    orders: int
    turnover: Money
    loss: Money
    drawdown: Money
    strategy_loss: Money
    strategy_drawdown: Money
    lock_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """What must be true of the data and the clock before any order.

    `collar`: how far beyond the best price of the other side an order may reach; where that side is empty, beyond the best of
    its own. `data_age_ms`: since bytes came on the connection of the book (its pings are answered every 10 s); a quiet market
    is no old one. `cross_check_percent`: of the latest comparisons with REST so many must have agreed.
    `clock_offset_ms`: the venue refuses signatures that are 10 s old or 30 s ahead.
    """

    collar: Price
    data_age_ms: int
    cross_check_percent: int
    clock_offset_ms: int
    orders_per_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """All of them. The names of the fields are the tables of `[risk]` in the strategy file."""

    order: OrderLimits
    market: ScopeLimits
    event: ScopeLimits
    series: ScopeLimits
    strategy: ScopeLimits
    account: ScopeLimits
    day: DayLimits
    gate: GateLimits


SCOPES: Final = ("market", "event", "series", "strategy", "account")  # from the narrowest


def _dollars(amount: int) -> Money:
    return Money(amount * 1_000_000)


def _contracts(count: int) -> Qty:
    return Qty(count * 100)


def _scope(contracts: int, dollars: int, open_orders: int, orders_per_minute: int) -> ScopeLimits:
    return ScopeLimits(
        size=_contracts(contracts),
        notional=_dollars(dollars),
        worst_case=_dollars(dollars),
        open_orders=open_orders,
        orders_per_minute=orders_per_minute,
    )


DEFAULT_LIMITS: Final = RiskLimits(
    order=OrderLimits(size=_contracts(25), notional=_dollars(25)),
    market=_scope(100, 50, 6, 60),
    event=_scope(300, 100, 60, 180),
    series=_scope(600, 200, 120, 300),
    strategy=_scope(1_500, 400, 300, 300),
    account=_scope(2_000, 500, 400, 300),
    day=DayLimits(
        orders=20_000,
        turnover=_dollars(5_000),
        loss=_dollars(50),
        drawdown=_dollars(50),
        strategy_loss=_dollars(40),
        strategy_drawdown=_dollars(40),
        lock_s=3_600,
    ),
    gate=GateLimits(
        collar=Price(500),
        data_age_ms=15_000,
        cross_check_percent=90,
        clock_offset_ms=5_000,
        orders_per_s=10,
    ),
)
