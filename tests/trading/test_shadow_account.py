"""The money of shadow trading against the exchange's own ledger, fill by fill."""

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.trading.shadow_house import BALANCE, FEES
from tests.trading.telling import NOW_US, TICKER
from traderv3.domain.claims import Claim
from traderv3.domain.fees import ROUNDING
from traderv3.domain.units import Price, Qty
from traderv3.exchange.accounts import Ledger
from traderv3.trading.shadow_account import ShadowAccount, ShadowOrder


def _order(number: int, rng: random.Random) -> ShadowOrder:
    count = Qty(rng.randint(1, 5_000))
    return ShadowOrder(
        order_id=f"{number}",
        client_order_id=f"v-{number}",
        ticker=TICKER,
        is_bid=rng.random() < 0.5,
        price=Price(rng.randint(1, 9_999)),
        initial=count,
        remaining=count,
        created_us=NOW_US,
        updated_us=NOW_US,
        expires_us=None,
        is_post_only=False,
    )


@given(st.integers(0, 2**32))
def test_it_books_as_the_exchange_does_to_the_last_millionth(seed: int) -> None:
    rng = random.Random(seed)
    ledger = Ledger(ROUNDING, fee_rate_of=lambda _: FEES.rate(is_taker=True))
    theirs, ours = ledger.account("us", 0), ShadowAccount(BALANCE, lambda _: FEES)
    ledger.deposit(theirs, BALANCE)
    for number in range(8):
        order, accumulated, fees = _order(number, rng), 0, 0
        while order.remaining and rng.random() < 0.8:
            is_taker, count = rng.random() < 0.5, Qty(rng.randint(1, order.remaining))
            booked = ledger.fill(
                theirs,
                TICKER,
                order.is_bid,
                order.price,
                count,
                fee_rate=FEES.rate(is_taker=is_taker),
                accumulated=accumulated,
                at_us=NOW_US,
            )
            fill = ours.fill(order, order.price, count, is_taker=is_taker, at_us=NOW_US)
            accumulated, fees = booked.accumulated, fees + booked.fee
            assert (fill.fee, fill.position) == (booked.fee, theirs.count_of(TICKER))
        assert order.filled + order.remaining == order.initial
        assert sum(order.fees.values()) == fees
        theirs.claim(TICKER, order.order_id, Claim(order.is_bid, order.price, order.remaining or 1))
        assert ours.held([order]) == theirs.held or not order.remaining
        theirs.claim(TICKER, order.order_id, None)

    position, at_venue = ours.position(TICKER), theirs.position(TICKER)
    assert ours.cash == theirs.cash
    assert (position.cost, position.realized, position.fees) == (
        at_venue.cost,
        at_venue.realized_pnl,
        at_venue.fees_paid,
    )
    value = rng.randint(0, 10_000)
    ledger.pay_out(theirs, TICKER, value, NOW_US)
    ours.settle(TICKER, Price(value), NOW_US)
    assert ours.cash == theirs.cash
