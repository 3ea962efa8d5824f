"""A trading desk with a clock that stands still until it is moved, and everything it tells written down in order."""

import random
from fractions import Fraction
from typing import Any

from traderv3.domain.fees import FeeSchedule, FeeType
from traderv3.domain.matching import SelfTrade
from traderv3.domain.orders import TimeInForce
from traderv3.domain.units import CONTRACT, DOLLAR
from traderv3.exchange.desk import Desk
from traderv3.exchange.floor import Floor
from traderv3.exchange.listing import Listing, PublicTrade
from traderv3.exchange.market import Event, Market
from traderv3.exchange.operations import Rules
from traderv3.exchange.records import (
    Amendment,
    Cause,
    Filled,
    MarketMoved,
    MemberFact,
    NewOrder,
    OrderChanged,
    OrderRecord,
)

START_US = 1_790_000_000_000_000
SECOND_US = 1_000_000
MILLION = 1_000_000_000_000  # a million dollars
FREE = FeeSchedule(FeeType.QUADRATIC, Fraction(0))
ORDINARY = FeeSchedule(FeeType.QUADRATIC, Fraction(1))
TICKER = "KXDEMO-99-A"
OTHER = "KXDEMO-99-B"


def market(ticker: str = TICKER, *, fees: FeeSchedule = FREE, structure: str = "linear_cent", **more: Any) -> Market:
    event = Event(
        ticker=ticker.rpartition("-")[0],
        series_ticker="KXDEMO",
        title="Who wins?",
        sub_title="One day",
        category="Sports",
        structure=structure,
        is_mutually_exclusive=False,
        fees=fees,
    )
    return Market(ticker=ticker, event=event, title=ticker[-1], **more)


def _named(cause: Cause | None) -> str | None:
    return None if cause is None else cause.client_order_id


class WrittenFloor(Floor):
    """Writes down what it is told: changes, trades, members' facts and announcements."""

    def __init__(self, markets: list[Market]) -> None:
        super().__init__(markets, now_ms=lambda: START_US // 1000)
        self.changes: list[tuple[str, bool, int, int, int]] = []  # ticker, side, price, change, clock
        self.causes: list[tuple[str | None, str | None]] = []  # client order ids of the cause and of the maker
        self.trades: list[PublicTrade] = []
        self.facts: list[MemberFact] = []
        self.moves: list[MarketMoved] = []
        self.story: list[str] = []  # the kinds, in order

    def change(
        self,
        listing: Listing,
        is_yes: bool,
        price: int,
        change: int,
        *,
        ts: str,
        ts_ms: int,
        cause: Cause | None = None,
        maker: Cause | None = None,
    ) -> None:
        super().change(listing, is_yes, price, change, ts=ts, ts_ms=ts_ms, cause=cause, maker=maker)
        self.changes.append((listing.ticker, is_yes, price, change, listing.clock))
        self.causes.append((_named(cause), _named(maker)))
        self.story.append("change")

    def trade(self, listing: Listing, trade: PublicTrade) -> None:
        super().trade(listing, trade)
        self.trades.append(trade)
        self.story.append("trade")

    def tell(self, fact: MemberFact) -> None:
        super().tell(fact)
        self.facts.append(fact)
        self.story.append(type(fact).__name__)

    def announce(self, moved: MarketMoved) -> None:
        super().announce(moved)
        self.moves.append(moved)
        self.story.append(moved.event_type)


class House:
    """The desk of two markets, free of fees unless said otherwise, with short verbs for its members."""

    def __init__(self, *markets: Market, seed: int = 1, rules: Rules | None = None, takes_orders: bool = True) -> None:
        self.at_us = START_US
        self.floor = WrittenFloor(list(markets) or [market(), market(OTHER)])
        self.desk = Desk(
            self.floor,
            now_us=lambda: self.at_us,
            rng=random.Random(seed),
            rules=rules or Rules(),
            takes_orders=takes_orders,
        )

    def pass_time(self, seconds: float) -> None:
        self.at_us += round(seconds * SECOND_US)
        self.desk.step(self.at_us)

    def open(self, *user_ids: str, balance: int = MILLION) -> None:
        for user_id in user_ids:
            self.desk.open_account(user_id, balance=balance)

    def order(self, user_id: str, terms: str, **more: Any) -> OrderRecord:
        """Place what `terms` says, as "bid 10 @ 50": contracts and cents."""
        return self.desk.create(user_id, new(terms, **more))

    def amend(self, user_id: str, record: OrderRecord, terms: str, **more: Any) -> OrderRecord:
        is_bid, count, price = read(terms)
        amendment = Amendment(ticker=record.ticker, is_bid=is_bid, price=price, count=count, **more)
        return self.desk.amend(user_id, record.order_id, amendment)

    def balance(self, user_id: str, subaccount: int = 0) -> int:
        return self.desk.pit.ledger.account(user_id, subaccount).free

    def position(self, user_id: str, ticker: str = TICKER) -> int:
        return self.desk.pit.ledger.account(user_id, 0).count_of(ticker)

    def book(self, ticker: str = TICKER) -> tuple[dict[int, int], dict[int, int]]:
        book = self.floor.listings[ticker].book
        return book.yes, book.no

    def reasons(self, user_id: str) -> list[tuple[str, str | None]]:
        """What a member heard of its orders: status and reason."""
        return [
            (fact.order.status.value, fact.reason)
            for fact in self.floor.facts
            if isinstance(fact, OrderChanged) and fact.order.user_id == user_id
        ]

    def fills(self, user_id: str) -> list[tuple[int, int, int]]:
        """A member's fills: price, count, position after it."""
        return [
            (fact.fill.price, fact.fill.count, fact.fill.position)
            for fact in self.floor.facts
            if isinstance(fact, Filled) and fact.fill.user_id == user_id
        ]


def read(terms: str) -> tuple[bool, int, int]:
    """ "ask 2.5 @ 47.5" as side, count and price; exact."""
    side, count, at, price = terms.split()
    assert side in ("bid", "ask")
    assert at == "@"
    return side == "bid", int(Fraction(count) * CONTRACT), int(Fraction(price) * DOLLAR / 100)


def new(
    terms: str,
    *,
    tif: TimeInForce = TimeInForce.GTC,
    self_trade: SelfTrade = SelfTrade.TAKER,
    ticker: str = TICKER,
    **more: Any,
) -> NewOrder:
    is_bid, count, price = read(terms)
    return NewOrder(
        ticker=ticker, is_bid=is_bid, price=price, count=count, time_in_force=tif, self_trade=self_trade, **more
    )
