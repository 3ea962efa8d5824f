"""What a strategy sees of a market: others' levels on the YES scale, its own orders, and nothing of a book that is not live."""

from typing import Any

import pytest

from tests.trading.risking import make_feed, order
from traderv3.domain.orders import Cancelling, OrderState
from traderv3.domain.units import Qty
from traderv3.trading.strategies.view import DEPTH, MarketView, market_view


def view(feed: Any = None, **more: Any) -> MarketView:
    usual: dict[str, Any] = {"position": Qty(0), "orders": ()}
    return market_view(feed or make_feed(), "EV1-A", **{**usual, **more})


def test_no_bids_are_asks_on_the_yes_scale_and_the_best_come_first() -> None:
    feed = make_feed()
    feed.books["EV1-A"].replace([(price, 100) for price in range(1000, 2000, 100)], [(2000, 5), (3000, 7)])
    seen = view(feed)

    assert seen.bids == tuple((price, 100) for price in range(1900, 1900 - DEPTH * 100, -100))
    assert seen.asks == ((7000, 7), (8000, 5))


def test_our_own_orders_are_taken_out_of_the_book_whoevers_they_are() -> None:
    feed = make_feed()
    feed.books["EV1-A"].replace([(4000, 300), (3000, 50)], [(4000, 100), (3500, 20)])
    mine = order(price=4000, count=100)
    others = order(price=4000, count=200, strategy="another", name="p")
    ask = order(is_bid=False, price=6000, count=130, name="q")  # more than the book shows: a fill is on its way to us

    assert view(feed, orders=[mine]).bids[0] == (4000, 200)
    assert view(feed, orders=[mine], in_book=[mine, others, ask]).bids == ((3000, 50),)
    assert view(feed, orders=[mine], in_book=[mine, others, ask]).asks == ((6500, 20),)
    assert view(feed, orders=[mine], in_book=[]).bids[0] == (4000, 300)


@pytest.mark.parametrize("state", list(OrderState))
def test_an_order_is_settled_when_it_rests_and_nothing_is_on_its_way_to_it(state: OrderState) -> None:
    seen = view(orders=[order(state=state), order(state=state, in_flight=Cancelling(0))]).orders

    assert [one.is_settled for one in seen] == [state is OrderState.RESTING, False]


def test_what_is_not_live_has_no_levels() -> None:
    stale, closed, paused = make_feed(), make_feed(), make_feed()
    stale.books["EV1-A"].mark_stale("a gap")
    closed.close("EV1-A", "settled")
    paused.statuses["EV1-A"] = "inactive"

    for feed in (stale, closed, paused):
        seen = view(feed, orders=[order()])
        assert (seen.is_live, seen.bids, seen.asks, len(seen.orders)) == (False, (), (), 1)
    gone = make_feed()
    gone.forget("EV1-A")
    assert (view(gone).is_live, view(gone).grid) == (False, None)
