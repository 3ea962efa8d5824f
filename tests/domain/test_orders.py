"""The table of an order's life, whole; and what of an order may rest at the worst."""

import itertools

import pytest

from traderv3.domain.orders import (
    OPEN,
    ORDER_TABLE,
    OVER,
    Cancelling,
    Changing,
    Draft,
    Order,
    OrderEvent,
    OrderState,
)
from traderv3.domain.units import Price, Qty
from traderv3.trading.order_life import step

SEEN = {
    OrderEvent.SEEN_RESTING: OrderState.RESTING,
    OrderEvent.SEEN_FILLED: OrderState.FILLED,
    OrderEvent.SEEN_CANCELLED: OrderState.CANCELLED,
}
OVER_AT_THE_VENUE = {OrderState.FILLED, OrderState.CANCELLED}


def _order(*, is_bid: bool = True, state: OrderState = OrderState.INTENDED) -> Order:
    return Order(
        client_order_id="v-1",
        strategy="s",
        ticker="T",
        is_bid=is_bid,
        price=Price(5000),
        count=Qty(1000),
        created_us=1,
        state=state,
        filled=Qty(300),
        booked=Qty(300),
        remaining=Qty(700) if state in OPEN else Qty(0),
    )


def _on_its_way(order: Order) -> Order:
    order.in_flight, order.doubt = Cancelling(1), Changing(1, Price(5100), Qty(900))
    return order


@pytest.mark.parametrize(("state", "event"), list(itertools.product(OrderState, OrderEvent)))
def test_what_is_in_the_table_moves_and_all_else_is_a_broken_invariant(state: OrderState, event: OrderEvent) -> None:
    order = _order(state=state)
    target = ORDER_TABLE.get((state, event))

    if target is None:
        with pytest.raises(AssertionError, match=f"{event} while {state}"):
            step(order, event, 2)
        assert order.state is state
    else:
        step(order, event, 2)
        assert order.state is target
        assert order.is_open == (target in OPEN)
        assert order.since_us == (0 if target is state else 2)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(OrderState, SEEN)))
def test_an_order_that_the_venue_shows_is_believed_in_every_state_but_for_what_is_over(
    state: OrderState, event: OrderEvent
) -> None:
    target = ORDER_TABLE[state, event]

    if state is OrderState.FILLED:
        assert target is OrderState.FILLED
    elif state is OrderState.CANCELLED and event is not OrderEvent.SEEN_FILLED:
        assert target is OrderState.CANCELLED
    else:
        assert target is SEEN[event]


def test_nothing_but_the_venues_word_ends_an_order_that_may_rest() -> None:
    ends = {
        (state, event)
        for (state, event), target in ORDER_TABLE.items()
        if state in {OrderState.SENT, OrderState.UNKNOWN, OrderState.RESTING} and target in OVER
    }

    assert {event for _, event in ends} - SEEN.keys() == {
        OrderEvent.REFUSED,
        OrderEvent.SEEN_ABSENT,
        OrderEvent.DROPPED,
    }
    assert (OrderState.UNKNOWN, OrderEvent.REFUSED) not in ends
    assert (OrderState.RESTING, OrderEvent.SEEN_ABSENT) not in ends
    assert (OrderState.SENT, OrderEvent.DROPPED) not in ends


def test_a_request_is_written_once() -> None:
    written = {state for state, event in ORDER_TABLE if event is OrderEvent.WRITTEN}

    assert written == {OrderState.INTENDED, OrderState.UNKNOWN, OrderState.VOID}


@pytest.mark.parametrize("state", sorted(OVER))
def test_an_order_that_is_over_has_nothing_left_and_nothing_in_flight(state: OrderState) -> None:
    for source, event in [key for key, target in ORDER_TABLE.items() if target is state and key[0] is not state]:
        order = _on_its_way(_order(state=source))
        step(order, event, 2, "so it is")

        assert (order.remaining, order.why) == (0, "so it is")
        assert order.in_flight is None
        assert order.doubt is None


def test_an_order_that_is_taken_up_again_may_fill_with_all_that_is_left() -> None:
    order = _order(state=OrderState.VOID)
    step(order, OrderEvent.SEEN_RESTING, 2)

    assert order.remaining == 700


@pytest.mark.parametrize(("is_bid", "worst"), [(True, 5200), (False, 4900)])
def test_at_the_worst_every_change_that_may_be_made_is_made(is_bid: bool, worst: int) -> None:
    order = _order(is_bid=is_bid)
    order.in_flight = Changing(1, Price(5200), Qty(100))
    order.doubt = Changing(1, Price(4900), Qty(900))

    assert order.at_worst == (worst, 900)


def test_a_cancel_on_its_way_makes_nothing_better() -> None:
    order = _order()
    order.in_flight = Cancelling(1)

    assert order.at_worst == (5000, 700)


def test_a_draft_rests_until_it_is_told_otherwise() -> None:
    draft = Draft(strategy="s", ticker="T", is_bid=True, price=Price(1), count=Qty(1))

    assert draft.time_in_force == "good_till_canceled"
    assert draft.ttl_s is None
