"""The REST answers about what we hold: positions, balance, settlements. Conventions as in `rest_account`.

`revenue`, `value` and `portfolio_value` come as whole cents, everything else as dollars in text; `balance` in cents is cut off
by the venue and not read.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from traderv3.domain.units import Money, Qty, parse_money, parse_qty
from traderv3.protocol.rest import Page, parse_time, reader

CENT: Final = 10_000  # 1e-6 dollar


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What we hold in one market: `position` above 0 is YES contracts, below 0 NO contracts."""

    ticker: str
    position: Qty
    exposure: Money
    total_traded: Money
    realized_pnl: Money
    fees_paid: Money
    updated_us: int
    exchange_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPosition:
    """What we hold in all markets of one event."""

    event_ticker: str
    exposure: Money
    total_cost: Money
    total_count: Qty
    realized_pnl: Money
    fees_paid: Money


@dataclass(frozen=True, slots=True)
class Holdings:
    """One page of both; the cursor is that of both."""

    markets: list[Position]
    events: list[EventPosition]
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """`available` is what may be spent; `by_shard` the same by exchange index, empty where the key sees none."""

    available: Money
    portfolio: Money
    updated_us: int
    by_shard: dict[int, Money]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What one market paid. `value` is the payout of one YES contract, None where the venue does not say."""

    ticker: str
    event_ticker: str
    result: str
    yes_count: Qty
    yes_cost: Money
    no_count: Qty
    no_cost: Money
    revenue: Money
    value: Money | None
    fee: Money
    settled_us: int
    exchange_index: int


class _Position(msgspec.Struct):
    ticker: str
    position_fp: str
    market_exposure_dollars: str
    total_traded_dollars: str
    realized_pnl_dollars: str
    fees_paid_dollars: str
    last_updated_ts: str  # RFC 3339, despite its name
    exchange_index: int = 0


class _EventPosition(msgspec.Struct):
    event_ticker: str
    event_exposure_dollars: str
    total_cost_dollars: str
    total_cost_shares_fp: str
    realized_pnl_dollars: str
    fees_paid_dollars: str


class _HoldingsAnswer(msgspec.Struct):
    market_positions: list[_Position]
    event_positions: list[_EventPosition]
    cursor: str | None = None


class _Shard(msgspec.Struct):
    exchange_index: int
    balance: str


class _BalanceAnswer(msgspec.Struct):
    balance_dollars: str
    portfolio_value: int
    updated_ts: int  # seconds
    balance_breakdown: list[_Shard] = []


class _Settlement(msgspec.Struct):
    ticker: str
    event_ticker: str
    market_result: str
    yes_count_fp: str
    yes_total_cost_dollars: str
    no_count_fp: str
    no_total_cost_dollars: str
    revenue: int
    fee_cost: str
    settled_time: str
    value: int | None = None
    exchange_index: int = 0


class _SettlementsAnswer(msgspec.Struct):
    settlements: list[_Settlement]
    cursor: str | None = None


def _to_position(raw: _Position) -> Position:
    return Position(
        ticker=raw.ticker,
        position=parse_qty(raw.position_fp),
        exposure=parse_money(raw.market_exposure_dollars),
        total_traded=parse_money(raw.total_traded_dollars),
        realized_pnl=parse_money(raw.realized_pnl_dollars),
        fees_paid=parse_money(raw.fees_paid_dollars),
        updated_us=parse_time(raw.last_updated_ts),
        exchange_index=raw.exchange_index,
    )


def _to_event_position(raw: _EventPosition) -> EventPosition:
    return EventPosition(
        event_ticker=raw.event_ticker,
        exposure=parse_money(raw.event_exposure_dollars),
        total_cost=parse_money(raw.total_cost_dollars),
        total_count=parse_qty(raw.total_cost_shares_fp),
        realized_pnl=parse_money(raw.realized_pnl_dollars),
        fees_paid=parse_money(raw.fees_paid_dollars),
    )


def _to_holdings(answer: _HoldingsAnswer) -> Holdings:
    markets = [_to_position(raw) for raw in answer.market_positions]
    events = [_to_event_position(raw) for raw in answer.event_positions]
    return Holdings(markets, events, answer.cursor or "")


def _to_balance(answer: _BalanceAnswer) -> Balance:
    return Balance(
        available=parse_money(answer.balance_dollars),
        portfolio=Money(answer.portfolio_value * CENT),
        updated_us=answer.updated_ts * 1_000_000,
        by_shard={shard.exchange_index: parse_money(shard.balance) for shard in answer.balance_breakdown},
    )


def _to_settlement(raw: _Settlement) -> Settlement:
    return Settlement(
        ticker=raw.ticker,
        event_ticker=raw.event_ticker,
        result=raw.market_result,
        yes_count=parse_qty(raw.yes_count_fp),
        yes_cost=parse_money(raw.yes_total_cost_dollars),
        no_count=parse_qty(raw.no_count_fp),
        no_cost=parse_money(raw.no_total_cost_dollars),
        revenue=Money(raw.revenue * CENT),
        value=None if raw.value is None else Money(raw.value * CENT),
        fee=parse_money(raw.fee_cost),
        settled_us=parse_time(raw.settled_time),
        exchange_index=raw.exchange_index,
    )


read_holdings: Final = reader(_HoldingsAnswer, _to_holdings)
read_balance: Final = reader(_BalanceAnswer, _to_balance)
read_settlements: Final = reader(
    _SettlementsAnswer, lambda answer: Page([_to_settlement(raw) for raw in answer.settlements], answer.cursor or "")
)
