"""What the venue tells of one account, spelt short; for the tests of engine and reconciliation."""

import itertools
from collections.abc import Sequence
from typing import Any

from traderv3.domain.execution import HeldPosition, Snapshot
from traderv3.domain.market_facts import Fill, UserOrder
from traderv3.domain.units import Money, Price, Qty

NOW_US = 1_795_360_000_000_000
TICKER = "EV1-A"
BALANCE = Money(100_000_000)

_trades = itertools.count(1)


def seconds(count: float) -> int:
    """Microseconds."""
    return int(count * 1e6)


def fill(
    count: int, *, ticker: str = TICKER, is_yes: bool = True, price: int = 5000, at_us: int = NOW_US, **more: Any
) -> Fill:
    """A fill of a foreign order unless it names one."""
    usual: dict[str, Any] = {
        "trade_id": f"trade-{next(_trades)}",
        "order_id": "somebody's",
        "client_order_id": None,
        "is_taker": False,
        "fee": Money(0),
        "position": None,
        "exchange_index": 0,
        "subaccount": None,
        "received_us": at_us,
    }
    return Fill(
        ticker=ticker, is_yes=is_yes, yes_price=Price(price), count=Qty(count), at_us=at_us, **{**usual, **more}
    )


def told(
    client_order_id: str,
    status: str = "resting",
    *,
    count: int = 100,
    filled: int = 0,
    price: int = 5000,
    is_yes: bool = True,
    ticker: str = TICKER,
    order_id: str | None = None,
    at_us: int = NOW_US,
) -> UserOrder:
    """An order as the venue shows it."""
    return UserOrder(
        order_id=order_id or f"venue-{client_order_id}",
        client_order_id=client_order_id,
        ticker=ticker,
        status=status,
        is_yes=is_yes,
        yes_price=Price(price),
        initial=Qty(count),
        filled=Qty(filled),
        remaining=Qty(count - filled if status == "resting" else 0),
        taker_cost=Money(0),
        maker_cost=Money(0),
        taker_fees=Money(0),
        maker_fees=Money(0),
        order_group_id=None,
        self_trade_prevention=None,
        reason=None,
        exchange_index=0,
        subaccount=None,
        created_us=at_us,
        expires_us=None,
        at_us=at_us,
        received_us=at_us,
    )


def held(position: int, *, ticker: str = TICKER, exposure: int = 0, updated_us: int = NOW_US) -> HeldPosition:
    """A position as the venue shows it."""
    zero = Money(0)
    return HeldPosition(
        ticker=ticker,
        position=Qty(position),
        exposure=Money(exposure),
        realized_pnl=zero,
        fees_paid=zero,
        updated_us=updated_us,
    )


def reading(
    as_of_us: int,
    *,
    positions: Sequence[HeldPosition] = (),
    orders: Sequence[UserOrder] = (),
    fills: Sequence[Fill] = (),
    balance: int = BALANCE,
) -> Snapshot:
    """The account read whole."""
    return Snapshot(
        asked_us=as_of_us,
        as_of_us=as_of_us,
        orders=orders,
        fills=fills,
        positions=positions,
        balance=Money(balance),
    )
