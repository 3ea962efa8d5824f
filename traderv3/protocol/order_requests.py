"""The writing half of the venue's REST interface without I/O: orders and order groups as requests, their answers as outcomes.

An outcome is `Rejected` only where the venue's answer says that nothing was done and can mean nothing else. A 404 to a cancel, an
amend or a decrease is the same for a cancelled, a filled and an unknown order; an id that exists already may be our own
first try: both are `Unknown`, as is every 5xx, every redirect and every answer that cannot be read whole.
Units: prices 1e-4 dollar, counts 0.01 contract, TTLs seconds; on the wire strings, always YES prices.
Source: Kalshi's OpenAPI document 3.34.0 (V2 orders, order groups); behaviour as captured (kalshi-protocol, 6.3 to 6.6).
Never: a market order (V2 has none), a price or count as a JSON number.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec

from traderv3.domain.execution import (
    Accepted,
    Amend,
    Cancel,
    CancelAll,
    Create,
    Decrease,
    Outcome,
    Rejected,
    Request,
    Unknown,
)
from traderv3.domain.orders import NOTHING, TimeInForce
from traderv3.domain.units import Qty, format_price, format_qty, parse_qty
from traderv3.protocol.rest import error_text, reader
from traderv3.protocol.wire import UNDECODABLE

_R = TypeVar("_R", bound=Request)

ORDERS: Final = "/portfolio/events/orders"
GROUPS: Final = "/portfolio/order_groups"
SELF_TRADE: Final = "taker_at_cross"  # what meets an order of ours goes no further, and that order stays
TOO_MANY: Final = "too_many_requests"

_EXISTS: Final = "order_already_exists"
_NOT_FOUND: Final = "not_found"
# In a batch an item has a word of the venue and no status: these say that nothing was done.
_REFUSALS: Final = (
    "invalid_order",
    "invalid_price",
    "invalid_order_size",
    "insufficient_balance",
    "available_balance_too_low",
    "order_id_and_client_order_id_mismatch",
    "order_side_mismatch",
    "order_ticker_mismatch",
    "invalid_parameters",
    "bad_request",
    "MARKET_INACTIVE",
    "market_not_found",
    "forbidden",
    "fill_or_kill_insufficient_resting_volume",
    "trading_is_paused",
    "exchange_is_paused",
    TOO_MANY,
)
_TIMED_OUT: Final = 408


@dataclass(frozen=True, slots=True)
class Asking:
    """One request as it goes on the wire. `route` is the path behind the API's base; `items` is what a batch pays for."""

    method: str
    route: str
    body: bytes = b""
    query: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    items: int = 1


# -- what is asked -------------------------------------------------------------------------------------------------


def askings(
    requests: Sequence[Request],
    group_of: Callable[[str], str | None],
    *,
    now_us: int,
    creates_max: int,
    cancels_max: int,
) -> list[tuple[Sequence[Request], Asking]]:
    """What carries these requests, each with those it carries: creates and cancels in batches, all else one by one."""
    creates = [request for request in requests if isinstance(request, Create)]
    cancels = [request for request in requests if isinstance(request, Cancel)]
    found: list[tuple[Sequence[Request], Asking]] = []
    found += [(part, create_orders(part, group_of, now_us=now_us)) for part in _chunks(creates, creates_max)]
    found += [(part, cancel_orders(part)) for part in _chunks(cancels, cancels_max)]
    for request in requests:
        match request:
            case Amend():
                found.append(([request], amend_order(request)))
            case Decrease():
                found.append(([request], decrease_order(request)))
            case CancelAll():
                found.append(([request], cancel_all()))
            case _:
                pass
    return found


def create_orders(creates: Sequence[Create], group_of: Callable[[str], str | None], *, now_us: int) -> Asking:
    """New orders, one or a batch. `group_of` names the order group for a ticker; `now_us` is the venue's time."""
    assert creates
    bodies = [_new_order(create, group_of(create.order.wanted.ticker), now_us) for create in creates]
    if len(bodies) == 1:
        return Asking("POST", ORDERS, _encode(bodies[0]))
    return Asking("POST", f"{ORDERS}/batched", _encode({"orders": bodies}), items=len(bodies))


def cancel_orders(cancels: Sequence[Cancel]) -> Asking:
    """The end of these orders, one or a batch. The ticker leads the request to the right shard."""
    assert cancels
    if len(cancels) == 1:
        return Asking("DELETE", f"{ORDERS}/{_part(cancels[0].order_id)}", query={"market_ticker": cancels[0].ticker})
    orders = [{"order_id": cancel.order_id, "market_ticker": cancel.ticker} for cancel in cancels]
    return Asking("DELETE", f"{ORDERS}/batched", _encode({"orders": orders}), items=len(orders))


def cancel_all() -> Asking:
    """The end of every order of the account."""
    return Asking("DELETE", ORDERS)


def amend_order(amend: Amend) -> Asking:
    """Another price or more size, to the back of the queue."""
    body = {
        "ticker": amend.ticker,
        "side": _side(amend.is_bid),
        "price": format_price(amend.change.wanted.price),
        "count": format_qty(amend.count),
    }
    return Asking("POST", f"{ORDERS}/{_part(amend.order_id)}/amend", _encode(body))


def decrease_order(decrease: Decrease) -> Asking:
    """Less size, in the same place of the queue."""
    body = {"reduce_to": format_qty(decrease.to), "market_ticker": decrease.ticker}
    return Asking("POST", f"{ORDERS}/{_part(decrease.order_id)}/decrease", _encode(body))


def create_group(limit: Qty, shard: int) -> Asking:
    """An order group of which `limit` may fill within 15 s before the venue cancels all of it."""
    return Asking(
        "POST", f"{GROUPS}/create", _encode({"contracts_limit_fp": format_qty(limit), "exchange_index": shard})
    )


def limit_group(group_id: str, limit: Qty, shard: int) -> Asking:
    """Another limit; with the one it has, a question whether the venue has the group (404: no)."""
    body = _encode({"contracts_limit_fp": format_qty(limit)})
    return Asking("PUT", f"{GROUPS}/{_part(group_id)}/limit", body, {"exchange_index": str(shard)})


def trigger_group(group_id: str, shard: int) -> Asking:
    """Cancel the group's orders and refuse new ones."""
    return Asking("PUT", f"{GROUPS}/{_part(group_id)}/trigger", b"{}", {"exchange_index": str(shard)})


def delete_group(group_id: str, shard: int) -> Asking:
    """Cancel the group's orders and forget it; an order that names it later is refused."""
    return Asking("DELETE", f"{GROUPS}/{_part(group_id)}", query={"exchange_index": str(shard)})


def _new_order(create: Create, group_id: str | None, now_us: int) -> dict[str, object]:
    draft = create.order.wanted
    body: dict[str, object] = {
        "ticker": draft.ticker,
        "client_order_id": create.client_order_id,
        "side": _side(draft.is_bid),
        "count": format_qty(draft.count),
        "price": format_price(draft.price),
        "time_in_force": draft.time_in_force.value,
        "self_trade_prevention_type": SELF_TRADE,
    }
    if draft.time_in_force is TimeInForce.GTC:
        body["cancel_order_on_pause"] = True  # after a pause the old price is nobody's wish any more
        if draft.ttl_s is not None:
            body["expiration_time"] = math.ceil(now_us / 1e6 + draft.ttl_s) + 1  # ours comes first, the venue's at last
    if draft.is_post_only:
        body["post_only"] = True
    if draft.is_reduce_only:
        body["reduce_only"] = True
    if group_id is not None:
        body["order_group_id"] = group_id
    return body


def _chunks(requests: Sequence[_R], most: int) -> list[Sequence[_R]]:
    return [requests[at : at + most] for at in range(0, len(requests), most)]


def _part(text: str) -> str:
    """One segment of a path."""
    return quote(text, safe="")


def _side(is_bid: bool) -> str:
    return "bid" if is_bid else "ask"


_encode: Final = msgspec.json.Encoder().encode


# -- what is answered ----------------------------------------------------------------------------------------------


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""
    details: str | None = None


class _Item(msgspec.Struct):
    """The answer to one create, cancel, amend or decrease, alone or in a batch; which members are there tells which."""

    order_id: str | None = None
    client_order_id: str | None = None
    fill_count: str | None = None
    remaining_count: str | None = None
    reduced_by: str | None = None
    ts_ms: int | None = None
    error: _Error | None = None


class _Items(msgspec.Struct):
    orders: list[_Item]


class _Group(msgspec.Struct):
    order_group_id: str


_ITEM: Final = msgspec.json.Decoder(_Item)
_ITEMS: Final = msgspec.json.Decoder(_Items)
read_group: Final = reader(_Group, lambda group: group.order_group_id)


def judge(requests: Sequence[Request], status: int, body: bytes) -> list[Outcome]:
    """What became of each of `requests`, which went in one request, by its answer. Raises nothing."""
    assert requests
    if status not in (200, 201, 204):
        return [_refused(request, status, body) for request in requests]
    if isinstance(requests[0], CancelAll):
        return [Accepted("", None, None, 0)]
    try:
        items = _ITEMS.decode(body).orders if len(requests) > 1 else [_ITEM.decode(body)]
    except UNDECODABLE as exc:
        return [Unknown(f"the answer cannot be read: {str(exc)[:200]}")] * len(requests)
    if len(items) != len(requests):
        return [Unknown(f"{len(requests)} were asked for and {len(items)} answered")] * len(requests)
    return [_outcome(request, item) for request, item in zip(requests, items, strict=True)]


def _refused(request: Request, status: int, body: bytes) -> Outcome:
    code, sentence = error_text(body)
    why = f"HTTP {status}: {sentence}"
    is_no = 400 <= status < 500 and status != _TIMED_OUT
    is_own_echo = isinstance(request, Create) and code == _EXISTS
    is_lost_order = not isinstance(request, Create) and status == 404
    if not is_no or is_own_echo or is_lost_order:
        return Unknown(why)
    return Rejected(code or (TOO_MANY if status == 429 else str(status)), why)


def _outcome(request: Request, item: _Item) -> Outcome:
    """What one item says. Everything that is not said whole and exactly is not known."""
    if item.error is not None:
        return _item_refused(request, item.error)
    wanted = None if isinstance(request, Create | CancelAll) else request.order_id
    client_order_id = request.client_order_id if isinstance(request, Create) else None
    is_another = wanted is not None and item.order_id != wanted
    is_anothers = client_order_id is not None and item.client_order_id not in (None, client_order_id)
    if not item.order_id or item.ts_ms is None or is_another or is_anothers:
        return Unknown("the answer is not about this order")
    try:
        filled, remaining = _counts(request, item)
        cancelled = _count(item.reduced_by) if isinstance(request, Cancel) else None
    except (TypeError, ValueError) as exc:
        return Unknown(f"the answer cannot be read: {exc}")
    return Accepted(item.order_id, filled, remaining, item.ts_ms * 1000, cancelled)


def _counts(request: Request, item: _Item) -> tuple[Qty | None, Qty | None]:
    """What is filled and what rests; None where the answer does not say. Raises `ValueError`, `TypeError`."""
    match request:
        case Create():
            return _count(item.fill_count), _count(item.remaining_count)
        case Cancel():
            return None, NOTHING
        case Decrease():
            return None, _count(item.remaining_count)
        case _:  # of an amend `fill_count` is what the amend itself filled, and both are absent where nothing changed
            return None, None if item.remaining_count is None else _count(item.remaining_count)


def _count(text: str | None) -> Qty:
    if text is None:
        raise TypeError("a count is missing")
    count = parse_qty(text)
    if count < 0:
        msg = f"a count of {text[:40]}"
        raise ValueError(msg)
    return count


def _item_refused(request: Request, error: _Error) -> Outcome:
    why = " ".join(part for part in (error.message or error.code, error.details) if part)
    # An id may be glued on: the longest word that it begins with is meant.
    code = max((known for known in _REFUSALS if error.code.startswith(known)), key=len, default=None)
    if code is None and isinstance(request, Create) and error.code == _NOT_FOUND:
        code = _NOT_FOUND  # its market or its group
    return Unknown(f"{error.code}: {why}") if code is None else Rejected(code, why)
