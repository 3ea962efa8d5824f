"""What is traded in a simulated world, and how: by a strategy of chance or the shipped example, with limits that bind and
money that may run out.

Units: prices 1e-4 dollar, counts 0.01 contract, money 1e-6 dollar.
"""

import random
from dataclasses import dataclass, replace
from typing import Final

from traderv3.domain.risk_limits import DEFAULT_LIMITS, DayLimits, OrderLimits, RiskLimits, ScopeLimits
from traderv3.domain.units import Money, Price, Qty
from traderv3.simulation.restless import Restless, RestlessParameters
from traderv3.trading.strategies.spread_maker import SpreadMaker, SpreadMakerParameters

SHARE: Final = 0.5  # of the seeds that trade
RESTLESS_SHARE: Final = 0.8  # of those; the others run the shipped example
PLENTY: Final = Money(10_000_000_000)
SCARCE: Final = Money(20_000_000)
# A stop of the day locks for an hour, which is longer than a run: those have tests of their own.
NO_STOP: Final = DayLimits(
    orders=1_000_000,
    turnover=Money(10**12),
    loss=Money(10**12),
    drawdown=Money(10**12),
    strategy_loss=Money(10**12),
    strategy_drawdown=Money(10**12),
    lock_s=1,
)


@dataclass(frozen=True, slots=True)
class Venture:
    """How one run trades."""

    strategy: str
    parameters: SpreadMakerParameters | RestlessParameters
    risk: RiskLimits
    balance: Money  # that the account begins with


def draw_venture(seed: int) -> Venture | None:
    """How the world of a seed trades, None: not at all."""
    rng = random.Random(f"venture:{seed}")
    if rng.random() >= SHARE:
        return None
    size = rng.randint(100, 1_000)
    most = rng.randint(size, 5_000)
    risk = _drawn_limits(rng, size, most)
    balance = rng.choice((PLENTY, PLENTY, SCARCE))
    ttl_s = rng.choice((2, 5, 20))
    if rng.random() < RESTLESS_SHARE:
        parameters = RestlessParameters(
            seed=seed, size=Qty(size), eagerness=rng.choice((0.05, 0.2, 0.5)), ttl_s=float(ttl_s)
        )
        return Venture(Restless.name, parameters, risk, balance)
    spread_min = rng.choice((100, 200, 300))
    quotes = SpreadMakerParameters(
        size=Qty(size),
        position_max=Qty(most),
        spread_min=Price(spread_min),
        edge=Price(rng.randint(10, spread_min // 2 - 1)),
        skew=Price(rng.choice((0, 5, 20))),
        requote=Price(rng.choice((100, 200))),
        price_min=Price(200),
        ttl_s=ttl_s,
    )
    return Venture(SpreadMaker.name, quotes, risk, balance)


def _drawn_limits(rng: random.Random, size: int, most: int) -> RiskLimits:
    """Sometimes wide, sometimes below what the strategy wants."""
    share = rng.choice((0.7, 1.0, 3.0))
    market = Qty(max(size, int(most * share)))
    return replace(
        DEFAULT_LIMITS,
        order=OrderLimits(size=Qty(size), notional=Money(size * 10_350)),
        market=_scope(market, rng.choice((2, 4, 6))),
        event=_scope(Qty(market * 2), rng.choice((4, 60))),
        series=_scope(Qty(market * 3), 120),
        strategy=_scope(Qty(market * 4), 300),
        account=_scope(Qty(market * 4), 400),
        day=NO_STOP,
        gate=replace(DEFAULT_LIMITS.gate, clock_offset_ms=rng.choice((5_000, 10**8))),
    )


def _scope(size: Qty, open_orders: int) -> ScopeLimits:
    money = Money(size * 10_350)
    return ScopeLimits(size=size, notional=money, worst_case=money, open_orders=open_orders, orders_per_minute=300)
