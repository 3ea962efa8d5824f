"""The reading half of REST: orders, fills, positions, settlements, balance, order groups, queue positions.

Everything but queue positions comes from the read replica and is as old as that is. Newest first.
Units: as in `records` on the way in; strings on the wire, except the venue's whole cents (`balance`, `revenue`, `value`).
Source: Kalshi's OpenAPI document 3.34.0; captures of June 2026. Never: a change of anything.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from traderv3.domain.units import DOLLAR, format_money, format_price, format_qty
from traderv3.exchange.member_wire import SHARD, action, direction
from traderv3.exchange.rate_limits import Budget
from traderv3.exchange.records import (
    BalanceRecord,
    FillRecord,
    GroupRecord,
    OrderRecord,
    OrderStatus,
    PositionRecord,
    SettlementRecord,
)
from traderv3.exchange.rest_request import (
    Body,
    Call,
    Refusal,
    Route,
    invalid,
    limit,
    moment,
    names,
    not_found,
    page,
    subaccount,
    times_us,
)

if TYPE_CHECKING:
    from traderv3.exchange.desk import Desk
    from traderv3.exchange.floor import Floor
    from traderv3.exchange.replica import Portfolio, Replica

ORDER_COST: Final = 2  # of reading a single order
CENT: Final = 10_000  # money
COUNT_FILTERS: Final = frozenset({"position", "total_traded"})
ORDER_STATUSES: Final = frozenset(OrderStatus)
SETTLEMENT_STATUSES: Final = ("unsettled", "settled", "all")

_Item = TypeVar("_Item")


class PortfolioRoutes:
    """Answers from the read replica."""

    def __init__(self, desk: "Desk", floor: "Floor", replica: "Replica", *, now_us: Callable[[], int]) -> None:
        self._desk = desk
        self._floor = floor
        self._replica = replica
        self._now_us = now_us

    def routes(self) -> list[Route]:
        """This part of the router's table."""

        def read(path: str, handler: Callable[[Call], Any], **more: Any) -> Route:
            return Route("GET", f"portfolio/{path}", handler, is_private=True, **more)

        return [
            read("orders", self._orders),
            read("orders/queue_positions", self._queue_positions),
            read("orders/{order_id}", self._order, cost=ORDER_COST),
            read("orders/{order_id}/queue_position", self._queue_position),
            read("fills", self._fills),
            read("positions", self._positions),
            read("settlements", self._settlements),
            read("balance", self._balance, budget=Budget.BALANCE),
            read("subaccounts/balances", self._balances),
            read("summary/total_resting_order_value", self._resting_value),
            read("order_groups", self._groups),
            read("order_groups/{order_group_id}", self._group),
            Route("GET", "historical/orders", lambda _: {"orders": [], "cursor": ""}, is_private=True),
            Route("GET", "historical/fills", lambda _: {"fills": [], "cursor": ""}, is_private=True),
        ]

    # -- orders ----------------------------------------------------------------------------------------------------

    def _orders(self, call: Call) -> Any:
        query, named = call.query, "GetOrders"
        status = query.get("status", "")
        if status and status not in ORDER_STATUSES:
            raise Refusal(400, {"code": "invalid_status_filter", "message": "invalid status filter"})
        first_us, last_us = times_us(query, named)
        orders = [
            order
            for order in self._chosen(call, named, lambda portfolio: portfolio.orders.values())
            if (not status or order.status == status) and first_us <= order.created_us <= last_us
        ]
        taken, cursor = page(reversed(orders), lambda order: order.order_id, limit(query, named), query)
        return {"orders": [order_object(order) for order in taken], "cursor": cursor}

    def _order(self, call: Call) -> Any:
        order = self._portfolio(call).orders.get(call.names[0])
        if order is None:
            raise not_found()
        return {"order": order_object(order)}

    def _queue_position(self, call: Call) -> Any:
        return {"queue_position_fp": format_qty(self._desk.queue_position(call.user_id, call.names[0]))}

    def _queue_positions(self, call: Call) -> Any:
        tickers = names(call.query, "market_tickers")
        ahead: dict[str, dict[str, int]] = {}
        positions = []
        for order in self._chosen(call, "GetOrderQueuePositions", lambda portfolio: portfolio.orders.values()):
            if order.status is OrderStatus.RESTING and (tickers is None or order.ticker in tickers):
                if order.ticker not in ahead:
                    ahead[order.ticker] = self._desk.queue_positions(call.user_id, order.ticker)
                if order.order_id in ahead[order.ticker]:  # else gone meanwhile: the replica is older than the desk
                    position = {"order_id": order.order_id, "market_ticker": order.ticker}
                    positions.append(position | {"queue_position_fp": format_qty(ahead[order.ticker][order.order_id])})
        return {"queue_positions": positions}

    # -- fills, positions, settlements -----------------------------------------------------------------------------

    def _fills(self, call: Call) -> Any:
        query, named = call.query, "GetFills"
        order_id = query.get("order_id")
        first_us, last_us = times_us(query, named)
        fills = [
            fill
            for fill in self._chosen(call, named, lambda portfolio: portfolio.fills)
            if (not order_id or fill.order_id == order_id) and first_us <= fill.at_us <= last_us
        ]
        taken, cursor = page(reversed(fills), lambda fill: fill.trade_id, limit(query, named), query)
        return {"fills": [fill_object(fill) for fill in taken], "cursor": cursor}

    def _positions(self, call: Call) -> Any:
        query, named = call.query, "GetPositions"
        wanted = query.get("settlement_status") or "unsettled"
        if wanted not in SETTLEMENT_STATUSES:
            raise invalid(f"{named}: settlement_status must be one of {', '.join(SETTLEMENT_STATUSES)}")
        nonzero = names(query, "count_filter") or set()
        if not nonzero <= COUNT_FILTERS:
            raise invalid(f"{named}: count_filter may name {', '.join(sorted(COUNT_FILTERS))}")
        settled = self._portfolio(call).settled
        positions = [
            position
            for position in self._chosen(call, named, lambda portfolio: portfolio.positions.values(), numbered=0)
            if wanted in ("all", "settled" if (position.subaccount, position.ticker) in settled else "unsettled")
            and (not nonzero or ("position" in nonzero and position.position) or _has_traded(nonzero, position))
        ]
        taken, cursor = page(positions, lambda position: position.ticker, limit(query, named), query)
        return {
            "market_positions": [position_object(position) for position in taken],
            "event_positions": self._event_positions(taken),
            "cursor": cursor,
        }

    def _event_positions(self, positions: Iterable[PositionRecord]) -> list[Body]:
        by_event: dict[str, list[PositionRecord]] = {}
        for position in positions:
            by_event.setdefault(self._event_of(position.ticker), []).append(position)
        return [event_position_object(ticker, held) for ticker, held in by_event.items()]

    def _settlements(self, call: Call) -> Any:
        query, named = call.query, "GetSettlements"
        first_us, last_us = times_us(query, named)
        settlements = [
            settlement
            for settlement in self._chosen(call, named, lambda portfolio: portfolio.settlements)
            if first_us <= settlement.at_us <= last_us
        ]
        size = limit(query, named)
        taken, cursor = page(reversed(settlements), lambda each: f"{each.subaccount}:{each.ticker}", size, query)
        return {"settlements": [settlement_object(settlement) for settlement in taken], "cursor": cursor}

    # -- money -----------------------------------------------------------------------------------------------------

    def _balance(self, call: Call) -> Any:
        numbered = subaccount(call.query, "GetBalance") or 0
        balance = self._portfolio(call).balances.get(numbered)
        return balance_object(balance or BalanceRecord(user_id=call.user_id, subaccount=numbered, **_NO_MONEY))

    def _balances(self, call: Call) -> Any:
        balances = [
            {
                "subaccount_number": balance.subaccount,
                "exchange_index": SHARD,
                "balance": dollars(balance.balance),
                "updated_ts": balance.at_us // 1_000_000,
            }
            for balance in self._portfolio(call).balances.values()
        ]
        return {"subaccount_balances": balances}

    def _resting_value(self, call: Call) -> Any:
        resting = [order for order in self._portfolio(call).orders.values() if order.status is OrderStatus.RESTING]
        value = sum((order.price if order.is_bid else DOLLAR - order.price) * order.remaining for order in resting)
        breakdown = [{"exchange_index": SHARD, "balance": dollars(value)}]
        return {"total_resting_order_value": value // CENT, "resting_order_value_breakdown": breakdown}

    # -- groups ----------------------------------------------------------------------------------------------------

    def _groups(self, call: Call) -> Any:
        numbered = subaccount(call.query, "GetOrderGroups")
        groups = self._portfolio(call).groups.values()
        wanted = [group for group in groups if numbered is None or group.subaccount == numbered]
        return {"order_groups": [{"id": group.group_id, **group_object(group)} for group in wanted]}

    def _group(self, call: Call) -> Any:
        group = self._portfolio(call).groups.get(call.names[0])
        if group is None:
            raise not_found()
        return group_object(group) | {"orders": list(group.order_ids)}

    # -- parts -----------------------------------------------------------------------------------------------------

    def _portfolio(self, call: Call) -> "Portfolio":
        return self._replica.portfolio(call.user_id, now_us=self._now_us())

    def _chosen(
        self, call: Call, named: str, of: Callable[["Portfolio"], Iterable[_Item]], *, numbered: int | None = None
    ) -> list[_Item]:
        """What the filters by market, event and subaccount leave; `numbered` is the subaccount if none is asked for."""
        query = call.query
        asked = subaccount(query, named)
        wanted = numbered if asked is None else asked
        ticker, events = query.get("ticker"), names(query, "event_ticker")
        return [
            item
            for item in of(self._portfolio(call))
            if (wanted is None or item.subaccount == wanted)  # type: ignore[attr-defined]  # every record has these two
            and (not ticker or item.ticker == ticker)  # type: ignore[attr-defined]
            and (events is None or self._event_of(item.ticker) in events)  # type: ignore[attr-defined]
        ]

    def _event_of(self, ticker: str) -> str:
        return self._floor.listings[ticker].market.event.ticker


def _has_traded(nonzero: set[str], position: PositionRecord) -> bool:
    return "total_traded" in nonzero and position.traded > 0


# -- bodies --------------------------------------------------------------------------------------------------------

_NO_MONEY: Final[dict[str, Any]] = {"balance": 0, "portfolio_value": 0, "at_us": 0}


def dollars(money: int) -> str:
    """Money with 4 decimals, or 6 where 4 do not hold it."""
    text = format_money(money)
    return text.removesuffix("00") if text.endswith("00") else text


def order_object(order: OrderRecord) -> Body:
    """One order as REST prints it."""
    return {
        "order_id": order.order_id,
        "user_id": order.user_id,
        "client_order_id": order.client_order_id,
        "ticker": order.ticker,
        **direction(order.is_bid),
        "side": "yes",  # deprecated; on an order, unlike on a fill, it goes with `action`: an ask is `sell` of `yes`
        "action": action(order.is_bid),
        "type": "limit",
        "status": order.status.value,
        "yes_price_dollars": format_price(order.price),
        "no_price_dollars": format_price(DOLLAR - order.price),
        "fill_count_fp": format_qty(order.filled),
        "remaining_count_fp": format_qty(order.remaining),
        "initial_count_fp": format_qty(order.initial_count),
        "taker_fill_cost_dollars": format_money(order.taker_cost),
        "maker_fill_cost_dollars": format_money(order.maker_cost),
        "taker_fees_dollars": format_money(order.taker_fees),
        "maker_fees_dollars": format_money(order.maker_fees),
        "expiration_time": None if order.expires_us is None else moment(order.expires_us),
        "created_time": moment(order.created_us),
        "last_update_time": moment(order.updated_us),
        "self_trade_prevention_type": order.self_trade.value,
        "order_group_id": order.group_id,
        "cancel_order_on_pause": order.is_cancelled_on_pause,
        "subaccount_number": order.subaccount,
        "exchange_index": SHARD,
    }


def fill_object(fill: FillRecord) -> Body:
    """One fill as REST prints it."""
    return {
        "fill_id": fill.trade_id,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "ticker": fill.ticker,
        "market_ticker": fill.ticker,
        "exchange_index": SHARD,
        **direction(fill.is_bid),
        "action": action(fill.is_bid),
        "count_fp": format_qty(fill.count),
        "yes_price_dollars": format_price(fill.price),
        "no_price_dollars": format_price(DOLLAR - fill.price),
        "is_taker": fill.is_taker,
        "fee_cost": format_money(fill.fee),
        "created_time": moment(fill.at_us),
        "ts": fill.at_us // 1_000_000,
        "subaccount_number": fill.subaccount,
    }


def position_object(position: PositionRecord) -> Body:
    """One market's position as REST prints it."""
    return {
        "ticker": position.ticker,
        "exchange_index": SHARD,
        "total_traded_dollars": format_money(position.traded),
        "position_fp": format_qty(position.position),
        "market_exposure_dollars": format_money(position.cost),
        "realized_pnl_dollars": format_money(position.realized_pnl),
        "fees_paid_dollars": format_money(position.fees_paid),
        "last_updated_ts": moment(position.updated_us),  # a time of day, despite its name
    }


def event_position_object(event_ticker: str, held: list[PositionRecord]) -> Body:
    """One event's positions together."""
    return {
        "event_ticker": event_ticker,
        "total_cost_dollars": format_money(sum(position.traded for position in held)),
        "total_cost_shares_fp": format_qty(sum(position.volume for position in held)),
        "event_exposure_dollars": format_money(sum(position.cost for position in held)),
        "realized_pnl_dollars": format_money(sum(position.realized_pnl for position in held)),
        "fees_paid_dollars": format_money(sum(position.fees_paid for position in held)),
    }


def settlement_object(settlement: SettlementRecord) -> Body:
    """One settlement as REST prints it; `revenue` and `value` in whole cents."""
    return {
        "ticker": settlement.ticker,
        "exchange_index": SHARD,
        "event_ticker": settlement.event_ticker,
        "market_result": settlement.result,
        "yes_count_fp": format_qty(settlement.yes_count),
        "yes_total_cost_dollars": format_money(settlement.yes_cost),
        "no_count_fp": format_qty(settlement.no_count),
        "no_total_cost_dollars": format_money(settlement.no_cost),
        "revenue": settlement.revenue // CENT,
        "value": settlement.value // (DOLLAR // 100),
        "fee_cost": format_money(settlement.fee),
        "settled_time": moment(settlement.at_us),
    }


def balance_object(balance: BalanceRecord) -> Body:
    """The balance; `balance` and `portfolio_value` are cents, truncated."""
    return {
        "balance": balance.balance // CENT,
        "balance_dollars": dollars(balance.balance),
        "portfolio_value": balance.portfolio_value // CENT,
        "updated_ts": balance.at_us // 1_000_000,
        "balance_breakdown": [{"exchange_index": SHARD, "balance": dollars(balance.balance)}],
    }


def group_object(group: GroupRecord) -> Body:
    """One order group; `is_auto_cancel_enabled` says that it is armed."""
    return {
        "is_auto_cancel_enabled": not group.is_triggered,
        "contracts_limit_fp": format_qty(group.limit),
        "exchange_index": SHARD,
    }
