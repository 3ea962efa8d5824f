"""What is held is worth, for the stops of the day: at the price at which the book would take it now, or did last.

A book that is stale, closed or empty on one side keeps the last price it showed: a gap is no loss, and a market that waits
for its settlement does not blind the stops. What never had a price cannot be valued at all.
Units: prices 1e-4 dollar, money 1e-6 dollar.
Never: a number for people. Those see profit only where a live book gives it.
"""

from collections.abc import Mapping

from traderv3.domain.feed import Feed
from traderv3.domain.positions import Position, exit_price
from traderv3.domain.units import Money, Price, Qty
from traderv3.trading.day_book import Standing


class Valuation:
    """Remembers the last price of each market in which something is held, on the side that would be sold."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._last: dict[tuple[str, bool], Price] = {}

    def standing(
        self,
        cash: Money | None,
        positions: Mapping[str, Position],
        own: Mapping[str, Mapping[str, Position]],
        turnover: Money,
    ) -> Standing:
        """How the account stands, and each strategy by its share (`own`, by name)."""
        worth = self._worth(positions)
        equity = None if cash is None or worth is None else Money(cash + worth)
        pnl = {name: profit for name, share in own.items() if (profit := self._profit(share)) is not None}
        return Standing(equity, pnl, turnover)

    def _profit(self, share: Mapping[str, Position]) -> Money | None:
        worth = self._worth(share)
        if worth is None:
            return None
        return Money(worth + sum(each.realized - each.fees - each.cost for each in share.values()))

    def _worth(self, positions: Mapping[str, Position]) -> Money | None:
        worth = 0
        for ticker, position in positions.items():
            if position.count:
                price = self._price(ticker, position.count)
                if price is None:
                    return None
                worth += position.value_at(price)
        return Money(worth)

    def _price(self, ticker: str, count: Qty) -> Price | None:
        key = (ticker, count > 0)
        price = exit_price(self._feed.books.get(ticker), count)
        if price is not None:
            self._last[key] = price
        return self._last.get(key)
