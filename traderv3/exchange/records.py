"""What the exchange keeps of its members: requests, orders, fills, positions, settlements, groups; and what it tells of them.

Every record is frozen: a change makes a new one, so whoever holds one (the read replica, a test) holds the truth of a moment.
Units: prices 1e-4 dollar on the YES scale, counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
Source: Kalshi's OpenAPI document 3.34.0 and AsyncAPI document of October 2026.
"""

import enum
from dataclasses import dataclass

from traderv3.domain.matching import SelfTrade
from traderv3.domain.orders import TimeInForce


class Rejected(Exception):
    """The exchange understood the request and says no, in its nested error shape."""

    def __init__(self, status: int, code: str, message: str | None = None, details: str | None = None) -> None:
        super().__init__(details or message or code)
        self.status = status
        self.code = code
        self.message = message or code.replace("_", " ")
        self.details = details


class OrderStatus(enum.StrEnum):
    """The venue's words."""

    RESTING = "resting"
    CANCELED = "canceled"
    EXECUTED = "executed"


class GroupEvent(enum.StrEnum):
    """What happened to an order group."""

    CREATED = "created"
    TRIGGERED = "triggered"
    RESET = "reset"
    DELETED = "deleted"
    LIMIT_UPDATED = "limit_updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """A V2 create request after its fields were read. `client_order_id` None: the member gave none."""

    ticker: str
    is_bid: bool
    price: int
    count: int
    time_in_force: TimeInForce
    self_trade: SelfTrade
    client_order_id: str | None = None
    expires_us: int | None = None
    is_post_only: bool = False
    is_reduce_only: bool = False
    is_cancelled_on_pause: bool = False
    group_id: str | None = None
    subaccount: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A V2 amend request. `count` is what is filled already plus what is to rest. `expires_us`: None keeps, 0 removes."""

    ticker: str
    is_bid: bool
    price: int
    count: int
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    expires_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """One order as it is after its last change. `taker_cost` and `maker_cost` are price times count of its fills."""

    order_id: str
    user_id: str
    subaccount: int
    client_order_id: str
    ticker: str
    is_bid: bool
    price: int
    status: OrderStatus
    initial_count: int
    filled: int
    remaining: int
    taker_cost: int
    maker_cost: int
    taker_fees: int
    maker_fees: int
    time_in_force: TimeInForce
    self_trade: SelfTrade
    is_post_only: bool
    is_reduce_only: bool
    is_cancelled_on_pause: bool
    group_id: str | None
    created_us: int
    updated_us: int
    expires_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRecord:
    """One side of one trade. `fee` is the net fee of this fill; `position` the net position after it, negative for NO."""

    trade_id: str
    order_id: str
    user_id: str
    subaccount: int
    client_order_id: str
    ticker: str
    is_bid: bool
    is_taker: bool
    price: int
    count: int
    fee: int
    position: int
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRecord:
    """One member's net position in one market; negative is NO. `cost` is what the open position was bought for."""

    user_id: str
    subaccount: int
    ticker: str
    position: int
    cost: int
    realized_pnl: int
    fees_paid: int
    fee_cost: int  # fees of what is still open
    traded: int  # money, price times count of every fill
    volume: int  # contracts of every fill
    updated_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementRecord:
    """What one member got when one market settled. `value` is what one YES contract pays."""

    user_id: str
    subaccount: int
    ticker: str
    event_ticker: str
    result: str  # yes, no, scalar
    yes_count: int
    yes_cost: int
    no_count: int
    no_cost: int
    revenue: int
    value: int
    fee: int
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceRecord:
    """Money that is free to use; what resting orders hold is not in it. `portfolio_value` values positions at the last price."""

    user_id: str
    subaccount: int
    balance: int
    portfolio_value: int
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRecord:
    """One order group. `limit` contracts may fill within 15 s; `order_ids` are those that rest."""

    group_id: str
    user_id: str
    subaccount: int
    limit: int
    is_triggered: bool
    order_ids: tuple[str, ...]
    at_us: int


# -- facts: what the floor is told, in the order in which it happened ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """`reason` is the venue's `last_update_reason`, None for a plain create or cancel by the member."""

    order: OrderRecord
    reason: str | None


@dataclass(frozen=True, slots=True)
class Filled:
    """One member's side of a trade."""

    fill: FillRecord


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """A position after a fill or a settlement."""

    position: PositionRecord


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """Free money after whatever moved it."""

    balance: BalanceRecord


@dataclass(frozen=True, slots=True)
class Settled:
    """One member's payout."""

    settlement: SettlementRecord


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """One of the five group events."""

    group: GroupRecord
    event: GroupEvent


@dataclass(frozen=True, slots=True)
class GroupTouched:
    """A group's set of resting orders changed; no event of the venue's, but its reads show it."""

    group: GroupRecord


MemberFact = OrderChanged | Filled | PositionChanged | BalanceChanged | Settled | GroupChanged | GroupTouched


@dataclass(frozen=True, slots=True)
class MarketMoved:
    """An announced lifecycle event of one market: `event_type` and the members that the venue sends with it."""

    ticker: str
    event_type: str
    members: tuple[tuple[str, object], ...]
    at_us: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Whose action changed the book: the owner's own connections see the id on the delta."""

    user_id: str
    subaccount: int
    client_order_id: str
