"""The writing half of REST: V2 orders, batches, order groups; and the 410 of what went before.

Strings only for prices and counts. Items of a batch succeed or fail alone, but are paid for and decoded together.
Units: prices 1e-4 dollar, counts 0.01 contract, money 1e-6 dollar. Source: Kalshi's OpenAPI document 3.34.0; captures.
Never: an order kept here; the desk is the one writer.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from traderv3.domain.matching import SelfTrade
from traderv3.domain.orders import TimeInForce
from traderv3.domain.units import CONTRACT, UnitError, format_money, format_price, format_qty, parse_price, parse_qty
from traderv3.exchange import member_wire
from traderv3.exchange.rate_limits import Budget
from traderv3.exchange.records import Amendment, NewOrder, OrderRecord, Rejected
from traderv3.exchange.rest_request import (
    BOOL,
    INTEGER,
    STRING,
    SUBACCOUNT_MAX,
    Body,
    Call,
    Refusal,
    Route,
    invalid,
    read_body,
    read_list,
    rejection,
    required,
    subaccount,
)

if TYPE_CHECKING:
    from traderv3.exchange.desk import Desk
    from traderv3.exchange.replica import Replica

BATCH_MAX: Final = 1_000  # the venue's scales with the tier; a bill beyond the bucket is refused before this
CANCEL_COST: Final = 2
SECOND_US: Final = 1_000_000

_CREATE: Final = {
    "ticker": required(STRING),
    "side": required(STRING),
    "count": required(STRING),
    "price": required(STRING),
    "time_in_force": required(STRING),
    "self_trade_prevention_type": required(STRING),
    "client_order_id": STRING,
    "expiration_time": INTEGER,
    "post_only": BOOL,
    "cancel_order_on_pause": BOOL,
    "reduce_only": BOOL,
    "subaccount": INTEGER,
    "order_group_id": STRING,
    "exchange_index": INTEGER,
}
_AMEND: Final = {
    "ticker": required(STRING),
    "side": required(STRING),
    "price": required(STRING),
    "count": required(STRING),
    "client_order_id": STRING,
    "updated_client_order_id": STRING,
    "expiration_time": INTEGER,
    "exchange_index": INTEGER,
}
_DECREASE: Final = {"reduce_by": STRING, "reduce_to": STRING, "exchange_index": INTEGER, "market_ticker": STRING}
_CANCEL: Final = {
    "order_id": required(STRING),
    "subaccount": INTEGER,
    "exchange_index": INTEGER,
    "market_ticker": STRING,
}
_GROUP: Final = {
    "subaccount": INTEGER,
    "contracts_limit": INTEGER,
    "contracts_limit_fp": STRING,
    "exchange_index": INTEGER,
}
_SIDES: Final = {"bid": True, "ask": False}
_V1: Final = (
    ("POST", "portfolio/orders"),
    ("DELETE", "portfolio/orders/{order_id}"),
    ("POST", "portfolio/orders/{order_id}/amend"),
    ("POST", "portfolio/orders/{order_id}/decrease"),
    ("POST", "portfolio/orders/batched"),
    ("DELETE", "portfolio/orders/batched"),
)


class OrderRoutes:
    """Reads requests, asks the desk, prints what it did."""

    def __init__(self, desk: "Desk", replica: "Replica") -> None:
        self._desk = desk
        self._replica = replica

    def routes(self) -> list[Route]:
        """This part of the router's table."""
        orders, groups = "portfolio/events/orders", "portfolio/order_groups"
        group = f"{groups}/{{order_group_id}}"

        def write(method: str, path: str, handler: Callable[[Call], Any], status: int = 200, **more: Any) -> Route:
            return Route(method, path, handler, is_private=True, status=status, budget=Budget.WRITE, **more)

        return [
            write("POST", orders, self._create, 201),
            write("DELETE", orders, self._cancel_all, 204, cost=CANCEL_COST),
            write("POST", f"{orders}/batched", self._create_batch, 201, is_batch=True),
            write("DELETE", f"{orders}/batched", self._cancel_batch, cost=CANCEL_COST, is_batch=True),
            write("DELETE", f"{orders}/{{order_id}}", self._cancel, cost=CANCEL_COST),
            write("POST", f"{orders}/{{order_id}}/amend", self._amend),
            write("POST", f"{orders}/{{order_id}}/decrease", self._decrease),
            *(write(method, path, _deprecated) for method, path in _V1),
            write("POST", f"{groups}/create", self._create_group, 201),
            write("DELETE", group, _group_verb(self._desk.delete_group)),
            write("PUT", f"{group}/reset", _group_verb(self._desk.reset_group)),
            write("PUT", f"{group}/trigger", _group_verb(self._desk.trigger_group)),
            write("PUT", f"{group}/limit", self._set_group_limit),
        ]

    # -- single orders ---------------------------------------------------------------------------------------------

    def _create(self, call: Call) -> Any:
        body = read_body(call.body, "CreateOrderV2Request", _CREATE)
        return created_object(self._desk.create(call.user_id, _new_order(body)))

    def _cancel(self, call: Call) -> Any:
        return self._cancelled(call.user_id, call.names[0], subaccount(call.query, "CancelOrderV2") or 0)

    def _cancel_all(self, call: Call) -> None:
        self._desk.cancel_all(call.user_id, subaccount=subaccount(call.query, "CancelAllOrdersV2"))

    def _amend(self, call: Call) -> Any:
        order_id = call.names[0]
        body = read_body(call.body, "AmendOrderV2Request", _AMEND)
        before = self._replica.latest_order(call.user_id, order_id)
        numbered = subaccount(call.query, "AmendOrderV2") or 0
        after = self._desk.amend(call.user_id, order_id, _amendment(body), subaccount=numbered)
        return amended_object(before or after, after)

    def _decrease(self, call: Call) -> Any:
        body = read_body(call.body, "DecreaseOrderV2Request", _DECREASE)
        if ("reduce_by" in body) == ("reduce_to" in body):
            raise invalid("DecreaseOrderV2Request: exactly one of reduce_by and reduce_to is required")
        by, to = (_count(body[name]) if name in body else None for name in ("reduce_by", "reduce_to"))
        numbered = subaccount(call.query, "DecreaseOrderV2") or 0
        order = self._desk.decrease(call.user_id, call.names[0], by=by, to=to, subaccount=numbered)
        return _named(order) | {
            "remaining_count": format_qty(order.remaining),
            "ts_ms": order.updated_us // 1000,
        }

    def _cancelled(self, user_id: str, order_id: str, numbered: int) -> Body:
        order, reduced_by = self._desk.cancel(user_id, order_id, subaccount=numbered)
        return _named(order) | {"reduced_by": format_qty(reduced_by), "ts_ms": order.updated_us // 1000}

    # -- batches ---------------------------------------------------------------------------------------------------

    def _create_batch(self, call: Call) -> Any:
        bodies = read_list(call.body, "BatchCreateOrdersV2Request", _CREATE, most=BATCH_MAX)
        call.charge(len(bodies))
        nothing = dict.fromkeys(("fill_count", "remaining_count", "ts_ms"))
        items = []
        for body in bodies:
            try:
                items.append(created_object(self._desk.create(call.user_id, _new_order(body))))
            except (Rejected, Refusal) as refusal:
                named = {"order_id": "", "client_order_id": body.get("client_order_id")}
                items.append(named | nothing | {"error": error_object(refusal)})
        return {"orders": items}

    def _cancel_batch(self, call: Call) -> Any:
        bodies = read_list(call.body, "BatchCancelOrdersV2Request", _CANCEL, most=BATCH_MAX)
        call.charge(len(bodies))
        items = []
        for body in bodies:
            try:
                items.append(self._cancelled(call.user_id, body["order_id"], _numbered(body)))
            except (Rejected, Refusal) as refusal:
                failed = {"order_id": body["order_id"], "client_order_id": None, "reduced_by": "0.00", "ts_ms": None}
                items.append(failed | {"error": error_object(refusal)})
        return {"orders": items}

    # -- groups ----------------------------------------------------------------------------------------------------

    def _create_group(self, call: Call) -> Any:
        body = read_body(call.body, "CreateOrderGroupRequest", _GROUP)
        group = self._desk.create_group(call.user_id, _limit(body), _numbered(body))
        return {
            "order_group_id": group.group_id,
            "subaccount": group.subaccount,
            "exchange_index": member_wire.SHARD,
        }

    def _set_group_limit(self, call: Call) -> Any:
        body = read_body(call.body, "UpdateOrderGroupLimitRequest", _GROUP)
        self._desk.set_group_limit(call.user_id, call.names[0], _limit(body))
        return {}


def _group_verb(verb: Callable[[str, str], object]) -> Callable[[Call], Any]:
    def act(call: Call) -> Any:
        verb(call.user_id, call.names[0])
        return {}

    return act


def _deprecated(_: Call) -> Any:
    raise rejection(410, "deprecated_v1_order_endpoint", "use /portfolio/events/orders")


# -- what is asked -------------------------------------------------------------------------------------------------


def _new_order(body: Body) -> NewOrder:
    expires_s = body.get("expiration_time")
    return NewOrder(
        ticker=body["ticker"],
        is_bid=_side(body["side"]),
        price=_price(body["price"]),
        count=_count(body["count"]),
        time_in_force=_one_of(TimeInForce, body, "time_in_force"),
        self_trade=_one_of(SelfTrade, body, "self_trade_prevention_type"),
        client_order_id=body.get("client_order_id") or None,
        expires_us=None if expires_s is None else expires_s * SECOND_US,
        is_post_only=body.get("post_only", False),
        is_reduce_only=body.get("reduce_only", False),
        is_cancelled_on_pause=body.get("cancel_order_on_pause", False),
        group_id=body.get("order_group_id") or None,
        subaccount=_numbered(body),
    )


def _amendment(body: Body) -> Amendment:
    expires_s = body.get("expiration_time")
    return Amendment(
        ticker=body["ticker"],
        is_bid=_side(body["side"]),
        price=_price(body["price"]),
        count=_count(body["count"]),
        client_order_id=body.get("client_order_id") or None,
        updated_client_order_id=body.get("updated_client_order_id") or None,
        expires_us=None if expires_s is None else expires_s * SECOND_US,
    )


def _side(text: str) -> bool:
    if text not in _SIDES:
        raise rejection(400, "invalid_parameters", details="side must be bid or ask")
    return _SIDES[text]


def _price(text: str) -> int:
    try:
        return parse_price(text)
    except UnitError as cause:
        raise rejection(400, "invalid_price", details=str(cause)) from None


def _count(text: str) -> int:
    try:
        return parse_qty(text)
    except UnitError as cause:
        raise rejection(400, "invalid_order_size", details=str(cause)) from None


def _one_of(kind: Any, body: Body, name: str) -> Any:
    try:
        return kind(body[name])
    except ValueError:
        words = ", ".join(kind)
        raise rejection(400, "invalid_parameters", details=f"{name} must be one of {words}") from None


def _numbered(body: Body) -> int:
    given: int = body.get("subaccount", 0)
    if not 0 <= given <= SUBACCOUNT_MAX:
        raise rejection(400, "invalid_parameters", details=f"subaccount must lie between 0 and {SUBACCOUNT_MAX}")
    return given


def _limit(body: Body) -> int:
    """A group's limit, in either of its two spellings or both alike; what is out of range the desk refuses."""
    limits = {body["contracts_limit"] * CONTRACT} if "contracts_limit" in body else set()
    if "contracts_limit_fp" in body:
        limits.add(_count(body["contracts_limit_fp"]))
    if len(limits) != 1:
        raise invalid("order group: contracts_limit or contracts_limit_fp is required; both must match")
    limit: int = limits.pop()
    return limit


# -- what is answered ----------------------------------------------------------------------------------------------


def _named(order: OrderRecord) -> Body:
    """The ids of an order; the member's own only where it gave one."""
    own = {"client_order_id": order.client_order_id} if order.client_order_id else {}
    return {"order_id": order.order_id, **own}


def created_object(order: OrderRecord) -> Body:
    """The flat answer to a create. For IOC, `remaining` is what is left after the rest was cancelled: nothing."""
    body = _named(order) | {
        "fill_count": format_qty(order.filled),
        "remaining_count": format_qty(order.remaining),
        "ts_ms": order.created_us // 1000,
    }
    return body | averages(order.filled, order.taker_cost, order.taker_fees)


def amended_object(before: OrderRecord, after: OrderRecord) -> Body:
    """The answer to an amend: counts only where something filled or the resting size changed."""
    body = _named(after) | {"ts_ms": after.updated_us // 1000}
    filled = after.filled - before.filled
    if filled or after.remaining != before.remaining:
        body["remaining_count"] = format_qty(after.remaining)
        body["fill_count"] = format_qty(filled)
        body |= averages(filled, after.taker_cost - before.taker_cost, after.taker_fees - before.taker_fees)
    return body


def averages(filled: int, cost: int, fees: int) -> Body:
    """Price and fee of one contract, rounded half up; nothing where nothing filled."""
    if not filled:
        return {}
    return {
        "average_fill_price": format_price((2 * cost + filled) // (2 * filled)),
        "average_fee_paid": format_money((2 * fees * CONTRACT + filled) // (2 * filled)),
    }


def error_object(refusal: Rejected | Refusal) -> Body:
    """The `error` of a batch's item."""
    if isinstance(refusal, Refusal):
        error: Body = refusal.body.get("error", refusal.body)
        return error
    error = {"code": refusal.code, "message": refusal.message}
    if refusal.details is not None:
        error["details"] = refusal.details
    return error
