"""What one order of ours learns from an answer, a message or a read: its state by the table, its numbers by their age.

The venue's words overtake each other. The order's state moves by `ORDER_TABLE` alone. Price, count and what remains are
those of the youngest word; what filled never shrinks, and fills that a word does not know yet are taken off what it says
remains. So an order's numbers are the same whichever of a fill and its order's message comes first.
Units: prices 1e-4 dollar, counts 0.01 contract, times microseconds since the epoch.
Source: protocol page 4.7, 4.13, 6.3 to 6.5.
Never: an end of an order that the venue did not tell; fills only count.
"""

from typing import Final

from traderv3.domain.execution import (
    Accepted,
    Amend,
    CancelAll,
    Create,
    Decrease,
    Outcome,
    Rejected,
    Request,
    Unknown,
    Written,
)
from traderv3.domain.market_facts import UserOrder
from traderv3.domain.orders import NOTHING, OPEN, ORDER_TABLE, Changing, Order, OrderEvent
from traderv3.domain.units import Price, Qty

STATUS_EVENTS: Final = {
    "resting": OrderEvent.SEEN_RESTING,
    "executed": OrderEvent.SEEN_FILLED,
    "canceled": OrderEvent.SEEN_CANCELLED,
}
EXISTS: Final = "order_already_exists"  # a 409 that says only that this id was used before, by us
DOUBT_US: Final = 4_000_000  # a read so much younger than a change shows whether it was made


def client_order_id_of(request: Request) -> str | None:
    """Which order a request is about; None: all of them."""
    match request:
        case Create(client_order_id, _):
            return client_order_id
        case Amend(change=change):
            return change.wanted.client_order_id
        case CancelAll():
            return None
        case _:
            return request.client_order_id


def step(order: Order, event: OrderEvent, at_us: int, why: str | None = None) -> None:
    """Move the order by the table. What is not in the table is a broken invariant."""
    target = ORDER_TABLE.get((order.state, event))
    assert target is not None, f"{order.client_order_id}: {event} while {order.state}"
    if target is order.state:
        return
    order.why = why
    if target not in OPEN:
        order.remaining = NOTHING
        order.in_flight = order.doubt = None
    elif order.state not in OPEN:
        order.remaining = Qty(order.count - order.filled)
    order.state, order.since_us = target, at_us


def take_fill(order: Order, booked: Qty) -> None:
    """All known fills of the order come to `booked`."""
    order.booked = max(order.booked, booked)
    more = booked - order.filled
    if more > 0:
        order.filled = booked
        expected = min(more, order.unheard)  # the venue has taken it off what remains already
        order.unheard = Qty(order.unheard - expected)
        order.remaining = Qty(max(0, order.remaining - (more - expected)))


def take_user_order(order: Order, word: UserOrder, at_us: int, as_of_us: int | None) -> None:
    """The venue shows the order. `as_of_us`: as it was then, by a read whose fills were taken before; None: by a message."""
    event = STATUS_EVENTS.get(word.status)
    if event is not None:
        step(order, event, at_us, word.reason if event is OrderEvent.SEEN_CANCELLED else None)
    if _take_word(order, word.at_us, word.filled, word.remaining, terms=(word.yes_price, word.initial)):
        order.unheard = NOTHING
    if as_of_us is not None:
        order.booked = max(order.booked, word.filled)  # a fill that is not in this read is older than it goes back
        if order.doubt is not None and as_of_us > order.doubt.since_us + DOUBT_US:
            order.doubt = None


def take_outcome(order: Order, request: Request, outcome: Outcome, at_us: int) -> None:
    """A request about the order was answered."""
    if isinstance(request, Create):
        _take_create(order, outcome, at_us)
        return
    if isinstance(outcome, Written) and not outcome.is_dropped:
        return
    is_change = isinstance(request, Amend | Decrease)
    if isinstance(outcome, Accepted):
        _take_acceptance(order, request, outcome, at_us)
    else:
        order.why = outcome.why
    if is_change and not isinstance(outcome, Unknown):
        order.doubt = None
    if isinstance(order.in_flight, Changing) != is_change:
        return  # a cancel went after the change, or another order of things: what is in flight now is not answered yet
    if isinstance(outcome, Unknown) and isinstance(order.in_flight, Changing):
        order.doubt = order.in_flight
    order.in_flight = None


def _take_acceptance(order: Order, request: Request, outcome: Accepted, at_us: int) -> None:
    """A change or a cancel was made. What has filled meanwhile it does not tell: all that it leaves open is `unheard`."""
    before, remaining = order.may_rest, outcome.remaining
    if isinstance(request, Amend):
        terms = (request.change.wanted.price, request.count)
        is_young = _take_word(order, outcome.at_us, None, remaining, terms=terms)
        if is_young and remaining is not None:
            order.unheard = Qty(max(0, request.count - remaining - order.filled))
    elif isinstance(request, Decrease):
        if _take_word(order, outcome.at_us, None, request.to if remaining is None else remaining):
            order.unheard = Qty(order.unheard + max(0, before - order.remaining))
    else:
        is_young = _take_word(order, outcome.at_us, outcome.filled, None)
        order.unheard = Qty(order.unheard + max(0, before - (outcome.cancelled or NOTHING)) if is_young else 0)
        step(order, OrderEvent.SEEN_CANCELLED, at_us)


def _take_create(order: Order, outcome: Outcome, at_us: int) -> None:
    match outcome:
        case Written(is_dropped, why):
            step(order, OrderEvent.DROPPED if is_dropped else OrderEvent.WRITTEN, at_us, why)
        case Accepted(_, _, None, _):
            step(order, OrderEvent.LOST, at_us, "accepted, without a word on what remains")
        case Accepted(_, filled, remaining, told_us):
            is_whole = filled is not None and filled >= order.count
            over = OrderEvent.SEEN_FILLED if is_whole else OrderEvent.SEEN_CANCELLED
            step(order, OrderEvent.SEEN_RESTING if remaining else over, at_us)
            _take_word(order, told_us, filled, remaining)
        case Rejected(code, why) if code.startswith(EXISTS):
            step(order, OrderEvent.LOST, at_us, f"{code}: {why}")
        case Rejected(code, why):
            step(order, OrderEvent.REFUSED, at_us, f"{code}: {why}")
        case Unknown(why):
            step(order, OrderEvent.LOST, at_us, why)


def _take_word(
    order: Order,
    told_us: int | None,
    filled: Qty | None,
    remaining: Qty | None,
    *,
    terms: tuple[Price, Qty] | None = None,
) -> bool:
    """Numbers of the venue, `told_us` old by its clock; False: there were younger ones.

    Times are compared in milliseconds, as the socket tells them.
    """
    is_young = told_us is None or told_us // 1000 >= order.told_us // 1000
    known, order.filled = order.filled, max(order.filled, filled or NOTHING)
    if is_young:
        order.told_us = told_us or order.told_us
        if terms is not None:
            order.price, order.count = terms
        if remaining is not None and order.is_open:
            unknown_to_it = 0 if filled is None else max(0, known - filled)
            order.remaining = Qty(max(0, remaining - unknown_to_it))
    return is_young
