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
from typing import Final, NamedTuple

from traderv3.domain.feed import Feed
from traderv3.domain.fees import ORDINARY_FEES, trade_fee
from traderv3.domain.orders import Change, Changing, Draft, Order
from traderv3.domain.positions import Position
from traderv3.domain.units import DOLLAR, Money, Price, Qty
from traderv3.domain.worst_case import Exposure, worst_case


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


NOTHING: Final = Position()


def claim_of(order: Order) -> Claim:
    """An open order; with a change on its way the worse of both, as either may hold."""
    price, count = order.price, order.remaining
    if isinstance(order.in_flight, Changing):
        price, count = _worse(order.is_bid, price, order.in_flight.price), Qty(max(count, order.in_flight.count))
    return Claim(order.ticker, order.strategy, order.is_bid, price, count)


def claim_if(wanted: Draft | Change, order: Order | None) -> Claim:
    """What is wanted, as if it were sent; `order` is the one that a change is about."""
    if isinstance(wanted, Draft):
        return Claim(wanted.ticker, wanted.strategy, wanted.is_bid, wanted.price, wanted.count)
    assert order is not None
    held = claim_of(order)
    return replace(held, price=_worse(held.is_bid, held.price, wanted.price), count=Qty(max(held.count, wanted.count)))


def own_cost(is_bid: bool, price: int, count: int, fee_rate: Fraction) -> Money:
    """What so many contracts cost on the side that they open, with the fee of whoever takes."""
    own = price if is_bid else DOLLAR - price
    return Money(own * count + trade_fee(fee_rate, price, count))


def taker_rate(feed: Feed, ticker: str) -> Fraction:
    """The dearer of the two rates; the ordinary one as long as the market's own is not known."""
    terms = feed.terms(ticker)
    fees = terms.fees if terms else ORDINARY_FEES
    return max(fees.rate(is_taker=True), fees.rate(is_taker=False))


class Exposures:
    """The markets in which something is held or may come to be."""

    def __init__(self, feed: Feed, positions: Mapping[str, Position], claims: Iterable[Claim]) -> None:
        self._feed = feed
        self._positions = positions
        self._claims: dict[str, list[Claim]] = {}
        for claim in claims:
            self._claims.setdefault(claim.ticker, []).append(claim)
        held = (ticker for ticker, position in positions.items() if position.count)
        self.tickers: Final = frozenset((*self._claims, *held))

    def ends(self, ticker: str) -> tuple[int, int]:
        """The position if all asks filled, and if all bids did."""
        held = self._positions.get(ticker, NOTHING).count
        claims = self._claims.get(ticker, ())
        asks = sum(claim.count for claim in claims if not claim.is_bid)
        bids = sum(claim.count for claim in claims if claim.is_bid)
        return held - asks, held + bids

    def figures(self, tickers: Iterable[str]) -> Figures:
        """Of those markets together."""
        wanted = sorted(self.tickers.intersection(tickers))
        events: dict[str, list[str]] = defaultdict(list)
        for ticker in wanted:
            listing = self._feed.listings.get(ticker)
            events[(listing and listing.event_ticker) or ticker].append(ticker)
        return Figures(
            sum(max(map(abs, self.ends(ticker))) for ticker in wanted),
            sum(max(self._cost_after(ticker, is_bid=is_bid) for is_bid in (False, True)) for ticker in wanted),
            sum(self._worst_case(members) for members in events.values()),
        )

    def _cost_after(self, ticker: str, *, is_bid: bool) -> int:
        """What is held costs after all orders of one side have filled; those with the best price come first, and close."""
        position, rate = self._positions.get(ticker, NOTHING), taker_rate(self._feed, ticker)
        closing = closable = max(0, -position.count if is_bid else position.count)
        cost = 0
        claims = (claim for claim in self._claims.get(ticker, ()) if claim.is_bid == is_bid)
        for claim in sorted(claims, key=lambda claim: -claim.price if is_bid else claim.price):
            closed = min(closing, claim.count)
            closing -= closed
            cost += own_cost(is_bid, claim.price, claim.count - closed, rate)
        return cost + (-(-position.cost * closing // closable) if closable else position.cost)

    def _worst_case(self, members: list[str]) -> int:
        """Of one event's markets, or of one market alone; the fees of all orders on top."""
        terms = self._feed.terms(members[0])
        exposures, fees = [], 0
        for ticker in members:
            position, rate = self._positions.get(ticker, NOTHING), taker_rate(self._feed, ticker)
            claims = self._claims.get(ticker, ())
            fees += sum(trade_fee(rate, claim.price, claim.count) for claim in claims)
            bids = [(claim.price, claim.count) for claim in claims if claim.is_bid]
            asks = [(claim.price, claim.count) for claim in claims if not claim.is_bid]
            exposures.append(Exposure(position.count, position.cost, bids, asks))
        return worst_case(exposures, is_exclusive=terms is not None and terms.is_exclusive) + fees


def _worse(is_bid: bool, one: Price, other: Price) -> Price:
    """The price at which an order costs its owner more."""
    return max(one, other) if is_bid else min(one, other)
