"""Our account read whole over REST, as the facts that the socket tells: the venue's truth, as fresh as its read replica.

The replica's own time is read first, so everything after it is at least so fresh; fills are read last, so a fill that is
missing is missing in the positions as well. What changes while the pages are read shows in the next reading.
The venue filters orders and fills by whole seconds of their creation; a REST fill names neither our id of its order nor
the position after it.
Only the primary account: what a person does in numbered subaccounts is none of ours.
Units: as in `domain.market_facts`; times microseconds since the epoch.
Never: absence from a list that was not read to its end (an error is an error).
"""

from collections.abc import Callable
from typing import Final

import structlog

from traderv3.clients.rest import RestClient
from traderv3.domain.execution import HeldPosition, Snapshot
from traderv3.domain.market_facts import Fill, UserOrder
from traderv3.domain.positions import Settlement
from traderv3.domain.units import DOLLAR, Price
from traderv3.protocol import rest_account, rest_holdings

PAGE: Final = "1000"
BID: Final = "bid"
WHOLE_VALUES: Final = {"yes": DOLLAR, "no": Price(0)}
CENT: Final = DOLLAR // 100
MONEY_PER_PRICE: Final = 100  # 1e-6 dollar in 1e-4 dollar

log = structlog.get_logger(component="account_reads")


class AccountReader:
    """Reads one account (`domain.execution.AccountReads`). Every method raises what `RestClient` raises."""

    def __init__(self, rest: Callable[[], RestClient], *, wall_us: Callable[[], int]) -> None:
        self._rest = rest
        self._wall_us = wall_us

    async def snapshot(self, since_us: int) -> Snapshot:
        """Everything as of now: what rests, and every order, fill and settlement that was made since then."""
        rest = self._rest()
        asked_us = self._wall_us()
        as_of_us = await rest.user_data_timestamp()
        positions = [
            HeldPosition(
                ticker=held.ticker,
                position=held.position,
                exposure=held.exposure,
                realized_pnl=held.realized_pnl,
                fees_paid=held.fees_paid,
                updated_us=held.updated_us,
            )
            async for page in rest.positions(limit=PAGE)
            for held in page.markets
        ]
        balance = await rest.balance()
        paid = [one async for page in rest.settlements(min_ts=_seconds(since_us), limit=PAGE) for one in page]
        orders = {order.order_id: order for order in await self._orders(status="resting")}
        orders |= {order.order_id: order for order in await self._orders(min_ts=_seconds(since_us))}
        return Snapshot(
            asked_us=asked_us,
            as_of_us=as_of_us,
            orders=tuple(orders.values()),
            fills=await self.fills(since_us),
            positions=tuple(positions),
            balance=balance.available,
            settlements=tuple(each for each in map(_settlement, paid) if each is not None),
        )

    async def fills(self, since_us: int) -> tuple[Fill, ...]:
        """Every fill since then, oldest first."""
        received_us = self._wall_us
        found = [
            _fill(fill, received_us())
            async for page in self._rest().fills(min_ts=_seconds(since_us), limit=PAGE)
            for fill in page
            if fill.subaccount == 0
        ]
        return tuple(sorted({fill.trade_id: fill for fill in found}.values(), key=lambda fill: fill.at_us))

    async def _orders(self, **filters: str) -> list[UserOrder]:
        return [
            _order(order, self._wall_us())
            async for page in self._rest().orders(limit=PAGE, **filters)
            for order in page
            if order.subaccount == 0
        ]


def _seconds(since_us: int) -> str:
    """A second before, so that no clock's rounding cuts anything off."""
    return str(max(0, since_us // 1_000_000 - 1))


def _order(order: rest_account.Order, received_us: int) -> UserOrder:
    return UserOrder(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        ticker=order.ticker,
        status=order.status,
        is_yes=order.book_side == BID,
        yes_price=order.price,
        initial=order.initial,
        filled=order.filled,
        remaining=order.remaining,
        taker_cost=order.taker_cost,
        maker_cost=order.maker_cost,
        taker_fees=order.taker_fees,
        maker_fees=order.maker_fees,
        order_group_id=order.order_group_id,
        self_trade_prevention=None,
        reason=None,
        exchange_index=order.exchange_index,
        subaccount=order.subaccount,
        created_us=order.created_us,
        expires_us=order.expires_us,
        at_us=order.updated_us,
        received_us=received_us,
    )


def _settlement(paid: rest_holdings.Settlement) -> Settlement | None:
    """What one YES contract paid; None where the venue's figures do not say it exactly.

    A scalar value comes in cents, cut off; exact is what was paid, which is cut off as well, together with its fee.
    """
    if paid.result in WHOLE_VALUES:
        return Settlement(paid.ticker, WHOLE_VALUES[paid.result], paid.settled_us)
    net = paid.yes_count - paid.no_count
    if paid.value is None or not net:
        return None
    value, rest = divmod(paid.revenue + paid.fee - paid.no_count * DOLLAR, net)
    if rest or not 0 <= value - paid.value // MONEY_PER_PRICE < CENT:
        log.info("a settlement that does not add up", ticker=paid.ticker, result=paid.result)
        return None
    return Settlement(paid.ticker, Price(value), paid.settled_us)


def _fill(fill: rest_account.Fill, received_us: int) -> Fill:
    return Fill(
        trade_id=fill.fill_id,
        order_id=fill.order_id,
        client_order_id=None,
        ticker=fill.ticker,
        is_yes=fill.book_side == BID,
        is_taker=fill.is_taker,
        yes_price=fill.price,
        count=fill.count,
        fee=fill.fee,
        position=None,
        exchange_index=fill.exchange_index,
        subaccount=fill.subaccount,
        at_us=received_us if fill.created_us is None else fill.created_us,
        received_us=received_us,
    )
