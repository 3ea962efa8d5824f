"""What is held is worth: by the live book, else by its last price; and what nobody ever priced cannot be valued."""

from tests.trading.risking import holding, make_feed
from traderv3.domain.positions import Position
from traderv3.domain.units import Money, Qty
from traderv3.trading.valuation import Valuation

HELD = holding(EV1_A=(1_000, 5_000), EV2_A=(-1_000, 3_000))  # 10 YES at 0.50, 10 NO at 0.30


def test_each_side_is_valued_at_the_bid_for_it_and_the_share_by_profit() -> None:
    """YES bid 0.40, NO bid 0.40: 4.00 and 4.00, which cost 5.00 and 3.00."""
    standing = Valuation(make_feed()).standing(Money(100_000_000), HELD, {"s": HELD, "idle": {}}, Money(7))

    assert standing.equity == 108_000_000
    assert standing.pnl == {"s": 0, "idle": 0}
    assert standing.turnover == 7


def test_what_was_realized_and_paid_in_fees_is_profit_too() -> None:
    closed = {"EV1-A": Position(realized=Money(500), fees=Money(30))}

    assert Valuation(make_feed()).standing(Money(0), closed, {"s": closed}, Money(0)).pnl == {"s": 470}


def test_a_book_that_is_stale_closed_or_empty_keeps_its_last_price() -> None:
    feed = make_feed()
    valuation = Valuation(feed)
    before = valuation.standing(Money(0), HELD, {}, Money(0)).equity
    feed.books["EV1-A"].mark_stale("a gap")
    feed.books["EV2-A"].replace([], [])
    after = valuation.standing(Money(0), HELD, {}, Money(0)).equity
    feed.forget("EV1-A")

    assert before == after == valuation.standing(Money(0), HELD, {}, Money(0)).equity == 8_000_000


def test_what_never_had_a_price_or_a_balance_cannot_be_valued() -> None:
    feed = make_feed()
    feed.books["EV1-A"].mark_stale("a gap")

    assert Valuation(feed).standing(Money(0), HELD, {"s": HELD}, Money(0)).equity is None
    assert Valuation(feed).standing(Money(0), HELD, {"s": HELD}, Money(0)).pnl == {}
    assert Valuation(feed).standing(None, {}, {}, Money(0)).equity is None


def test_a_position_that_turned_round_is_not_valued_by_the_other_sides_price() -> None:
    feed = make_feed()
    valuation = Valuation(feed)
    valuation.standing(Money(0), holding(EV1_A=(100, 5_000)), {}, Money(0))
    feed.books["EV1-A"].mark_stale("a gap")
    turned = {"EV1-A": Position(count=Qty(-100), cost=Money(500_000))}

    assert valuation.standing(Money(0), turned, {}, Money(0)).equity is None
