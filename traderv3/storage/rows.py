"""What the database keeps, one frozen struct a table; the fields are the columns.

Units: prices 1e-4 dollar, counts 0.01 contract, money 1e-6 dollar, `at_us` microseconds since the epoch. `at_us` is
when it happened (for what the venue tells, by the venue's clock; ours where it gave none), `received_us` when we heard.
Every stored row is one `Stored`: the run it belongs to and its number there, counted from 1. That pair is its identity,
so a row that is handed to the database twice is there once, and a number that is missing is a row that was lost.
Never: a row that is changed once it is stored; what is learned later is a further row.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

import msgspec

from traderv3.domain.feed import GapEntry
from traderv3.domain.market_facts import Fill, MarketPosition, Trade, UserOrder
from traderv3.domain.units import Money, Price, Qty


class Row(msgspec.Struct, frozen=True, kw_only=True, tag_field="row", gc=False):
    """Root of what is kept. `table` is where."""

    table: ClassVar[str]
    at_us: int


class RunStartedRow(Row, frozen=True, kw_only=True, tag="run_started", gc=False):
    """The process started. `trader` tells two traders of one environment apart, and is the same after a restart."""

    table = "run_started"
    environment: str
    trader: str
    version: str


class RunEndedRow(Row, frozen=True, kw_only=True, tag="run_ended", gc=False):
    """The process was stopped in order; a run without this row crashed, or lives."""

    table = "run_ended"
    reason: str
    state_hash: str | None


class TransitionRow(Row, frozen=True, kw_only=True, tag="transition", gc=False):
    """The trader changed its state."""

    table = "transitions"
    source: str
    target: str
    context: str


class GapRow(Row, frozen=True, kw_only=True, tag="gap", gc=False):
    """One loss in a stream, as `domain.feed.GapEntry`; written when found and again when repaired, with the same `at_us`.

    The view `gap_journal` shows the later of the two.
    """

    table = "gaps"
    connection: str
    what: str
    missing: int
    books: int
    how: str | None
    stale_ms: int | None


class ConnectionRow(Row, frozen=True, kw_only=True, tag="connection", gc=False):
    """A connection came `up` or was `lost`; the next try came `retry_ms` later."""

    table = "connections"
    connection: str
    kind: str
    reason: str | None = None
    retry_ms: int | None = None


class TopRow(Row, frozen=True, kw_only=True, tag="top", gc=False):
    """The best bid of each side at one moment, each in its own side's price; None where the side is empty."""

    table = "tops"
    ticker: str
    yes_bid: Price | None
    yes_bid_size: Qty
    no_bid: Price | None
    no_bid_size: Qty
    book_state: str


class BarRow(Row, frozen=True, kw_only=True, tag="bar", gc=False):
    """One market in the second that began at `at_us`: YES bid and YES ask as they were seen, and what was traded.

    None where the side was empty, or the book not live, at every look. `updates` are changes of the book, `trades` and
    `volume` what the trade channel told (0 where it is not subscribed). There is no bar for a second without either.
    """

    table = "bars"
    ticker: str
    bid_open: Price | None
    bid_high: Price | None
    bid_low: Price | None
    bid_close: Price | None
    ask_open: Price | None
    ask_high: Price | None
    ask_low: Price | None
    ask_close: Price | None
    updates: int
    trades: int
    volume: Qty


class TradeRow(Row, frozen=True, kw_only=True, tag="trade", gc=False):
    """A public trade, as `domain.market_facts.Trade`."""

    table = "trades"
    trade_id: str
    ticker: str
    yes_price: Price
    count: Qty
    is_taker_yes: bool
    is_block: bool
    received_us: int


class OrderRow(Row, frozen=True, kw_only=True, tag="order", gc=False):
    """One of our orders as it stood after a change, as `domain.market_facts.UserOrder`."""

    table = "orders"
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
    reason: str | None
    received_us: int


class FillRow(Row, frozen=True, kw_only=True, tag="fill", gc=False):
    """An order of ours was filled, as `domain.market_facts.Fill`."""

    table = "fills"
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
    received_us: int


class PositionRow(Row, frozen=True, kw_only=True, tag="position", gc=False):
    """What we hold in one market after a change, as `domain.market_facts.MarketPosition`."""

    table = "positions"
    ticker: str
    position: Qty
    cost: Money
    realized_pnl: Money
    fees_paid: Money


class CommandRow(Row, frozen=True, kw_only=True, tag="command", gc=False):
    """The audit: who asked for what, with which arguments (JSON without secrets), and what came of it. See `command_row`."""

    table = "commands"
    who: str
    command: str
    args: str
    is_done: bool
    result: str


AnyRow = (
    RunStartedRow
    | RunEndedRow
    | TransitionRow
    | GapRow
    | ConnectionRow
    | TopRow
    | BarRow
    | TradeRow
    | OrderRow
    | FillRow
    | PositionRow
    | CommandRow
)
ROW_TYPES: Final[tuple[type[AnyRow], ...]] = AnyRow.__args__


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A row with its identity: number `seq` of the run `run_id`."""

    run_id: str
    seq: int
    row: AnyRow


def columns(kind: type[AnyRow]) -> tuple[str, ...]:
    """A table's columns beside `run_id` and `seq`, in order."""
    return kind.__struct_fields__


def gap_row(entry: GapEntry) -> GapRow:
    """One line of the gap journal as it stands."""
    return GapRow(
        at_us=entry.at_us,
        connection=entry.connection,
        what=entry.what,
        missing=entry.missing,
        books=entry.books,
        how=entry.how,
        stale_ms=entry.stale_ms,
    )


def trade_row(fact: Trade) -> TradeRow:
    """A public trade."""
    return msgspec.convert(fact, TradeRow, from_attributes=True)


def fill_row(fact: Fill) -> FillRow:
    """A fill of ours."""
    return msgspec.convert(fact, FillRow, from_attributes=True)


def order_row(fact: UserOrder) -> OrderRow:
    """One of our orders after a change."""
    at_us = fact.received_us if fact.at_us is None else fact.at_us
    named = {name: getattr(fact, name) for name in columns(OrderRow) if name != "at_us"}
    return OrderRow(at_us=at_us, **named)


def position_row(fact: MarketPosition) -> PositionRow:
    """What we hold in one market."""
    named = {name: getattr(fact, name) for name in columns(PositionRow) if name != "at_us"}
    return PositionRow(at_us=fact.received_us, **named)


def command_row(
    at_us: int,
    who: str,
    command: str,
    args: Mapping[str, object],
    result: str,
    *,
    is_done: bool,
    mask: Callable[[Mapping[str, object]], Mapping[str, object]],
) -> CommandRow:
    """The audit of one command. `mask` (the log's `Redactor.fields`) makes every text plain and free of secrets."""
    told = mask({"who": who, "command": command, "result": result})
    return CommandRow(
        at_us=at_us,
        who=str(told["who"]),
        command=str(told["command"]),
        args=msgspec.json.encode(mask(args)).decode(),
        is_done=is_done,
        result=str(told["result"]),
    )
