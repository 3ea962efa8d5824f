"""The portfolio as lines for people: orders, fills, positions, and what they come to together.

Positions are valued at what the best of the live book would pay for them now; without that they have no value, and
neither has any sum that they are part of.
Units: as in `domain.trading_report`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from traderv3.domain.feed import Feed
from traderv3.domain.market_facts import Fill
from traderv3.domain.orders import Cancelling, Order, OrderState
from traderv3.domain.positions import Position, exit_price
from traderv3.domain.trading_report import FillLine, OrderLine, PositionLine
from traderv3.domain.units import Money, Qty
from traderv3.domain.worst_case import Exposure, worst_case

_SECOND_US: Final = 1_000_000


def order_line(order: Order) -> OrderLine:
    """One order as it is now."""
    expires_us = None if order.ttl_s is None else order.created_us + round(order.ttl_s * _SECOND_US)
    in_flight = None if order.in_flight is None else _doing(order)
    return OrderLine(
        client_order_id=order.client_order_id,
        order_id=order.order_id,
        strategy=order.strategy,
        ticker=order.ticker,
        is_bid=order.is_bid,
        price=order.price,
        count=order.count,
        filled=order.filled,
        remaining=order.remaining,
        state=order.state.value,
        in_flight=in_flight,
        created_us=order.created_us,
        expires_us=expires_us,
        why=order.why,
    )


def _doing(order: Order) -> str:
    return "cancelling" if isinstance(order.in_flight, Cancelling) else "changing"


def fill_line(fill: Fill, order: Order | None) -> FillLine:
    """One fill, and whose order it was; None: not ours, or not known (yet)."""
    return FillLine(
        trade_id=fill.trade_id,
        client_order_id=fill.client_order_id if order is None else order.client_order_id,
        strategy=None if order is None else order.strategy,
        ticker=fill.ticker,
        is_bid=fill.is_yes,
        is_taker=fill.is_taker,
        price=fill.yes_price,
        count=fill.count,
        fee=fill.fee,
        at_us=fill.at_us,
    )


def _unrealized(position: Position, ticker: str, feed: Feed) -> Money | None:
    """What selling out at the best of the book would bring in over the cost; None: there is no live book, or no bid in it."""
    if not position.count:
        return Money(0)
    price = exit_price(feed.books.get(ticker), position.count)
    return None if price is None else Money(position.value_at(price) - position.cost)


def position_line(ticker: str, position: Position, told: Qty | None, exposure: Exposure, feed: Feed) -> PositionLine:
    """One market. `told` is what the venue's socket last said is held there."""
    return PositionLine(
        ticker=ticker,
        position=position.count,
        average=position.average,
        realized=position.realized,
        unrealized=_unrealized(position, ticker, feed),
        fees=position.fees,
        worst_case=worst_case([exposure], is_exclusive=False),
        venue_position=None if told == position.count else told,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Everything together. `worst_case`: over all events, each at its worst; an event of unknown terms is not exclusive."""

    realized: Money
    unrealized: Money | None
    fees: Money
    worst_case: Money
    resting: int
    unknown: int


def sum_up(
    positions: Mapping[str, Position], exposures: Mapping[str, Exposure], open_orders: Collection[Order], feed: Feed
) -> Totals:
    """What it all comes to; positions and exposures by ticker."""
    values = [_unrealized(position, ticker, feed) for ticker, position in positions.items()]
    known = [value for value in values if value is not None]
    return Totals(
        realized=Money(sum(position.realized for position in positions.values())),
        unrealized=Money(sum(known)) if len(known) == len(values) else None,
        fees=Money(sum(position.fees for position in positions.values())),
        worst_case=_worst_of_all(exposures, feed),
        resting=sum(order.state is OrderState.RESTING for order in open_orders),
        unknown=sum(order.state is OrderState.UNKNOWN for order in open_orders),
    )


def _worst_of_all(exposures: Mapping[str, Exposure], feed: Feed) -> Money:
    """The most that all markets can lose together, event by event."""
    events: dict[str, list[Exposure]] = {}
    for ticker, exposure in exposures.items():
        listing = feed.listings.get(ticker)
        event = None if listing is None else listing.event_ticker
        events.setdefault(ticker if event is None else event, []).append(exposure)
    total = 0
    for event, of_event in events.items():
        terms = feed.events.get(event)
        total += worst_case(of_event, is_exclusive=terms is not None and terms.is_exclusive)
    return Money(total)
