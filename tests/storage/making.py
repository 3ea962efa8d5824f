"""Rows as the tests need them, what is in a database, and a disk that is full."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from traderv3.domain.units import Money, Price, Qty
from traderv3.storage.database import Driver, Values, open_driver
from traderv3.storage.rows import (
    AnyRow,
    BarRow,
    CommandRow,
    ConnectionRow,
    FillRow,
    GapRow,
    OrderRow,
    PositionRow,
    RunEndedRow,
    RunStartedRow,
    Stored,
    TopRow,
    TradeRow,
    TransitionRow,
)

AT_US = 1_795_359_761_279_123  # 2026-11-22T15:02:41.279123Z

ONE_OF_EACH: tuple[AnyRow, ...] = (
    RunStartedRow(at_us=AT_US, environment="sim", trader="here", version="0.1.0"),
    RunEndedRow(at_us=AT_US, reason="asked to", state_hash=None),
    TransitionRow(
        at_us=AT_US, source="startup", target="initializing", context='a "context" → with signs,\nand a line'
    ),
    GapRow(at_us=AT_US, connection="one", what="gap", missing=3, books=15, how="snapshot", stale_ms=120),
    ConnectionRow(at_us=AT_US, connection="one", kind="lost", reason="reset by peer", retry_ms=200),
    TopRow(
        at_us=AT_US,
        ticker="A",
        yes_bid=Price(4_700),
        yes_bid_size=Qty(150),
        no_bid=None,
        no_bid_size=Qty(0),
        book_state="live",
    ),
    BarRow(
        at_us=AT_US,
        ticker="A",
        bid_open=Price(4_700),
        bid_high=Price(4_801),
        bid_low=Price(4_600),
        bid_close=Price(4_800),
        ask_open=None,
        ask_high=None,
        ask_low=None,
        ask_close=None,
        updates=7,
        trades=1,
        volume=Qty(250),
    ),
    TradeRow(
        at_us=AT_US,
        trade_id="t1",
        ticker="A",
        yes_price=Price(4_701),
        count=Qty(2**62),
        is_taker_yes=True,
        is_block=False,
        received_us=AT_US + 5,
    ),
    OrderRow(
        at_us=AT_US,
        order_id="o1",
        client_order_id="c1",
        ticker="A",
        status="resting",
        is_yes=True,
        yes_price=Price(4_700),
        initial=Qty(100),
        filled=Qty(0),
        remaining=Qty(100),
        taker_cost=Money(0),
        maker_cost=Money(0),
        taker_fees=Money(0),
        maker_fees=Money(0),
        reason=None,
        received_us=AT_US,
    ),
    FillRow(
        at_us=AT_US,
        trade_id="t1",
        order_id="o1",
        client_order_id=None,
        ticker="A",
        is_yes=False,
        is_taker=False,
        yes_price=Price(4_700),
        count=Qty(100),
        fee=Money(17_472),
        position=Qty(-100),
        received_us=AT_US,
    ),
    PositionRow(
        at_us=AT_US,
        ticker="A",
        position=Qty(-100),
        cost=Money(470_000),
        realized_pnl=Money(-1),
        fees_paid=Money(17_472),
    ),
    CommandRow(at_us=AT_US, who="127.0.0.1", command="restart_actor", args="{}", is_done=True, result="done"),
)


def transition(number: int) -> TransitionRow:
    """One of many rows, told apart by its time."""
    return TransitionRow(at_us=number, source="ready", target="error", context=f"number {number}")


def stored(*rows: AnyRow, run_id: str = "run", first: int = 1) -> list[Stored]:
    """The rows with numbers of one run."""
    return [Stored(run_id, seq, row) for seq, row in enumerate(rows, start=first)]


def read(url: str, sql: str) -> list[Values]:
    """What a query of a reader gives."""
    driver: Driver = open_driver(url, is_readonly=True)
    try:
        driver.connect()
        return [values for chunk in driver.stream(sql, ()) for values in chunk]
    finally:
        driver.close()


def numbers(url: str, run_id: str = "run", table: str = "transitions") -> list[int]:
    """The numbers of a run's rows in a table, ascending."""
    return [seq for (seq,) in read(url, f"SELECT seq FROM {table} WHERE run_id = '{run_id}' ORDER BY seq")]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """What a full disk does: no file grows beyond `size`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
