"""The example strategy: where it quotes, how it leans, when it wants its orders back; and that it never crosses."""

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.config.problems import Findings
from traderv3.config.strategy_file import read_strategy_file
from traderv3.domain.orders import Change, Draft, Intent, Withdrawal
from traderv3.domain.permission import Mode
from traderv3.domain.price_grid import PriceGrid
from traderv3.domain.risk_limits import DEFAULT_LIMITS
from traderv3.domain.units import DOLLAR, Price, Qty
from traderv3.trading.strategies import DEFAULTS as ALL
from traderv3.trading.strategies import STRATEGIES, make_strategy
from traderv3.trading.strategies.spread_maker import DEFAULTS, SpreadMaker
from traderv3.trading.strategies.view import MarketView, OwnOrder, View

CENTS = PriceGrid(((0, DOLLAR, 100),))
WIDE = replace(DEFAULTS, spread_min=Price(400), edge=Price(100))
NOW_US = 1_795_360_000_000_000


def market(bid: int | None = 4000, ask: int | None = 6000, **changed: Any) -> MarketView:
    usual: dict[str, Any] = {
        "ticker": "KX-A",
        "is_live": True,
        "bids": ((Price(bid), Qty(100_00)),) if bid else (),
        "asks": ((Price(ask), Qty(100_00)),) if ask else (),
        "grid": CENTS,
        "position": Qty(0),
        "orders": (),
        "close_us": None,
    }
    return MarketView(**{**usual, **changed})


def own(name: str, *, is_bid: bool, price: int, remaining: int = 500, is_settled: bool = True) -> OwnOrder:
    return OwnOrder(
        client_order_id=name,
        is_bid=is_bid,
        price=Price(price),
        remaining=Qty(remaining),
        is_settled=is_settled,
        created_us=NOW_US,
    )


def decide(*markets: MarketView, mode: Mode = Mode.ACTIVE) -> list[Intent]:
    return list(SpreadMaker(WIDE).decide(View(at_us=NOW_US, mode=mode, markets=markets)))


def quotes(*markets: MarketView, mode: Mode = Mode.ACTIVE) -> dict[bool, tuple[int, int]]:
    intents = decide(*markets, mode=mode)
    assert all(isinstance(intent, Draft) and intent.is_post_only for intent in intents), intents
    return {intent.is_bid: (intent.price, intent.count) for intent in intents if isinstance(intent, Draft)}


def test_a_wide_spread_is_quoted_on_both_sides_of_its_middle() -> None:
    assert quotes(market()) == {True: (4900, 500), False: (5100, 500)}


@pytest.mark.parametrize(("position", "bid", "ask"), [(1_000, 4800, 5000), (-1_000, 5000, 5200), (50, 4800, 5100)])
def test_it_leans_against_what_it_holds(position: int, bid: int, ask: int) -> None:
    assert quotes(market(position=Qty(position))) == {True: (bid, 500), False: (ask, 500)}


@pytest.mark.parametrize(
    ("position", "sizes"), [(1_800, {True: 200, False: 500}), (2_000, {False: 500}), (-2_100, {True: 500})]
)
def test_it_quotes_no_more_than_it_may_hold(position: int, sizes: dict[bool, int]) -> None:
    assert {is_bid: count for is_bid, (_, count) in quotes(market(position=Qty(position))).items()} == sizes


def test_it_stays_inside_the_spread_however_it_leans() -> None:
    narrow = market(4800, 5200, position=Qty(1_500))

    assert quotes(narrow) == {True: (4900, 500), False: (4900 + 100, 500)}


@pytest.mark.parametrize(
    "changed",
    [
        {"bid": 4900, "ask": 5200},
        {"bid": None},
        {"ask": None},
        {"bid": 400, "ask": 6000},
        {"bid": 4000, "ask": 9600},
        {"is_live": False},
        {"grid": None},
    ],
)
def test_where_there_is_nothing_to_quote_it_wants_its_orders_back(changed: dict[str, Any]) -> None:
    resting = (own("a", is_bid=True, price=4900), own("b", is_bid=False, price=5100, is_settled=False))

    assert decide(market(**changed)) == []
    assert decide(market(**changed, orders=resting)) == [Withdrawal(client_order_id="a")]


def test_a_halt_wants_everything_back_and_a_pause_leaves_what_closes() -> None:
    resting = (own("a", is_bid=True, price=4900), own("b", is_bid=False, price=5000, remaining=100))
    held = market(position=Qty(100), orders=resting)

    assert decide(held, mode=Mode.HALTED) == [Withdrawal(client_order_id="a"), Withdrawal(client_order_id="b")]
    assert decide(held, mode=Mode.REDUCING) == [
        Withdrawal(client_order_id="a"),
        Change(client_order_id="b", price=Price(5100), count=Qty(100)),
    ]


def test_a_quote_is_moved_only_when_it_is_off_by_enough_and_settled() -> None:
    there = market(orders=(own("a", is_bid=True, price=4900), own("b", is_bid=False, price=5100)))
    off = market(
        4200, 6200, orders=(own("a", is_bid=True, price=4900), own("b", is_bid=False, price=5100, is_settled=False))
    )

    assert decide(there) == []
    assert decide(off) == [Change(client_order_id="a", price=Price(5100), count=Qty(500))]


def test_two_orders_of_one_side_are_one_too_many() -> None:
    twice = (own("a", is_bid=True, price=4900), own("b", is_bid=True, price=4900))

    assert [intent for intent in decide(market(orders=twice)) if isinstance(intent, Withdrawal)] == [
        Withdrawal(client_order_id="a"),
        Withdrawal(client_order_id="b"),
    ]


LEVELS = st.tuples(st.integers(1, 9_998), st.integers(1, 9_998)).filter(lambda pair: pair[0] < pair[1])
STEPS = st.sampled_from([100, 50, 20, 10, 1])


@given(LEVELS, STEPS, st.integers(-3_000, 3_000), st.sampled_from(Mode))
def test_whatever_the_book_it_never_crosses_it_or_itself_and_keeps_its_bounds(
    levels: tuple[int, int], step: int, position: int, mode: Mode
) -> None:
    bid, ask = levels
    view = market(bid, ask, position=Qty(position), grid=PriceGrid(((0, DOLLAR, step),)))
    found = quotes(view, mode=mode)

    assert decide(view, mode=mode) == decide(view, mode=mode)
    for is_bid, (price, count) in found.items():
        assert bid < price < ask
        assert price % step == 0
        after = position + (count if is_bid else -count)
        assert abs(after) <= max(WIDE.position_max, abs(position))
        assert mode is not Mode.REDUCING or abs(after) < abs(position)
    if len(found) == 2:
        assert found[True][0] < found[False][0]


@pytest.mark.parametrize(
    "changed", [{"edge": Price(200)}, {"size": Qty(0)}, {"size": Qty(2_001)}, {"price_min": Price(5_000)}]
)
def test_parameters_that_contradict_each_other_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        replace(WIDE, **changed)


def test_hold_wants_nothing_and_both_can_be_made_by_name() -> None:
    view = View(at_us=NOW_US, mode=Mode.ACTIVE, markets=[market()])

    assert make_strategy("hold", ALL["hold"]).decide(view) == ()
    assert {name: make_strategy(name, ALL[name]).name for name in STRATEGIES} == {name: name for name in STRATEGIES}


def test_the_example_file_shows_every_default() -> None:
    findings = Findings()
    path = Path(__file__).parents[3] / "examples" / "strategy.toml"
    found = read_strategy_file(path, "spread_maker", ALL, findings)
    written = tomllib.loads(path.read_text())

    assert findings.problems == []
    assert found == (DEFAULTS, DEFAULT_LIMITS)
    assert written["spread_maker"].keys() == {field.name for field in fields(DEFAULTS)}
    for table in fields(DEFAULT_LIMITS):
        assert written["risk"][table.name].keys() == {
            field.name for field in fields(getattr(DEFAULT_LIMITS, table.name))
        }
