"""Our open orders, looked after: which of them nobody wants any more, and why; each is cancelled until it is over.

Not wanted is what has rested for its time, what another strategy left, what the strategy withdrew, everything of a market
whose book has been dark for `BLIND_S`, and everything at all while the account is not heard or not agreed upon.
Units: times microseconds since the epoch.
Never: a cancel for an order of which it is not known that it rests; that one is remembered until it is known.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import structlog
import trio

from traderv3.domain.book import BookState
from traderv3.domain.execution import Cancel
from traderv3.domain.feed import Feed
from traderv3.domain.orders import Cancelling, Order, OrderState
from traderv3.trading.portfolio import Portfolio

log = structlog.get_logger(component="engine")

BLIND_S: Final = 2.0
ANSWER_S: Final = 15.0  # an answer that has not come by then was lost on the way; the gateway gives up long before
RETRY_US: Final = 1_000_000  # until a cancel that came to nothing is asked for again; then twice as long, and so on
RETRY_MOST_US: Final = 30_000_000  # the exchange may be paused, and refuse cancels too


class _Asked(NamedTuple):
    """When an order was last asked to be cancelled, and how often."""

    at_us: int
    times: int


class Caretaker:
    """`ask` wants a reading of the account soon."""

    def __init__(self, feed: Feed, portfolio: Portfolio, strategy: str, *, ask: Callable[[str], None]) -> None:
        self._feed = feed
        self._portfolio = portfolio
        self._strategy = strategy
        self._ask = ask
        self._unwanted: dict[str, _Asked] = {}  # by client_order_id
        self._dark_at: dict[str, float] = {}  # by ticker

    def is_wanted(self, order: Order) -> bool:
        """Whether nobody has said otherwise."""
        return order.client_order_id not in self._unwanted

    def renounce(self, orders: Iterable[Order], why: str) -> None:
        """These are not wanted any more."""
        for order in orders:
            if order.client_order_id not in self._unwanted:
                log.info("order no longer wanted", order=order.client_order_id, ticker=order.ticker, why=why)
                self._unwanted[order.client_order_id] = _Asked(0, 0)

    def watch(self, at_us: int, *, is_blind: bool) -> None:
        """Find what time has run out for, and who cannot be seen any more."""
        now = trio.current_time()
        tickers = set()
        for order in list(self._portfolio.open.values()):
            tickers.add(order.ticker)
            if is_blind:
                self.renounce([order], "the account is not heard or not agreed upon")
            elif self._is_dark(order.ticker, now):
                self.renounce([order], "its book is not live")
            elif order.ttl_s is not None and at_us - order.created_us >= order.ttl_s * 1e6:
                self.renounce([order], "its time is up")
            elif order.strategy != self._strategy:
                self.renounce([order], f"{order.strategy or 'whoever made it'} does not run")
            self._check_overdue(order, at_us)
        for ticker in self._dark_at.keys() - tickers:
            del self._dark_at[ticker]

    def cancels(self, at_us: int) -> list[Cancel]:
        """Requests for what rests and is not wanted. What is over is forgotten."""
        found = []
        for key, asked in list(self._unwanted.items()):
            order = self._portfolio.orders.get(key)
            if order is None or not order.is_open:
                del self._unwanted[key]
                continue
            rest_us = min(RETRY_MOST_US, RETRY_US << min(asked.times, 10)) // 2
            is_asked = isinstance(order.in_flight, Cancelling) or 0 <= at_us - asked.at_us < rest_us
            if order.state is OrderState.RESTING and order.order_id is not None and not is_asked:
                self._portfolio.withdraw(key, at_us)
                self._unwanted[key] = _Asked(at_us, asked.times + 1)
                found.append(Cancel(key, order.order_id, order.ticker))
        return found

    def _is_dark(self, ticker: str, now: float) -> bool:
        book = self._feed.books.get(ticker)
        if book is not None and book.state is BookState.LIVE:
            self._dark_at.pop(ticker, None)
            return False
        return now - self._dark_at.setdefault(ticker, now) >= BLIND_S

    def _check_overdue(self, order: Order, at_us: int) -> None:
        since_us = order.in_flight.since_us if order.in_flight is not None else order.since_us
        is_awaited = order.in_flight is not None or order.state in (OrderState.INTENDED, OrderState.SENT)
        if is_awaited and abs(at_us - since_us) > ANSWER_S * 1e6:
            self._portfolio.lose_one(order.client_order_id, f"no answer for {ANSWER_S:g} s", at_us)
            self._ask(f"{order.client_order_id} was not answered")
