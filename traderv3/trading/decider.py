"""One decision: what changed is shown to the strategy, what it wants is put to risk, what risk allows becomes a request.

A strategy sees a market when its book, our orders or our position there changed, and all of them once a second. A market in
which an order was refused is not shown for a while (`trading.refusals`).
Units: times microseconds since the epoch.
Never: a request that risk has not approved in this very step, but those that take risk away; a change of an order to which
something of ours is on its way already.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from traderv3.domain.execution import Amend, Create, Decrease, Request
from traderv3.domain.feed import Feed
from traderv3.domain.orders import Approved, Change, Draft, Order, OrderState, Withdrawal
from traderv3.domain.permission import Latch
from traderv3.domain.risk_limits import RiskLimits
from traderv3.domain.units import Qty
from traderv3.trading.caretaker import Caretaker
from traderv3.trading.day_book import DayBook
from traderv3.trading.portfolio import Portfolio
from traderv3.trading.refusals import Refusals
from traderv3.trading.risk import RiskFacts, assess
from traderv3.trading.stops import mode_of
from traderv3.trading.strategies.hold import Hold
from traderv3.trading.strategies.view import MarketView, Strategy, View, market_view

ALL_US: Final = 1_000_000  # how often a strategy sees every market
MARKETS_MAX: Final = 64  # in one decision, some 2 ms; further ones wait for their turn in the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Senses:
    """What is asked of others. `account_trouble`: why the account is not heard, None while it is; `ask`: read it soon."""

    account_trouble: Callable[[], str | None]
    clock_offset_us: Callable[[], int | None]
    cross_check: Callable[[], float | None]
    ask: Callable[[str], None]


class Decider:
    """`next_id` gives an id that was never used; `is_in_book`: the books that we see show our own orders, too."""

    def __init__(
        self,
        feed: Feed,
        portfolio: Portfolio,
        strategy: Strategy,
        limits: RiskLimits,
        day: DayBook,
        latch: Latch,
        senses: Senses,
        caretaker: Caretaker,
        refusals: Refusals,
        *,
        next_id: Callable[[], str],
        is_in_book: bool,
    ) -> None:
        self._feed = feed
        self._portfolio = portfolio
        self._strategy = strategy
        self._limits = limits
        self._day = day
        self._latch = latch
        self._senses = senses
        self._caretaker = caretaker
        self._refusals = refusals
        self._next_id = next_id
        self._is_in_book = is_in_book
        self._is_idle = isinstance(strategy, Hold)
        self._due: dict[str, None] = {}  # markets with news, whose turn has not come yet, in order
        self._seen: dict[str, tuple[int, str]] = {}  # updates and state of each book, at the last decision
        self._seen_all_us = 0
        self.decided_us: int | None = None

    def touch(self, ticker: str) -> None:
        """There is news of ours in a market."""
        self._due[ticker] = None

    def decide(self, at_us: int) -> list[Request]:
        """What is to be sent now. What the strategy withdraws goes to the caretaker."""
        tickers = [] if self._is_idle else self._next_markets(at_us)
        if not tickers:
            return []
        view = View(at_us=at_us, mode=mode_of(self.risk_facts(at_us)), markets=self._views(tickers))
        requests: list[Request | None] = []
        for intent in self._strategy.decide(view):
            match intent:
                case Draft():
                    requests.append(self._create(intent, at_us))
                case Change():
                    requests.append(self._change(intent, at_us))
                case Withdrawal(client_order_id=key):
                    order = self._portfolio.open.get(key)
                    if order is not None:
                        self._caretaker.renounce([order], f"{self._strategy.name} wants it no more")
        self.decided_us = at_us
        return [request for request in requests if request is not None]

    def risk_facts(self, at_us: int) -> RiskFacts:
        """What risk judges by, as it is now; all that this step has asked for already counts."""
        name = self._strategy.name
        return RiskFacts(
            at_us=at_us,
            feed=self._feed,
            mode=self._latch.stand.mode,
            orders=self._portfolio.at_risk.values(),
            foreign=self._portfolio.foreign.values(),
            positions=self._portfolio.positions,
            strategy=name,
            own_positions=self._portfolio.of_strategy(name),
            clock_offset_us=self._senses.clock_offset_us(),
            cross_check=self._senses.cross_check(),
            day=self._day.facts(at_us),
        )

    def _next_markets(self, at_us: int) -> list[str]:
        """Markets with news, those that have waited longest first; now and then every one."""
        books, due, seen = self._feed.books, self._due, self._seen
        is_time_for_all = not 0 <= at_us - self._seen_all_us < ALL_US
        if is_time_for_all:
            self._seen_all_us = at_us
            self._seen = seen = {ticker: seen[ticker] for ticker in seen.keys() & books.keys()}
        for ticker, book in books.items():
            stamp = (book.updates, book.state)
            if is_time_for_all or seen.get(ticker) != stamp:
                seen[ticker] = stamp
                due[ticker] = None
        taken = list(itertools.islice(due, MARKETS_MAX))
        for ticker in taken:
            del due[ticker]
        return [ticker for ticker in taken if ticker in books and not self._refusals.rests(ticker, at_us)]

    def _views(self, tickers: list[str]) -> list[MarketView]:
        name = self._strategy.name
        mine: dict[str, list[Order]] = {}
        in_book: dict[str, list[Order]] = {}  # whoever's strategy made them, those that are being withdrawn too
        for order in self._portfolio.open.values():
            if self._is_in_book and order.state is OrderState.RESTING:
                in_book.setdefault(order.ticker, []).append(order)
            if order.strategy == name and self._caretaker.is_wanted(order):
                mine.setdefault(order.ticker, []).append(order)
        held = self._portfolio.of_strategy(name)
        return [
            market_view(
                self._feed,
                ticker,
                position=held[ticker].count if ticker in held else Qty(0),
                orders=mine.get(ticker, ()),
                in_book=in_book.get(ticker, ()),
            )
            for ticker in tickers
        ]

    def _create(self, draft: Draft, at_us: int) -> Create | None:
        assert draft.strategy == self._strategy.name
        if self._refusals.rests(draft.ticker, at_us) or self._is_being_cleared(draft):
            return None
        verdict = assess(draft, self.risk_facts(at_us), self._limits)
        if not isinstance(verdict, Approved):
            self._refusals.by_risk(verdict, draft.ticker, draft.strategy)
            return None
        key = self._next_id()
        self._portfolio.intend(draft, key, at_us)
        self._day.note_order(draft.ticker, draft.strategy, at_us)
        return Create(key, verdict)

    def _is_being_cleared(self, draft: Draft) -> bool:
        """What was withdrawn on that side may yet fill: the strategy is asked again once it is over."""
        return any(
            (order.ticker, order.is_bid) == (draft.ticker, draft.is_bid) and not self._caretaker.is_wanted(order)
            for order in self._portfolio.open.values()
        )

    def _change(self, change: Change, at_us: int) -> Amend | Decrease | None:
        """An order that is not at rest, or not wanted, is left alone: the strategy sees it again when it is."""
        order = self._portfolio.open.get(change.client_order_id)
        if order is None or order.order_id is None or not self._caretaker.is_wanted(order):
            return None
        if order.state is not OrderState.RESTING or order.in_flight is not None:
            return None
        request: Amend | Decrease
        if change.price == order.price and 0 < change.count < order.remaining:
            request = Decrease(order.client_order_id, order.order_id, order.ticker, change.count)
        else:
            verdict = assess(change, self.risk_facts(at_us), self._limits)
            if not isinstance(verdict, Approved):
                self._refusals.by_risk(verdict, order.ticker, order.strategy)
                return None
            total = Qty(order.filled + change.count)
            request = Amend(order.order_id, order.ticker, order.is_bid, total, verdict)
            self._day.note_order(order.ticker, order.strategy, at_us)
        self._portfolio.change(order.client_order_id, change.price, change.count, at_us)
        return request
