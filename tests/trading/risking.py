"""A small world for the tests of risk: two events of one series, a third by itself, live books, nothing held."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from traderv3.domain.feed import EventTerms, Feed, Line, Link, Listing
from traderv3.domain.fees import FeeSchedule, FeeType
from traderv3.domain.market_facts import UserOrder
from traderv3.domain.orders import Draft, Order, OrderState
from traderv3.domain.permission import Mode
from traderv3.domain.positions import Position
from traderv3.domain.price_grid import PriceGrid
from traderv3.domain.risk_limits import DEFAULT_LIMITS, RiskLimits
from traderv3.domain.units import DOLLAR, Money, Price, Qty
from traderv3.trading.day_book import DayFacts
from traderv3.trading.risk import RiskFacts

NOW_US = 1_795_360_000_000_000
CENT_GRID = PriceGrid(((0, DOLLAR, 100),))
FEES = FeeSchedule(FeeType.QUADRATIC, Fraction(1))
NO_CHARGE = FeeSchedule(FeeType.QUADRATIC, Fraction(0))
EVENTS = {"EV1": ("S1", True), "EV2": ("S1", False), "EV3": ("S2", False)}
MARKETS = {"EV1-A": "EV1", "EV1-B": "EV1", "EV1-C": "EV1", "EV2-A": "EV2", "EV2-B": "EV2", "EV3-A": "EV3"}
HUGE = 10**12


def make_feed(fees: FeeSchedule = NO_CHARGE) -> Feed:
    """Every market live at 0.40 / 0.60, heard of now."""
    feed = Feed()
    feed.watch(MARKETS)
    for ticker, event in MARKETS.items():
        feed.books[ticker].replace([(4000, 10_00)], [(4000, 10_00)])
        feed.listings[ticker] = Listing(ticker, None, CENT_GRID, event)
        feed.statuses[ticker] = "active"
    feed.events = {event: EventTerms(series, is_exclusive, fees) for event, (series, is_exclusive) in EVENTS.items()}
    feed.lines["orderbook_connector"] = Line(link=Link.CONNECTED, tickers=tuple(MARKETS), heard_us=NOW_US)
    return feed


def facts(feed: Feed | None = None, **changed: Any) -> RiskFacts:
    """An active trader that holds nothing, unless told otherwise."""
    usual: dict[str, Any] = {
        "at_us": NOW_US,
        "feed": feed or make_feed(),
        "mode": Mode.ACTIVE,
        "orders": (),
        "positions": {},
        "strategy": "s",
        "own_positions": changed.get("positions", {}),
        "clock_offset_us": 0,
        "cross_check": None,
        "day": DayFacts(),
    }
    return RiskFacts(**{**usual, **changed})


def draft(ticker: str = "EV1-A", *, is_bid: bool = True, price: int = 5000, count: int = 100, **more: Any) -> Draft:
    """A bid of one contract at 0.50."""
    return Draft(strategy="s", ticker=ticker, is_bid=is_bid, price=Price(price), count=Qty(count), **more)


def order(
    ticker: str = "EV1-A", *, is_bid: bool = True, price: int = 5000, count: int = 100, name: str = "o", **more: Any
) -> Order:
    """An order that rests."""
    usual: dict[str, Any] = {
        "client_order_id": name,
        "strategy": "s",
        "ticker": ticker,
        "is_bid": is_bid,
        "price": Price(price),
        "count": Qty(count),
        "remaining": Qty(count),
        "created_us": NOW_US,
        "state": OrderState.RESTING,
    }
    return Order(**{**usual, **more})


def foreign(ticker: str, *, count: int) -> UserOrder:
    """A bid at 0.50 that rests for the account and is not ours."""
    return UserOrder(
        order_id="strange",
        client_order_id="by hand",
        ticker=ticker,
        status="resting",
        is_yes=True,
        yes_price=Price(5000),
        initial=Qty(count),
        filled=Qty(0),
        remaining=Qty(count),
        taker_cost=Money(0),
        maker_cost=Money(0),
        taker_fees=Money(0),
        maker_fees=Money(0),
        order_group_id=None,
        self_trade_prevention=None,
        reason=None,
        exchange_index=0,
        subaccount=0,
        created_us=NOW_US,
        expires_us=None,
        at_us=NOW_US,
        received_us=NOW_US,
    )


def holding(**counts: tuple[int, int]) -> Mapping[str, Position]:
    """Positions from `EV1_A=(contracts x 100, average price)`."""
    return {
        name.replace("_", "-"): Position(count=Qty(count), cost=Money(abs(count) * price))
        for name, (count, price) in counts.items()
    }


def limits(**changed: Mapping[str, int]) -> RiskLimits:
    """No limit but the named ones: `market={"size": 100}`."""
    wide = {
        name: replace(getattr(DEFAULT_LIMITS, name), **dict.fromkeys(("size", "notional", "worst_case"), HUGE))
        for name in ("market", "event", "series", "strategy", "account")
    }
    wide["order"] = replace(DEFAULT_LIMITS.order, size=Qty(HUGE), notional=Money(HUGE))
    made = replace(DEFAULT_LIMITS, **wide)
    return replace(made, **{name: replace(getattr(made, name), **values) for name, values in changed.items()})


def rules(refusals: Iterable[Any]) -> list[str]:
    """The rules of refusals."""
    return [refusal.rule for refusal in refusals]
