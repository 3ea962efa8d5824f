"""What a strategy sees, and what it may say: a picture of some markets in, intents out.

Units: prices 1e-4 dollar on the YES scale (a NO bid at q is an ask at a dollar - q), counts 0.01 contract, times microseconds
since the epoch.
Never: a book that may not be believed with levels in it; another strategy's orders or positions.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Final, Protocol

from traderv3.domain.book import BookState
from traderv3.domain.feed import Feed
from traderv3.domain.orders import Intent, Order, OrderState
from traderv3.domain.permission import Mode
from traderv3.domain.price_grid import PriceGrid
from traderv3.domain.units import DOLLAR, Price, Qty

DEPTH: Final = 5  # levels of a side
TRADED: Final = "active"  # the venue's word for a market that takes orders

Level = tuple[Price, Qty]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOrder:
    """An open order of this strategy. `is_settled`: it rests, and nothing of ours is on its way to it."""

    client_order_id: str
    is_bid: bool
    price: Price
    remaining: Qty
    is_settled: bool
    created_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """One market. `bids` and `asks`: the best levels of others, best first; empty unless `is_live`.

    `is_live`: its book may be believed and the market takes orders. `position` is this strategy's; below 0 is NO.
    """

    ticker: str
    is_live: bool
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    grid: PriceGrid | None
    position: Qty
    orders: tuple[OwnOrder, ...]
    close_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One moment: the markets whose book, orders or position changed since the last decision; now and then all of them."""

    at_us: int
    mode: Mode
    markets: Sequence[MarketView]


class Strategy(Protocol):
    """Decides. Pure: the same view, the same intents; whatever it must remember it reads off its orders and positions."""

    @property
    def name(self) -> str:
        """Under this name its orders and its profit are shown."""

    def decide(self, view: View) -> Sequence[Intent]:
        """What is wanted now. What is not mentioned stays as it is."""


def market_view(
    feed: Feed, ticker: str, *, position: Qty, orders: Iterable[Order], in_book: Iterable[Order] | None = None
) -> MarketView:
    """One market of the feed, with the open orders of one strategy in it.

    `in_book`: every order of ours that the book shows, whoever's and wanted or not; None: `orders`, empty: a shadow venue's,
    which no book shows.
    """
    book, listing = feed.books.get(ticker), feed.listings.get(ticker)
    orders = tuple(orders)
    is_live = (
        book is not None
        and book.state is BookState.LIVE
        and ticker not in feed.closed
        and feed.statuses.get(ticker, TRADED) == TRADED
    )
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    if is_live and book is not None:
        ours = Counter[tuple[bool, int]]()
        for order in orders if in_book is None else in_book:
            ours[order.is_bid, order.price] += order.remaining
        bids = _others(book.yes, {price: size for (is_bid, price), size in ours.items() if is_bid})
        no = _others(book.no, {DOLLAR - price: size for (is_bid, price), size in ours.items() if not is_bid})
        asks = tuple((Price(DOLLAR - price), size) for price, size in no)
    return MarketView(
        ticker=ticker,
        is_live=is_live,
        bids=bids,
        asks=asks,
        grid=listing.grid if listing else None,
        position=position,
        orders=tuple(_own(order) for order in orders),
        close_us=listing.close_us if listing else None,
    )


def _others(levels: Mapping[int, int], ours: Mapping[int, int]) -> tuple[Level, ...]:
    """The best levels of one side of a book, in its own prices, less what is ours."""
    best = nlargest(DEPTH + len(ours), levels.items())
    left = ((Price(price), Qty(size - ours.get(price, 0))) for price, size in best)
    return tuple(level for level in left if level[1] > 0)[:DEPTH]


def _own(order: Order) -> OwnOrder:
    return OwnOrder(
        client_order_id=order.client_order_id,
        is_bid=order.is_bid,
        price=order.price,
        remaining=order.remaining,
        is_settled=order.state is OrderState.RESTING and order.in_flight is None,
        created_us=order.created_us,
    )
