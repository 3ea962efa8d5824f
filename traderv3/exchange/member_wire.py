"""The venue's private and lifecycle WebSocket messages: what is the same for every reader of one fact.

Units: as in `records` on the way in; strings with 4 (prices), 2 (counts) and 6 (money) decimals on the wire, times in
milliseconds, in seconds where the venue has seconds.
Source: Kalshi's AsyncAPI document, October 2026. Deprecated twins of fields are still sent, as the document says.
"""

from typing import Any, Final

from traderv3.domain.timestamps import rfc3339
from traderv3.domain.units import format_money, format_price, format_qty
from traderv3.exchange.market import Event
from traderv3.exchange.records import (
    Filled,
    FillRecord,
    GroupChanged,
    GroupEvent,
    MarketMoved,
    MemberFact,
    OrderChanged,
    OrderRecord,
    PositionChanged,
    PositionRecord,
)

SHARD: Final = 0  # every market of this exchange lives on the default shard
COMBO_PREFIX: Final = "KXMVE"
# A combo's lifecycle knows neither these events nor the grid in full.
_NOT_FOR_COMBOS: Final = frozenset({"metadata_updated", "price_level_structure_updated"})

Message = dict[str, Any]


def direction(is_bid: bool) -> Message:
    """The canonical direction, and the deprecated `side` as fills and `user_order` have it: the outcome."""
    outcome = "yes" if is_bid else "no"
    return {"outcome_side": outcome, "book_side": "bid" if is_bid else "ask", "side": outcome}


def action(is_bid: bool) -> str:
    """The deprecated verb, as an order by V2 reads back: an ask sells YES."""
    return "buy" if is_bid else "sell"


def fill_message(fill: FillRecord) -> Message:
    """The `msg` of a `fill`."""
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        **({"client_order_id": fill.client_order_id} if fill.client_order_id else {}),
        "market_ticker": fill.ticker,
        "exchange_index": SHARD,
        "is_taker": fill.is_taker,
        "yes_price_dollars": format_price(fill.price),
        "count_fp": format_qty(fill.count),
        "fee_cost": format_money(fill.fee),
        **direction(fill.is_bid),
        "action": action(fill.is_bid),
        "purchased_side": "yes" if fill.is_bid else "no",
        "post_position_fp": format_qty(fill.position),
        "ts": fill.at_us // 1_000_000,
        "ts_ms": fill.at_us // 1_000,
        "subaccount": fill.subaccount,
    }


def order_message(order: OrderRecord, reason: str | None) -> Message:
    """The `msg` of a `user_order`; members without a value are left out."""
    message: Message = {
        "order_id": order.order_id,
        "user_id": order.user_id,
        "ticker": order.ticker,
        "exchange_index": SHARD,
        "status": order.status.value,
        **direction(order.is_bid),
        "is_yes": order.is_bid,
        "yes_price_dollars": format_price(order.price),
        "fill_count_fp": format_qty(order.filled),
        "remaining_count_fp": format_qty(order.remaining),
        "initial_count_fp": format_qty(order.initial_count),
        "taker_fill_cost_dollars": format_money(order.taker_cost),
        "maker_fill_cost_dollars": format_money(order.maker_cost),
        "taker_fees_dollars": format_money(order.taker_fees),
        "maker_fees_dollars": format_money(order.maker_fees),
        "client_order_id": order.client_order_id,
        "self_trade_prevention_type": order.self_trade.value,
        "created_time": rfc3339(order.created_us),
        "created_ts_ms": order.created_us // 1_000,
        "last_update_time": rfc3339(order.updated_us),
        "last_updated_ts_ms": order.updated_us // 1_000,
        "subaccount_number": order.subaccount,
    }
    if order.group_id is not None:
        message["order_group_id"] = order.group_id
    if order.expires_us is not None:
        message["expiration_time"] = rfc3339(order.expires_us)
        message["expiration_ts_ms"] = order.expires_us // 1_000
    if reason is not None:
        message["last_update_reason"] = reason
    return message


def position_message(position: PositionRecord) -> Message:
    """The `msg` of a `market_position`."""
    return {
        "user_id": position.user_id,
        "market_ticker": position.ticker,
        "position_fp": format_qty(position.position),
        "position_cost_dollars": format_money(position.cost),
        "realized_pnl_dollars": format_money(position.realized_pnl),
        "fees_paid_dollars": format_money(position.fees_paid),
        "position_fee_cost_dollars": format_money(position.fee_cost),
        "volume_fp": format_qty(position.volume),
        "subaccount": position.subaccount,
    }


def group_message(changed: GroupChanged) -> Message:
    """The `msg` of an `order_group_updates`."""
    message: Message = {
        "event_type": changed.event.value,
        "order_group_id": changed.group.group_id,
        "ts_ms": changed.group.at_us // 1_000,
    }
    if changed.event in (GroupEvent.CREATED, GroupEvent.LIMIT_UPDATED):
        message["contracts_limit_fp"] = format_qty(changed.group.limit)
    return message


def private_message(fact: MemberFact) -> tuple[str, str, str | None, Message] | None:
    """`(channel, user id, market ticker, msg)` of a fact that a private channel carries; None where only REST shows it."""
    match fact:
        case Filled(fill):
            return "fill", fill.user_id, fill.ticker, fill_message(fill)
        case OrderChanged(order, reason):
            return "user_orders", order.user_id, order.ticker, order_message(order, reason)
        case PositionChanged(position):
            return "market_positions", position.user_id, position.ticker, position_message(position)
        case GroupChanged(group, _):
            return "order_group_updates", group.user_id, None, group_message(fact)
    return None


def is_combo(ticker: str) -> bool:
    """Whether a market or event belongs to the multivariate channel."""
    return ticker.startswith(COMBO_PREFIX)


def lifecycle_message(moved: MarketMoved) -> Message | None:
    """The `msg` of a lifecycle message; None where the combos' channel does not carry this event."""
    message: Message = {"event_type": moved.event_type, "market_ticker": moved.ticker, **dict(moved.members)}
    if is_combo(moved.ticker):
        if moved.event_type in _NOT_FOR_COMBOS:
            return None
        message.pop("price_ranges", None)
    return message


def event_message(event: Event) -> Message:
    """The `msg` of an `event_lifecycle`."""
    return {
        "event_ticker": event.ticker,
        "exchange_index": SHARD,
        "title": event.title,
        "subtitle": event.sub_title,
        "collateral_return_type": "MECNET" if event.is_mutually_exclusive else "",
        "series_ticker": event.series_ticker,
    }
