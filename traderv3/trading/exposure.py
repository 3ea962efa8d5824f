"""What is held, and what would be held if orders filled: size, cost and worst case of any set of markets.

    size        of a market: the larger of |held + all bids| and |held - all asks|
    notional    what that costs: what is held at its cost, openings at their price and the taker's fee; closings cost nothing
    worst case  `domain.worst_case` event by event, and the fees of every order on top

Units: counts 0.01 contract, prices 1e-4 dollar, money 1e-6 dollar.
Never: an order left out because it may not be there. Sent and unknown ones count like those that rest.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from traderv3.domain.feed import Feed
from traderv3.domain.fees import ORDINARY_FEES, FeeSchedule, trade_fee
from traderv3.domain.market_facts import UserOrder
from traderv3.domain.orders import Change, Draft, Order
from traderv3.domain.positions import Position
from traderv3.domain.units import DOLLAR, Money, Price, Qty
from traderv3.domain.worst_case import Exposure, outcomes, worst_of

Place = tuple[bool, Price, Qty]  # is a bid, price, count: what of a claim concerns its market


@dataclass(frozen=True, slots=True)
class Claim:
    """What one order may yet do. Its price is the worst that it may fill at."""

    ticker: str
    strategy: str
    is_bid: bool
    price: Price
    count: Qty


class Figures(NamedTuple):
    """Of a set of markets: a count, and money twice."""

    size: int
    notional: int
    worst_case: int


class MarketFigures(NamedTuple):
    """Of one market. `lowest` and `highest`: the position if all asks filled, and if all bids did.

    `if_no`, `if_yes`: what comes of it at the worst (`domain.worst_case.outcomes`), `fees` what all orders may cost besides.
    """

    lowest: int
    highest: int
    notional: int
    if_no: Money
    if_yes: Money
    fees: int

    @property
    def size(self) -> int:
        """Contracts held on either side at the most."""
        return max(abs(self.lowest), abs(self.highest))


NOTHING: Final = Position()
KEPT: Final = 8_192  # figures of markets: they change one at a time, and are asked for all together


def claim_of(order: Order) -> Claim:
    """What an order may yet do at the worst: changes on their way or in doubt, and fills that are not booked, included."""
    price, count = order.at_worst
    return Claim(order.ticker, order.strategy, order.is_bid, price, count)


def claim_of_foreign(order: UserOrder) -> Claim:
    """An order of the account that is not of our making, as the venue tells it."""
    return Claim(order.ticker, "", order.is_yes, order.yes_price, order.remaining)


def claim_if(wanted: Draft | Change, order: Order | None) -> Claim:
    """What is wanted, as if it were sent; `order` is the one that a change is about."""
    if isinstance(wanted, Draft):
        return Claim(wanted.ticker, wanted.strategy, wanted.is_bid, wanted.price, wanted.count)
    assert order is not None
    held = claim_of(order)
    return replace(
        held,
        price=_worse(held.is_bid, held.price, wanted.price),
        count=Qty(max(held.count, wanted.count + order.unbooked)),
    )


def own_cost(is_bid: bool, price: int, count: int, fee_rate: Fraction) -> Money:
    """What so many contracts cost on the side that they open, with the fee of whoever takes."""
    own = price if is_bid else DOLLAR - price
    return Money(own * count + trade_fee(fee_rate, price, count))


def taker_rate(feed: Feed, ticker: str) -> Fraction:
    """The dearer of the two rates; the ordinary one as long as the market's own is not known."""
    terms = feed.terms(ticker)
    return _dearer(terms.fees if terms else ORDINARY_FEES)


@lru_cache(maxsize=64)
def _dearer(fees: FeeSchedule) -> Fraction:
    return max(fees.rate(is_taker=True), fees.rate(is_taker=False))


class Exposures:
    """The markets in which something is held or may come to be."""

    def __init__(self, feed: Feed, positions: Mapping[str, Position], claims: Iterable[Claim]) -> None:
        self._feed = feed
        self._positions = positions
        self._claims: dict[str, list[Place]] = {}
        for claim in claims:
            self._claims.setdefault(claim.ticker, []).append((claim.is_bid, claim.price, claim.count))
        held = (ticker for ticker, position in positions.items() if position.count)
        self.tickers: Final = frozenset((*self._claims, *held))

    def market(self, ticker: str) -> MarketFigures:
        """Of one market."""
        position = self._positions.get(ticker, NOTHING)
        claims = tuple(self._claims.get(ticker, ()))
        rate = taker_rate(self._feed, ticker)
        return _market_figures(position.count, position.cost, claims, rate.numerator, rate.denominator)

    def figures(self, tickers: Iterable[str]) -> Figures:
        """Of those markets together."""
        size = notional = fees = 0
        events: dict[str, list[tuple[Money, Money]]] = defaultdict(list)
        exclusive: set[str] = set()
        for ticker in self.tickers.intersection(tickers):
            market, listing, terms = self.market(ticker), self._feed.listings.get(ticker), self._feed.terms(ticker)
            size += market.size
            notional += market.notional
            fees += market.fees
            event = (listing and listing.event_ticker) or ticker
            events[event].append((market.if_no, market.if_yes))
            if terms is not None and terms.is_exclusive:
                exclusive.add(event)
        worst = sum(worst_of(results, is_exclusive=event in exclusive) for event, results in events.items())
        return Figures(size, notional, worst + fees)


@lru_cache(maxsize=KEPT)
def _market_figures(count: Qty, cost: Money, claims: tuple[Place, ...], part: int, of: int) -> MarketFigures:
    rate = Fraction(part, of)  # taken apart by the caller: fractions are slow to look up by
    bids = [(price, size) for is_bid, price, size in claims if is_bid]
    asks = [(price, size) for is_bid, price, size in claims if not is_bid]
    if_no, if_yes = outcomes(Exposure(count, cost, bids, asks))
    return MarketFigures(
        lowest=count - sum(size for _, size in asks),
        highest=count + sum(size for _, size in bids),
        notional=max(
            _cost_after(count, cost, bids, rate, is_bid=True), _cost_after(count, cost, asks, rate, is_bid=False)
        ),
        if_no=if_no,
        if_yes=if_yes,
        fees=sum(trade_fee(rate, price, size) for _, price, size in claims),
    )


def _cost_after(count: Qty, cost: Money, orders: list[tuple[Price, Qty]], rate: Fraction, *, is_bid: bool) -> int:
    """What is held costs after all orders of one side have filled; those with the best price come first, and close."""
    closing = closable = max(0, -count if is_bid else count)
    opened_cost = 0
    for price, size in sorted(orders, reverse=is_bid):
        closed = min(closing, size)
        closing -= closed
        opened_cost += own_cost(is_bid, price, size - closed, rate)
    return opened_cost + (-(-cost * closing // closable) if closable else cost)


def _worse(is_bid: bool, one: Price, other: Price) -> Price:
    """The price at which an order costs its owner more."""
    return max(one, other) if is_bid else min(one, other)
