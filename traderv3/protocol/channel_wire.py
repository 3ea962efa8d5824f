"""The venue's messages beside the books, field by field in its own names and strings.

Decoding is strict about what is known (a missing or mistyped field raises) and open to what is new: unknown fields are
passed over, words that may get company are plain text. Deprecated fields are left unread where a newer one says the same.
Source: Kalshi's AsyncAPI document, October 2026. Optional beyond it: what frames of May 2026 lack and is no amount.
"""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec

from traderv3.protocol import wire
from traderv3.protocol.field_census import Known, known

Ms = Annotated[int, msgspec.Meta(ge=0, le=100_000_000_000_000)]  # until the year 5138; beyond is no time
Seconds = Annotated[int, msgspec.Meta(ge=0, le=100_000_000_000)]
Dollars = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000_000)]
Outcome = Literal["yes", "no"]


class TickerBody(msgspec.Struct):
    """`ticker`."""

    market_ticker: str
    price_dollars: str
    yes_bid_dollars: str
    yes_ask_dollars: str
    yes_bid_size_fp: str
    yes_ask_size_fp: str
    last_trade_size_fp: str
    volume_fp: str
    open_interest_fp: str
    dollar_volume: Dollars
    dollar_open_interest: Dollars
    ts_ms: Ms


class TradeBody(msgspec.Struct):
    """`trade`."""

    trade_id: str
    market_ticker: str
    yes_price_dollars: str
    no_price_dollars: str
    count_fp: str
    taker_outcome_side: Outcome
    ts_ms: Ms
    is_block_trade: bool = False


class FillBody(msgspec.Struct):
    """`fill`."""

    trade_id: str
    order_id: str
    market_ticker: str
    is_taker: bool
    yes_price_dollars: str
    count_fp: str
    fee_cost: str
    outcome_side: Outcome
    post_position_fp: str
    ts_ms: Ms
    exchange_index: wire.Int64 = 0
    client_order_id: str | None = None
    subaccount: wire.Int64 | None = None


class PositionBody(msgspec.Struct):
    """`market_position`."""

    market_ticker: str
    position_fp: str
    position_cost_dollars: str
    realized_pnl_dollars: str
    fees_paid_dollars: str
    position_fee_cost_dollars: str
    volume_fp: str
    subaccount: wire.Int64 | None = None


class OrderBody(msgspec.Struct):
    """`user_order`."""

    order_id: str
    ticker: str
    status: str
    outcome_side: Outcome
    yes_price_dollars: str
    fill_count_fp: str
    remaining_count_fp: str
    initial_count_fp: str
    taker_fill_cost_dollars: str
    maker_fill_cost_dollars: str
    taker_fees_dollars: str
    maker_fees_dollars: str
    client_order_id: str
    exchange_index: wire.Int64 | None = None
    order_group_id: str | None = None
    self_trade_prevention_type: str | None = None
    last_update_reason: str | None = None
    subaccount_number: wire.Int64 | None = None
    created_ts_ms: Ms | None = None
    last_updated_ts_ms: Ms | None = None
    expiration_ts_ms: Ms | None = None


class RangeBody(msgspec.Struct):
    """One of `price_ranges`."""

    start: str
    end: str
    step: str


class Strike(msgspec.Struct, kw_only=True):
    """What stands in `additional_metadata`, and in `metadata_updated` without it."""

    yes_sub_title: str | None = None
    no_sub_title: str | None = None
    strike_type: str | None = None
    floor_strike: Decimal | None = None
    cap_strike: Decimal | None = None


class Metadata(Strike, kw_only=True):
    """`additional_metadata`."""

    event_ticker: str
    title: str
    can_close_early: bool | None = None
    expected_expiration_ts: Seconds | None = None


class LifecycleBody(Strike, kw_only=True):
    """`market_lifecycle_v2` and `multivariate_market_lifecycle`."""

    market_ticker: str
    event_type: str
    open_ts: Seconds | None = None
    close_ts: Seconds | None = None
    determination_ts: Seconds | None = None
    settled_ts: Seconds | None = None
    result: str | None = None
    settlement_value: str | None = None
    price_level_structure: str | None = None
    price_ranges: list[RangeBody] | None = None
    additional_metadata: Metadata | None = None
    exchange_index: wire.Int64 | None = None


class EventBody(msgspec.Struct):
    """`event_lifecycle`."""

    event_ticker: str
    title: str
    subtitle: str
    collateral_return_type: str
    series_ticker: str
    exchange_index: wire.Int64 | None = None
    strike_date: Seconds | None = None
    strike_period: str | None = None


class FeeBody(msgspec.Struct):
    """`event_fee_update`; null ends an override, absence does not."""

    event_ticker: str
    fee_type_override: str | None
    fee_multiplier_override: Decimal | None


class GroupBody(msgspec.Struct):
    """`order_group_updates`."""

    event_type: str
    order_group_id: str
    ts_ms: Ms
    contracts_limit_fp: str | None = None


class _Message(msgspec.Struct):
    sid: wire.Int64


class _Numbered(_Message):
    seq: wire.Int64


class Ticker(_Message, tag="ticker"):
    """No number."""

    msg: TickerBody


class Trade(_Numbered, tag="trade"):
    """Numbered."""

    msg: TradeBody


class Fill(_Message, tag="fill"):
    """No number."""

    msg: FillBody


class MarketPosition(_Message, tag="market_position"):
    """No number."""

    msg: PositionBody


class UserOrder(_Message, tag="user_order"):
    """No number."""

    msg: OrderBody


class MarketLifecycle(_Numbered, tag="market_lifecycle_v2"):
    """Numbered."""

    msg: LifecycleBody


class ComboLifecycle(_Numbered, tag="multivariate_market_lifecycle"):
    """Numbered."""

    msg: LifecycleBody


class EventLifecycle(_Numbered, tag="event_lifecycle"):
    """Numbered; comes on both lifecycle channels."""

    msg: EventBody


class EventFeeUpdate(_Numbered, tag="event_fee_update"):
    """Numbered."""

    msg: FeeBody


class OrderGroupUpdate(_Numbered, tag="order_group_updates"):
    """Numbered."""

    msg: GroupBody


Message = (
    Ticker
    | Trade
    | Fill
    | MarketPosition
    | UserOrder
    | MarketLifecycle
    | ComboLifecycle
    | EventLifecycle
    | EventFeeUpdate
    | OrderGroupUpdate
)
Reply = wire.Subscribed | wire.Ok | wire.Unsubscribed | wire.Error

FRAME: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(Message | Reply)

# Which channels bring a type of message, by the names to subscribe to (source: protocol page 3.4).
CHANNELS: Final[dict[str, tuple[str, ...]]] = {
    "ticker": ("ticker",),
    "trade": ("trade",),
    "fill": ("fill",),
    "market_position": ("market_positions",),
    "user_order": ("user_orders",),
    "market_lifecycle_v2": ("market_lifecycle_v2",),
    "multivariate_market_lifecycle": ("multivariate_market_lifecycle",),
    "event_lifecycle": ("market_lifecycle_v2", "multivariate_market_lifecycle"),
    "event_fee_update": ("market_lifecycle_v2",),
    "order_group_updates": ("order_group_updates",),
}
BUSY: Final = frozenset({"ticker", "trade"})  # types that come by the hundred a second
REPLIES: Final = frozenset({"subscribed", "ok", "unsubscribed", "error"})
UNNUMBERED: Final = frozenset({"ticker", "fill", "market_positions", "user_orders"})  # channels without `seq`
BY_MARKET: Final = frozenset({"ticker", "trade", "fill", "market_positions", "user_orders"})  # take a market filter

_DIRECTION: Final = ("side", "action", "purchased_side", "book_side", "ts")  # deprecated, or said twice
FIELDS: Final[dict[str, Known]] = dict(
    [
        known(Ticker, ["market_id", "ts", "time"]),
        known(Trade, ["taker_side", "taker_book_side", "ts"]),
        known(Fill, _DIRECTION),
        known(MarketPosition, ["user_id"]),
        known(UserOrder, [*_DIRECTION, "user_id", "is_yes", "created_time", "last_update_time", "expiration_time"]),
        known(MarketLifecycle, ["is_deactivated", "custom_strike"]),
        known(ComboLifecycle, ["is_deactivated", "custom_strike"]),
        known(EventLifecycle),
        known(EventFeeUpdate),
        known(OrderGroupUpdate),
        known(wire.Subscribed),
        known(wire.Ok),
        known(wire.Unsubscribed),
        known(wire.Error, ["market_id"]),
    ]
)
