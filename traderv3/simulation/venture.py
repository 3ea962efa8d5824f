"""What is traded in a simulated world, and how: by a strategy of chance or the shipped example, with limits that bind and
money that may run out.

Units: prices 1e-4 dollar, counts 0.01 contract, money 1e-6 dollar.
"""

import random
from dataclasses import dataclass, replace
from typing import Final

from traderv3.domain.risk_limits import DEFAULT_LIMITS, SCOPES, DayLimits, OrderLimits, RiskLimits, ScopeLimits
from traderv3.domain.units import Money, Price, Qty
from traderv3.simulation.restless import Restless, RestlessParameters
from traderv3.trading.strategies.spread_maker import SpreadMaker, SpreadMakerParameters

SHARE: Final = 0.5  # of the seeds that trade
RESTLESS_SHARE: Final = 0.8  # of those; the others run the shipped example
PLENTY: Final = Money(10_000_000_000)
SCARCE: Final = Money(20_000_000)
NARROW_SHARE: Final = 0.5  # of those whose money, orders or day may bind before their size does
STOP_SHARE: Final = 0.4  # of the narrow ones; a stop of the day locks for longer than a run
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


def draw_venture(seed: int, strategy: str | None = None, *, may_be_narrow: bool = True) -> Venture | None:
    """How the world of a seed trades: by chance, and then perhaps not at all (None), or by this strategy.

    Narrow limits, which some have, are drawn apart from everything else.
    """
    rng = random.Random(f"venture:{seed}" if strategy is None else f"{strategy}:{seed}")
    if strategy is None and rng.random() >= SHARE:
        return None
    venture = _drawn_venture(rng, seed, strategy)
    narrow = random.Random(f"narrow:{seed}")
    is_narrow = may_be_narrow and narrow.random() < NARROW_SHARE
    return replace(venture, risk=_narrowed(narrow, venture.risk)) if is_narrow else venture


def _drawn_venture(rng: random.Random, seed: int, strategy: str | None) -> Venture:
    size = rng.randint(100, 1_000)
    most = rng.randint(size, 5_000)
    risk = _drawn_limits(rng, size, most)
    balance = rng.choice((PLENTY, PLENTY, SCARCE))
    ttl_s = rng.choice((2, 5, 20))
    if strategy is None:
        strategy = Restless.name if rng.random() < RESTLESS_SHARE else SpreadMaker.name
    if strategy == Restless.name:
        parameters = RestlessParameters(
            seed=seed, size=Qty(size), eagerness=rng.choice((0.05, 0.2, 0.5)), ttl_s=float(ttl_s)
        )
        return Venture(strategy, parameters, risk, balance)
    assert strategy == SpreadMaker.name, strategy
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
    return Venture(strategy, quotes, risk, balance)


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


def _narrowed(rng: random.Random, wide: RiskLimits) -> RiskLimits:
    """The same with less: one measure of a scope or more, one of an order or of the gate, and the day's for some."""
    size = wide.order.size
    tight = {
        scope: _tightened(rng, getattr(wide, scope), size) for scope in rng.sample(SCOPES, rng.choice((1, 1, 2, 3)))
    }
    narrow: RiskLimits = replace(
        wide,
        **tight,  # type: ignore[arg-type]  # scopes by name
        order=OrderLimits(
            size=Qty(int(size * rng.choice((0.5, 1.0, 1.0, 1.0)))),
            notional=Money(int(wide.order.notional * rng.choice((0.3, 1.0, 1.0)))),
        ),
        gate=replace(wide.gate, orders_per_s=rng.choice((1, 3, 10, 10))),
    )
    return replace(narrow, day=_drawn_day(rng, wide)) if rng.random() < STOP_SHARE else narrow


def _tightened(rng: random.Random, wide: ScopeLimits, size: int) -> ScopeLimits:
    """One measure so that an order or a few reach it."""
    match rng.choice(("size", "notional", "worst_case", "open_orders", "orders_per_minute")):
        case "size":
            return replace(wide, size=Qty(size * rng.choice((1, 2))))
        case "notional":
            return replace(wide, notional=Money(size * rng.choice((2_000, 5_000, 12_000))))
        case "worst_case":
            return replace(wide, worst_case=Money(size * rng.choice((1_000, 4_000, 10_000))))
        case "open_orders":
            return replace(wide, open_orders=rng.choice((1, 2, 3)))
        case _:
            return replace(wide, orders_per_minute=rng.choice((5, 15, 30)))


def _drawn_day(rng: random.Random, wide: RiskLimits) -> DayLimits:
    """One that binds within a run: a few orders, or a little money."""
    little = Money(wide.order.size * rng.choice((100, 500, 2_000)))
    day = {
        "orders": {"orders": rng.choice((5, 20, 60))},
        "turnover": {"turnover": Money(wide.order.size * rng.choice((2_000, 10_000, 50_000)))},
        "loss": {"loss": little},
        "drawdown": {"drawdown": little, "lock_s": rng.choice((5, 20, 3_600))},
        "strategy_loss": {"strategy_loss": little},
        "strategy_drawdown": {"strategy_drawdown": little, "lock_s": rng.choice((5, 20, 3_600))},
    }
    return replace(NO_STOP, **day[rng.choice(list(day))])  # type: ignore[arg-type]
