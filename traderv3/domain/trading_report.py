"""What trading shows to people: one frozen picture of orders, positions, profit, limits and differences.

The engine makes it anew when something changed; console, command line and status logger show it, and know nothing else of
trading. Units: prices 1e-4 dollar (YES), counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
"""

from dataclasses import dataclass
from typing import Literal

from traderv3.domain.units import Money, Price, Qty

Refuser = Literal["risk", "gateway", "venue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One order. `state` as `domain.orders.OrderState`; `in_flight` is cancelling or changing; `ahead` the queue, if known."""

    client_order_id: str
    order_id: str | None
    strategy: str
    ticker: str
    is_bid: bool
    price: Price
    count: Qty
    filled: Qty
    remaining: Qty
    state: str
    in_flight: str | None
    created_us: int
    expires_us: int | None
    why: str | None
    ahead: Qty | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillLine:
    """One fill."""

    trade_id: str
    client_order_id: str | None
    strategy: str | None
    ticker: str
    is_bid: bool
    is_taker: bool
    price: Price
    count: Qty
    fee: Money
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionLine:
    """One market. `position` below 0 is NO; `average` is what a contract of the held side cost, a NO price where NO is held.

    `worst_case` is with everything that rests there. `venue_position` is there where it differs.
    """

    ticker: str
    position: Qty
    average: Price | None
    realized: Money
    unrealized: Money | None  # None: no live book to value it by
    fees: Money
    worst_case: Money
    venue_position: Qty | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitLine:
    """One limit of risk, and how much of it is used; `scope` is what it bounds (a ticker, an event, `all`)."""

    rule: str
    scope: str
    used: int
    limit: int
    unit: str  # "contracts/100", "usd/1e6", "orders", "1/s", "bp", "ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalLine:
    """An order that risk or the venue refused, or that our gateway did not send; equal ones in a row are counted."""

    rule: str
    why: str
    ticker: str
    strategy: str
    by: Refuser
    times: int
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceLine:
    """Our number and the venue's, since when; quarantined until both agree or a person looks."""

    what: str  # "position", "order", "balance", "fill"
    key: str
    ours: str
    venue: str
    since_us: int
    is_settled: bool  # adopted and agreed since


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingReport:
    """Everything. `stage` is off, waiting, calibrating, clean or acting; `why` says in a sentence why nothing is sent.

    What only the venue can tell is None before the first reading (`is_read`). `stale_reason` says why the account may be
    another by now, None while it is heard and agreed upon; `stale_since_us`, when that last was, None: never yet. It marks
    all orders, positions and sums at once.
    """

    stage: str
    why: str | None
    strategy: str
    mode: str  # the latch's: active, reducing, halted
    orders: tuple[OrderLine, ...]  # open ones first, then the latest that are over
    fills: tuple[FillLine, ...]  # the latest, newest first
    positions: tuple[PositionLine, ...] | None
    limits: tuple[LimitLine, ...]
    refusals: tuple[RefusalLine, ...]
    differences: tuple[DifferenceLine, ...]
    balance: Money | None
    realized: Money | None
    unrealized: Money | None
    fees: Money | None
    worst_case: Money | None
    resting: int | None
    unknown: int | None  # None: what an earlier run left is not taken up yet
    is_read: bool
    stale_reason: str | None
    stale_since_us: int | None
    calibrated_us: int | None
    decided_us: int | None  # the last decision
    version: int  # grows with every change


def off_report(mode: str, why: str, strategy: str = "hold") -> TradingReport:
    """What is shown where nothing trades, and the account is never read."""
    return TradingReport(
        stage="off",
        why=why,
        strategy=strategy,
        mode=mode,
        orders=(),
        fills=(),
        positions=None,
        limits=(),
        refusals=(),
        differences=(),
        balance=None,
        realized=None,
        unrealized=None,
        fees=None,
        worst_case=None,
        resting=None,
        unknown=None,
        is_read=False,
        stale_reason=why,
        stale_since_us=None,
        calibrated_us=None,
        decided_us=None,
        version=0,
    )
