"""The matching engine against a model that is as dumb as can be: one list of orders, searched from the start each time."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traderv3.domain.matching import Change, MatchingEngine, Outcome, SelfTrade, Verdict
from traderv3.domain.orders import TimeInForce


@dataclass
class ModelOrder:
    number: int
    owner: int
    is_bid: bool
    price: int
    size: int


@dataclass
class Model:
    """Every order in the order of arrival; the best is searched for anew before every trade."""

    orders: list[ModelOrder] = field(default_factory=list)
    arrived: int = 0

    def best(self, is_bid: bool, price: int) -> ModelOrder | None:
        facing = [o for o in self.orders if o.is_bid != is_bid and (o.price <= price if is_bid else o.price >= price)]
        return min(facing, key=lambda o: (o.price if is_bid else -o.price, o.number), default=None)

    def submit(self, owner: int, is_bid: bool, price: int, size: int, rests: bool) -> list[tuple[int, int, int]]:
        trades: list[tuple[int, int, int]] = []
        while size and (maker := self.best(is_bid, price)):
            if maker.owner == owner:
                return trades
            traded = min(size, maker.size)
            trades.append((maker.price, traded, maker.owner))
            size -= traded
            maker.size -= traded
            self.orders = [o for o in self.orders if o.size]
        if size and rests:
            self.arrived += 1
            self.orders.append(ModelOrder(self.arrived, owner, is_bid, price, size))
        return trades

    def levels(self, is_yes: bool) -> dict[int, int]:
        levels: dict[int, int] = {}
        for o in self.orders:
            if o.is_bid == is_yes:
                own = o.price if is_yes else 10_000 - o.price
                levels[own] = levels.get(own, 0) + o.size
        return levels


prices = st.integers(48, 52).map(lambda cents: cents * 100)
actions = st.one_of(
    st.tuples(
        st.just("submit"),
        st.integers(1, 4),
        st.booleans(),
        prices,
        st.integers(1, 300),
        st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC]),
    ),
    st.tuples(st.just("cancel"), st.integers(0, 30), st.none() | st.integers(1, 100)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(actions, max_size=40))
def test_the_engine_trades_as_the_dumbest_model_does(script: list[tuple[object, ...]]) -> None:
    engine, model, public = MatchingEngine(), Model(), {True: dict[int, int](), False: dict[int, int]()}
    resting = 0
    for action in script:
        if action[0] == "submit":
            _, owner, is_bid, price, size, tif = action
            assert isinstance(owner, int)
            assert isinstance(is_bid, bool)
            assert isinstance(price, int)
            assert isinstance(size, int)
            assert isinstance(tif, TimeInForce)
            outcome = engine.submit(owner, is_bid, price, size, time_in_force=tif)
            expected = model.submit(owner, is_bid, price, size, tif is TimeInForce.GTC)
            resting += (outcome.resting.size if outcome.resting else 0) - outcome.filled
            changes = outcome.changes
            assert [(m.price, m.size, m.maker.owner) for m in outcome.matches] == expected
        else:
            _, nth, by = action
            assert isinstance(nth, int)
            assert by is None or isinstance(by, int)
            if nth >= len(model.orders):
                continue
            victim = model.orders[nth]
            ids = sorted(engine.orders)
            change = engine.cancel(ids[nth], by)
            taken = victim.size if by is None else min(by, victim.size)
            victim.size -= taken
            resting -= taken
            model.orders = [o for o in model.orders if o.size]
            assert change is not None
            changes = [change]
        for side, level, signed, _ in changes:
            public[side][level] = public[side].get(level, 0) + signed
        engine.check()
        assert sum(order.size for order in engine.orders.values()) == resting
        for is_yes in (True, False):
            shown = {price: size for price, size in public[is_yes].items() if size}
            assert shown == model.levels(is_yes) == dict(engine.public_levels(is_yes))


def engine_with(*orders: tuple[int, bool, int, int]) -> MatchingEngine:
    engine = MatchingEngine()
    for owner, is_bid, price, size in orders:
        engine.submit(owner, is_bid, price, size)
    return engine


def test_a_trade_is_made_at_the_resting_price_in_order_of_price_then_time() -> None:
    engine = engine_with((1, False, 5200, 100), (2, False, 5100, 100), (3, False, 5100, 100))
    outcome = engine.submit(9, True, 9900, 250, time_in_force=TimeInForce.IOC)

    assert [(m.price, m.size, m.maker.owner) for m in outcome.matches] == [
        (5100, 100, 2),
        (5100, 100, 3),
        (5200, 50, 1),
    ]


def test_what_comes_to_rest_is_announced_before_what_it_took() -> None:
    engine = engine_with((1, False, 5100, 100))
    outcome = engine.submit(9, True, 5200, 150)

    assert outcome.changes == [Change(True, 5200, 50), Change(False, 4900, -100, outcome.matches[0].maker)]


def test_an_ask_shows_as_a_no_bid() -> None:
    assert engine_with((1, False, 5100, 100)).public_levels(False) == [(4900, 100)]


def test_post_only_never_takes() -> None:
    engine = engine_with((1, False, 5100, 100))

    assert engine.submit(2, True, 5100, 10, is_post_only=True).verdict is Verdict.POST_ONLY_CROSSES
    assert engine.submit(2, True, 5000, 10, is_post_only=True).resting is not None


@pytest.mark.parametrize(("size", "filled"), [(200, 200), (201, 0)])
def test_fill_or_kill_is_all_or_nothing(size: int, filled: int) -> None:
    engine = engine_with((1, False, 5100, 100), (2, False, 5200, 100))
    outcome = engine.submit(3, True, 5200, size, time_in_force=TimeInForce.FOK)

    assert outcome.filled == filled
    assert (outcome.verdict is Verdict.FOK_TOO_LARGE) == (filled == 0)
    engine.check()


def own_order_in_the_way(self_trade: SelfTrade) -> tuple[MatchingEngine, Outcome]:
    engine = engine_with((2, False, 5000, 100), (1, False, 5100, 100), (2, False, 5200, 100))
    return engine, engine.submit(1, True, 5200, 300, self_trade=self_trade)


def test_taker_at_cross_keeps_earlier_fills_and_cancels_the_rest_of_the_taker() -> None:
    engine, outcome = own_order_in_the_way(SelfTrade.TAKER)

    assert (outcome.filled, outcome.resting) == (100, None)
    assert engine.level_size(False, 5100) == 100


def test_maker_cancels_the_resting_order_and_goes_on() -> None:
    engine, outcome = own_order_in_the_way(SelfTrade.MAKER)

    assert outcome.filled == 200
    assert [order.price for order in outcome.self_cancelled] == [5100]
    assert outcome.resting is not None
    assert outcome.resting.size == 100
    engine.check()


def test_cancelling_what_is_not_there_is_none() -> None:
    assert MatchingEngine().cancel(1) is None


def test_what_stands_before_an_order_is_every_better_price_and_the_older_orders_of_its_own() -> None:
    engine = engine_with((1, True, 5000, 100), (2, True, 5100, 30), (3, True, 5000, 70), (4, True, 4900, 10))

    assert [engine.ahead_of(order_id) for order_id in (1, 2, 3, 4)] == [30, 0, 130, 200]


def test_a_part_taken_away_leaves_the_rest_its_place() -> None:
    engine = engine_with((1, False, 5100, 100), (2, False, 5100, 100))
    engine.cancel(1, 60)

    assert [(m.size, m.maker.owner) for m in engine.submit(3, True, 5100, 50).matches] == [(40, 1), (10, 2)]
