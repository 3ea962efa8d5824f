"""What the venue says beside the books, as frozen facts: trades, tickers, our own fills and orders, lives of markets.

Units: prices 1e-4 dollar on the YES scale, counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
`at_us` is the venue's time of what happened, None where the message has none; `received_us` when we heard of it.
Words that the venue may add to (`status`, `event_type`, reasons) stay text; nobody may fail at a new one.
Source: Kalshi's AsyncAPI, October 2026.
Never: an amount that the venue did not say. An optional field that is absent is None.
"""

from dataclasses import dataclass

from traderv3.domain.units import Money, Price, Qty


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """A market's quotes and totals after one of them changed. An empty side shows as price 0 or a dollar, with size 0."""

    ticker: str
    last: Price
    yes_bid: Price
    yes_ask: Price
    yes_bid_size: Qty
    yes_ask_size: Qty
    last_size: Qty
    volume: Qty
    open_interest: Qty
    dollar_volume: Money
    dollar_open_interest: Money
    at_us: int
    received_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """Two orders met. `is_taker_yes`: who came last is now longer of YES. A block trade was made outside the book."""

    trade_id: str
    ticker: str
    yes_price: Price
    count: Qty
    is_taker_yes: bool
    is_block: bool
    at_us: int
    received_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """An order of ours was filled; `trade_id` tells repetitions apart.

    `position` after it: negative is NO; None where the venue does not say (REST).
    """

    trade_id: str
    order_id: str
    client_order_id: str | None
    ticker: str
    is_yes: bool
    is_taker: bool
    yes_price: Price
    count: Qty
    fee: Money
    position: Qty | None
    exchange_index: int
    subaccount: int | None
    at_us: int
    received_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketPosition:
    """What we hold in one market, and what it cost; `position` is signed, negative is NO."""

    ticker: str
    position: Qty
    cost: Money
    realized_pnl: Money
    fees_paid: Money
    position_fee_cost: Money
    volume: Qty
    subaccount: int | None
    received_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOrder:
    """One of our orders as it stands after a change. `status` is open: resting, canceled, executed, unknown, …"""

    order_id: str
    client_order_id: str
    ticker: str
    status: str
    is_yes: bool
    yes_price: Price
    initial: Qty
    filled: Qty
    remaining: Qty
    taker_cost: Money
    maker_cost: Money
    taker_fees: Money
    maker_fees: Money
    order_group_id: str | None
    self_trade_prevention: str | None
    reason: str | None  # of the last change; none for a plain cancel of ours
    exchange_index: int | None
    subaccount: int | None
    created_us: int | None
    expires_us: int | None
    at_us: int | None
    received_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRange:
    """Prices from `start` to `end` stand on multiples of `step`."""

    start: Price
    end: Price
    step: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketDetails:
    """What a market is about, where the message says so. Strikes are the venue's numbers, as text."""

    event_ticker: str | None = None
    title: str | None = None
    yes_sub_title: str | None = None
    no_sub_title: str | None = None
    can_close_early: bool | None = None
    expected_expiration_us: int | None = None
    strike_type: str | None = None
    floor_strike: str | None = None
    cap_strike: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketLifecycle:
    """Something happened to a market; `event_type` says what, and which of the rest is known.

    created (`open_us`, `close_us`, `details`), activated, deactivated, close_date_updated (`close_us`), determined
    (`result`, `settlement_value`), settled, price_level_structure_updated (`price_ranges`), metadata_updated (`details`).
    A market that opens or closes because its time came is not told of. `is_combo`: of the multivariate channel.
    """

    ticker: str
    event_type: str
    is_combo: bool
    open_us: int | None = None
    close_us: int | None = None
    result: str | None = None
    settlement_value: Price | None = None
    price_level_structure: str | None = None
    price_ranges: tuple[PriceRange, ...] | None = None
    details: MarketDetails | None = None
    exchange_index: int | None = None
    at_us: int | None = None
    received_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLifecycle:
    """An event, to which markets belong, was made or changed."""

    event_ticker: str
    series_ticker: str
    title: str
    subtitle: str
    collateral_return_type: str
    exchange_index: int | None
    strike_us: int | None
    strike_period: str | None
    received_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFeeUpdate:
    """An event's own fees from now on, in place of its series'; None ends an override.

    `multiplier_ppm` is the multiplier in millionths: 500_000 is half.
    """

    event_ticker: str
    fee_type: str | None
    multiplier_ppm: int | None
    received_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderGroupUpdate:
    """One of our order groups was created, triggered, reset, deleted, or got another limit (`event_type`, open)."""

    order_group_id: str
    event_type: str
    limit: Qty | None
    at_us: int
    received_us: int


MarketFact = (
    Ticker
    | Trade
    | Fill
    | MarketPosition
    | UserOrder
    | MarketLifecycle
    | EventLifecycle
    | EventFeeUpdate
    | OrderGroupUpdate
)
