"""The shadow of one market: queue, consumed liquidity, and never a fill that the live market did not offer or trade."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.strangers import TICKER, Strangers, passed
from traderv3.domain.book import Book
from traderv3.domain.matching import Match, Order, Verdict
from traderv3.domain.orders import TimeInForce
from traderv3.domain.units import DOLLAR, Price, Qty
from traderv3.trading.shadow_market import TOGETHER_US, ShadowMarket

SECOND_US = 1_000_000


def book(bids: dict[int, int], asks: dict[int, int]) -> Book:
    """YES prices and sizes of both sides."""
    made = Book(TICKER)
    made.replace(bids.items(), [(DOLLAR - price, size) for price, size in asks.items()])
    made.received_us = 0
    return made


class Scene:
    """A live book and its shadow, with short verbs."""

    def __init__(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        self.book = book(bids, asks)
        self.market = ShadowMarket(self.book)
        self.market.sync()

    def order(self, is_bid: bool, price: int, count: int, tif: TimeInForce = TimeInForce.GTC) -> Order:
        outcome = self.market.submit(is_bid, Price(price), Qty(count), tif, is_post_only=False)
        assert outcome.resting is not None
        return outcome.resting

    def take(self, is_bid: bool, price: int, count: int) -> list[tuple[int, int]]:
        outcome = self.market.submit(is_bid, Price(price), Qty(count), TimeInForce.IOC, is_post_only=False)
        return [(match.price, match.size) for match in outcome.matches]

    def change(self, is_bid: bool, price: int, change: int, *, at_us: int = 0) -> list[tuple[int, int]]:
        self.book.apply(is_bid, price if is_bid else DOLLAR - price, change)
        self.book.received_us = at_us
        return _sizes(self.market.sync())

    def trade(self, price: int, count: int, *, is_taker_yes: bool, at_us: int = 0) -> list[tuple[int, int]]:
        return _sizes(self.market.trade(passed(price, count, is_taker_yes=is_taker_yes, at_us=at_us)))


def _sizes(matches: list[Match]) -> list[tuple[int, int]]:
    return [(match.price, match.size) for match in matches]


def test_an_order_stands_behind_everything_that_rests_there() -> None:
    scene = Scene({4500: 1000, 4600: 50}, {5000: 10})
    ours = scene.order(True, 4500, 200)

    assert scene.market.ahead_of(ours) == 1050


def test_what_comes_later_stands_behind_us_and_goes_first() -> None:
    scene = Scene({4500: 1000}, {})
    ours = scene.order(True, 4500, 200)
    scene.change(True, 4500, 700)
    scene.change(True, 4500, -600)

    assert scene.market.ahead_of(ours) == 1000
    scene.change(True, 4500, -500)
    assert scene.market.ahead_of(ours) == 600


@pytest.mark.parametrize("is_trade_first", [True, False])
@pytest.mark.parametrize("behind", [0, 50, 1000])
def test_a_trade_moves_us_up_by_what_it_took_once(is_trade_first: bool, behind: int) -> None:
    scene = Scene({4500: 1000}, {})
    ours = scene.order(True, 4500, 200)
    if behind:
        scene.change(True, 4500, behind)
    if is_trade_first:
        scene.trade(4500, 300, is_taker_yes=False)
        scene.market.sync()
        scene.change(True, 4500, -300)
    else:
        scene.change(True, 4500, -300)
        scene.trade(4500, 300, is_taker_yes=False)
        scene.market.sync()

    assert scene.market.ahead_of(ours) == 700
    scene.market.check()


def test_a_trade_long_after_somebody_left_is_a_trade_of_its_own() -> None:
    scene = Scene({4500: 1000}, {})
    ours = scene.order(True, 4500, 200)
    scene.change(True, 4500, -300, at_us=SECOND_US)
    scene.trade(4500, 100, is_taker_yes=False, at_us=SECOND_US + TOGETHER_US + 1)

    assert scene.market.ahead_of(ours) == 600


def test_when_it_is_our_turn_a_trade_fills_us() -> None:
    scene = Scene({4500: 100}, {})
    scene.order(True, 4500, 200)

    assert scene.trade(4500, 100, is_taker_yes=False) == []
    assert scene.trade(4500, 150, is_taker_yes=False) == [(4500, 150)]
    assert scene.trade(4500, 150, is_taker_yes=False) == [(4500, 50)]


def test_a_trade_at_a_worse_price_would_have_met_us_first() -> None:
    scene = Scene({4500: 100}, {5500: 100})
    scene.order(True, 4600, 200)

    assert scene.trade(4500, 80, is_taker_yes=False) == [(4600, 80)]
    assert scene.trade(5500, 80, is_taker_yes=True) == []


def test_a_block_trade_passes_by_the_book() -> None:
    scene = Scene({}, {})
    scene.order(True, 4600, 200)

    assert scene.market.trade(passed(4600, 100, is_taker_yes=False, is_block=True)) == []


def test_what_we_took_is_not_there_a_second_time() -> None:
    scene = Scene({}, {5000: 300, 5100: 400})

    assert scene.take(True, 5100, 500) == [(5000, 300), (5100, 200)]
    scene.market.sync()
    assert scene.take(True, 5100, 500) == [(5100, 200)]
    scene.market.check()


def test_what_is_new_at_a_level_that_we_took_can_be_taken() -> None:
    scene = Scene({}, {5000: 300})
    scene.take(True, 5000, 300)
    scene.change(False, 5000, 100)

    assert scene.take(True, 5000, 300) == [(5000, 100)]


def test_a_level_that_shrinks_by_itself_lost_first_what_we_took() -> None:
    scene = Scene({}, {5000: 300})
    scene.take(True, 5000, 200)
    scene.change(False, 5000, -150)

    assert scene.take(True, 5000, 300) == [(5000, 100)]


def test_a_level_that_was_gone_is_new() -> None:
    scene = Scene({}, {5000: 300})
    scene.take(True, 5000, 300)
    scene.change(False, 5000, -300)
    assert scene.market.is_idle
    scene.change(False, 5000, 300)

    assert scene.take(True, 5000, 300) == [(5000, 300)]


def test_a_newcomer_who_would_have_met_us_trades_with_us_once() -> None:
    scene = Scene({4400: 10}, {5000: 10})
    scene.order(True, 4600, 200)

    assert scene.change(False, 4550, 150) == [(4600, 150)]
    assert scene.change(False, 4550, 20) == [(4600, 20)]
    scene.market.check()


def test_without_a_live_book_everything_stays_where_it_is() -> None:
    scene = Scene({4500: 1000}, {})
    ours = scene.order(True, 4500, 200)
    scene.book.mark_stale("gap")

    assert not scene.market.is_live
    assert scene.change(True, 4500, -1000) == []
    assert scene.market.ahead_of(ours) == 1000
    scene.book.replace([(4500, 400)], [])
    scene.market.sync()
    assert scene.market.ahead_of(ours) == 400


def test_a_book_in_the_middle_of_a_run_is_waited_for() -> None:
    scene = Scene({4500: 1000}, {5000: 10})
    ours = scene.order(True, 4900, 200)

    assert scene.change(False, 4400, 100) == []  # crossed: the deltas of this trade are not all here
    assert scene.change(True, 4500, -1000) == [(4900, 100)]
    assert ours.size == 100


def test_a_post_only_order_does_not_take() -> None:
    scene = Scene({}, {5000: 300})
    outcome = scene.market.submit(True, Price(5000), Qty(10), TimeInForce.GTC, is_post_only=True)

    assert outcome.verdict is Verdict.POST_ONLY_CROSSES
    assert scene.market.is_idle


# -- against a market of strangers -----------------------------------------------------------------------------------------


@given(st.integers(0, 2**32))
def test_no_fill_that_the_market_did_not_offer_or_trade(seed: int) -> None:
    rng = random.Random(seed)
    strangers, scene, limit = Strangers(rng), Scene({}, {}), 5000
    ours = scene.order(True, limit, 100_000)
    filled = offered = traded = 0
    for _ in range(200):
        strangers.act()
        while strangers.actions and rng.random() < 0.6:
            for is_yes, price, change in strangers.actions.pop(0):
                offered += max(0, change) if not is_yes and DOLLAR - price <= limit else 0
                scene.book.apply(is_yes, price, change)
            scene.book.received_us = strangers.clock_us
            filled += sum(size for _, size in _sizes(scene.market.sync()))
        while strangers.trades and rng.random() < 0.6:
            trade = strangers.trades.pop(0)
            would_meet_us = not trade.is_taker_yes and trade.yes_price <= limit
            traded += trade.count if would_meet_us else 0
            matches = scene.market.trade(trade)
            assert would_meet_us or not matches
            assert sum(match.size for match in matches) <= trade.count
            filled += sum(match.size for match in matches)
        filled += sum(size for _, size in _sizes(scene.market.sync()))
        scene.market.check()

    assert 100_000 - ours.size == filled
    assert filled <= offered + traded
