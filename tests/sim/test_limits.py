"""The judge of limits sees each limit of each scope passed at the exchange, and lets through what is promised to pass."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio
from trio.testing import MockClock

from tests.exchange.house import OTHER, TICKER, House
from traderv3.domain.risk_limits import DEFAULT_LIMITS, SCOPES, DayLimits, OrderLimits, RiskLimits, ScopeLimits
from traderv3.domain.units import Money, Qty
from traderv3.simulation.limits import HEARD_S, HELD_S, LimitsWitness
from traderv3.simulation.venture import NO_STOP

if TYPE_CHECKING:
    from traderv3.exchange.exchange import Exchange

MUCH = 10**9
WIDE = ScopeLimits(
    size=Qty(MUCH), notional=Money(10**15), worst_case=Money(10**15), open_orders=MUCH, orders_per_minute=MUCH
)
FREE = RiskLimits(
    order=OrderLimits(size=Qty(MUCH), notional=Money(10**15)),
    market=WIDE,
    event=WIDE,
    series=WIDE,
    strategy=WIDE,
    account=WIDE,
    day=NO_STOP,
    gate=replace(DEFAULT_LIMITS.gate, orders_per_s=MUCH),
)
# What two bids of 10 contracts at 40 cents come to, the second in the event's other market where the scope is wide.
TWO_BIDS = {"size": 2_000, "notional": 8_000_000, "worst_case": 8_000_000, "open_orders": 2}


class Scene:
    """One member at a desk, and the judge of what it does there."""

    def __init__(self, risk: RiskLimits, wall_us: int = 1_790_000_000_000_000) -> None:
        self.told: list[str] = []
        self.must_close: str | None = None
        self.house = House()
        self.house.open("we", "they")
        self.wall_us = wall_us
        self.judge = LimitsWitness(
            risk,
            self.told.append,
            wall_us=lambda: self.wall_us + round(trio.current_time() * 1e6),
            must_close=lambda: self.must_close,
        )
        self.judge.meet(cast("Exchange", self.house), "we")
        assert self.judge.why_broken() is None

    def asks(self, terms: str, ticker: str = TICKER, *, is_undisturbed: bool = True) -> None:
        """A create goes on the wire."""
        side, count, _, price = terms.split()
        order: dict[str, Any] = {"ticker": ticker, "side": side, "count": count, "client_order_id": "x"}
        self.judge.on_create({**order, "price": f"{int(price) / 100:.4f}"}, is_undisturbed=is_undisturbed)

    def trades(self, terms: str, ticker: str = TICKER) -> None:
        """We get what we want of somebody."""
        side, count, _, price = terms.split()
        other = "ask" if side == "bid" else "bid"
        self.house.order("they", f"{other} {count} @ {price}", ticker=ticker)
        self.house.order("we", terms, ticker=ticker)


def limited(scope: str, **limits: int) -> RiskLimits:
    """All wide but these of one scope."""
    return replace(FREE, **{scope: replace(getattr(FREE, scope), **limits)})


@pytest.mark.parametrize("measure", TWO_BIDS)
@pytest.mark.parametrize("scope", SCOPES)
async def test_a_limit_of_a_scope_that_is_passed_at_the_exchange_is_told(
    scope: str, measure: str, autojump_clock: MockClock
) -> None:
    exact, less = (Scene(limited(scope, **{measure: TWO_BIDS[measure] - by})) for by in (0, 1))
    for scene in (exact, less):
        scene.house.order("we", "bid 10 @ 40")
        assert scene.judge.why_broken() is None
        scene.house.order("we", "bid 10 @ 40", ticker=TICKER if scope == "market" else OTHER)

    assert exact.judge.why_broken() is None
    assert f"{measure} is {TWO_BIDS[measure]}" in (less.judge.why_broken() or "")


async def test_what_is_beyond_its_limit_may_stay_and_fall_but_not_grow(autojump_clock: MockClock) -> None:
    scene = Scene(limited("market", size=2_000))
    scene.trades("bid 25 @ 40")
    assert scene.judge.why_broken() is not None
    assert scene.judge.why_broken() is None
    scene.house.order("we", "ask 5 @ 60")
    assert scene.judge.why_broken() is None
    scene.house.order("we", "bid 1 @ 30")

    assert "size is 2600 instead of 2500" in (scene.judge.why_broken() or "")


async def test_a_profit_that_was_taken_excuses_the_worst_case_for_a_while(autojump_clock: MockClock) -> None:
    """What is won is no longer part of any outcome; an order that was approved just before may not know yet."""
    scene = Scene(limited("event", worst_case=4_000_000))
    scene.trades("bid 10 @ 40")
    assert scene.judge.why_broken() is None
    scene.trades("ask 10 @ 50")
    scene.house.order("we", "bid 10 @ 45")
    assert scene.judge.why_broken() is None
    await trio.sleep(HEARD_S + 1)
    scene.house.order("we", "bid 1 @ 30")

    assert "worst_case" in (scene.judge.why_broken() or "")


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (OrderLimits(size=Qty(999), notional=Money(10**15)), "x is for 1000"),
        (OrderLimits(size=Qty(1_000), notional=Money(3_999_999)), "x costs 4000000"),
        (OrderLimits(size=Qty(1_000), notional=Money(4_000_000)), None),
    ],
)
async def test_an_order_beyond_its_own_limits_is_told_as_it_goes_on_the_wire(
    limits: OrderLimits, told: str | None, autojump_clock: MockClock
) -> None:
    scene = Scene(replace(FREE, order=limits))
    scene.asks("bid 10 @ 40")

    assert [sentence.partition(",")[0] for sentence in scene.told] == [told] * (told is not None)


async def test_an_order_that_closes_may_cost_more_than_an_order_may(autojump_clock: MockClock) -> None:
    scene = Scene(replace(FREE, order=OrderLimits(size=Qty(MUCH), notional=Money(1_000_000))))
    scene.trades("bid 10 @ 40")
    scene.asks("ask 10 @ 50")
    assert scene.told == []
    scene.asks("ask 11 @ 50")

    assert len(scene.told) == 1


@pytest.mark.parametrize("scope", SCOPES)
async def test_more_orders_within_a_minute_than_a_scope_may_send_are_told(
    scope: str, autojump_clock: MockClock
) -> None:
    scene = Scene(limited(scope, orders_per_minute=3))
    for _ in range(3):
        scene.asks("bid 1 @ 40")
        await trio.sleep(10.0)
    assert scene.told == []
    scene.asks("bid 1 @ 40")

    assert "4 orders in less than a minute" in scene.told[0]


async def test_a_burst_is_told_only_where_nothing_held_orders_up(autojump_clock: MockClock) -> None:
    scene = Scene(replace(FREE, gate=replace(FREE.gate, orders_per_s=2)))
    for _ in range(3):
        scene.asks("bid 1 @ 40", is_undisturbed=False)
    assert scene.told == []
    scene.asks("bid 1 @ 40")

    assert "4 orders within 0.5 s" in scene.told[0]


def day(**limits: int) -> RiskLimits:
    narrow: DayLimits = replace(NO_STOP, **limits)  # type: ignore[arg-type]
    return replace(FREE, day=narrow)


@pytest.mark.parametrize(
    ("risk", "spent"),
    [(day(turnover=3_999_999), ("bid 10 @ 40",)), (day(loss=2_499_999), ("bid 10 @ 40", "ask 10 @ 10"))],
)
async def test_once_the_days_money_is_spent_only_closing_orders_may_go_out(
    risk: RiskLimits, spent: tuple[str, ...], autojump_clock: MockClock
) -> None:
    scene = Scene(risk)
    for terms in spent:
        scene.trades(terms)
    scene.trades("ask 5 @ 10", OTHER)
    scene.judge.why_broken()
    scene.asks("bid 1 @ 40")
    await trio.sleep(HEARD_S + 0.1)
    scene.asks("bid 5 @ 40", OTHER)
    assert scene.told == []
    scene.asks("bid 6 @ 40", OTHER)

    assert "only closing is allowed: the day's" in scene.told[0]


async def test_the_days_orders_are_counted_and_begin_anew_at_midnight(autojump_clock: MockClock) -> None:
    scene = Scene(day(orders=2))
    for _ in range(2):
        scene.asks("bid 1 @ 40")
    scene.wall_us += 86_400_000_000
    scene.asks("bid 1 @ 40")
    scene.asks("bid 1 @ 40")
    assert scene.told == []
    scene.asks("bid 1 @ 40")

    assert "3 orders today" in scene.told[0]


async def test_who_says_that_it_only_closes_is_held_to_it(autojump_clock: MockClock) -> None:
    scene = Scene(FREE)
    scene.must_close = "trading is reducing"
    scene.judge.why_broken()
    await trio.sleep(HELD_S + 0.1)
    scene.asks("bid 1 @ 40")
    assert "opens, and only closing is allowed: trading is reducing" in scene.told.pop()
    scene.must_close = None
    scene.asks("bid 1 @ 40")

    assert scene.told == []


async def test_a_clock_that_was_set_begins_the_count_of_a_minute_anew(autojump_clock: MockClock) -> None:
    scene = Scene(limited("account", orders_per_minute=1))
    scene.asks("bid 1 @ 40")
    scene.wall_us += 3_600_000_000
    scene.asks("bid 1 @ 40")

    assert scene.told == []
