"""What happens becomes rows: each once, with the right numbers, and without secrets."""

import msgspec
import trio
from trio.testing import MockClock

from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.domain.events import ConnectionLost, ConnectionUp, StateChanged
from traderv3.domain.feed import Feed, GapEntry
from traderv3.domain.market_facts import Fill, MarketPosition, OrderGroupUpdate, Trade, UserOrder
from traderv3.domain.states import State
from traderv3.domain.units import Money, Price, Qty
from traderv3.storage.recorder import Recorder
from traderv3.storage.rows import (
    AnyRow,
    BarRow,
    ConnectionRow,
    FillRow,
    GapRow,
    OrderRow,
    PositionRow,
    TopRow,
    TradeRow,
    TransitionRow,
    command_row,
)
from traderv3.telemetry.log_redaction import Redactor

SECOND = 1_000_000
START_US = 1_795_359_761 * SECOND


class Scene:
    """A recorder with a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_us = START_US
        self.feed = Feed()
        self.bus = EventBus()
        self.rows: list[AnyRow] = []
        self.recorder = Recorder(self.feed, self.bus, self.rows.append, wall_us=lambda: self.now_us)

    def look(self, at_s: float) -> None:
        self.now_us = START_US + round(at_s * SECOND)
        self.recorder.look()

    def of(self, kind: type[AnyRow]) -> list[AnyRow]:
        return [row for row in self.rows if isinstance(row, kind)]

    def live(self, ticker: str, yes: int, no: int) -> None:
        self.feed.watch([ticker])
        self.feed.books[ticker].replace([(yes, 100)], [(no, 250)])


def trade(ticker: str, count: int) -> Trade:
    return Trade(
        trade_id="t",
        ticker=ticker,
        yes_price=Price(4_700),
        count=Qty(count),
        is_taker_yes=True,
        is_block=False,
        at_us=START_US,
        received_us=START_US,
    )


def test_a_bar_has_what_was_in_force_the_extremes_and_the_end() -> None:
    scene = Scene()
    scene.live("A", 4_700, 5_200)
    scene.look(0.1)
    scene.look(1.05)
    scene.rows.clear()

    scene.feed.books["A"].apply(True, 4_790, 100)
    scene.look(1.2)
    scene.feed.books["A"].apply(True, 4_790, -100)
    scene.feed.books["A"].apply(True, 4_700, -100)
    scene.feed.books["A"].apply(True, 4_600, 50)
    scene.look(1.5)
    scene.look(2.05)

    assert scene.rows == [
        BarRow(
            at_us=START_US + SECOND,
            ticker="A",
            bid_open=Price(4_700),
            bid_high=Price(4_790),
            bid_low=Price(4_600),
            bid_close=Price(4_600),
            ask_open=Price(4_800),
            ask_high=Price(4_800),
            ask_low=Price(4_800),
            ask_close=Price(4_800),
            updates=4,
            trades=0,
            volume=Qty(0),
        ),
        TopRow(
            at_us=START_US + round(2.05 * SECOND),
            ticker="A",
            yes_bid=Price(4_600),
            yes_bid_size=Qty(50),
            no_bid=Price(5_200),
            no_bid_size=Qty(250),
            book_state="live",
        ),
    ]


def test_a_second_without_a_change_has_no_rows() -> None:
    scene = Scene()
    scene.live("A", 4_700, 5_200)
    scene.look(0.1)
    scene.look(1.1)
    scene.rows.clear()

    for tenth in range(12, 50):
        scene.look(tenth / 10)

    assert scene.rows == []


def test_a_book_that_may_not_be_believed_has_no_price_in_the_bar_and_its_state_in_the_top() -> None:
    scene = Scene()
    scene.live("A", 4_700, 5_200)
    scene.look(0.1)
    scene.look(1.1)
    scene.rows.clear()
    scene.feed.books["A"].mark_stale("gap")
    scene.look(1.5)
    scene.look(2.1)
    scene.feed.books["A"].apply(True, 4_600, 100)
    scene.look(2.5)
    scene.look(3.1)

    (bar,) = scene.of(BarRow)
    assert isinstance(bar, BarRow)
    assert (bar.bid_open, bar.bid_close, bar.updates) == (None, None, 1)
    assert [row.book_state for row in scene.of(TopRow) if isinstance(row, TopRow)] == ["stale", "stale"]


def test_trades_are_kept_and_counted_in_the_bar() -> None:
    scene = Scene()
    scene.look(0)
    scene.recorder.record_fact(trade("B", 150))
    scene.recorder.record_fact(trade("B", 50))
    scene.look(1.1)

    (bar,) = scene.of(BarRow)
    assert isinstance(bar, BarRow)
    assert (bar.ticker, bar.trades, bar.volume, bar.bid_open) == ("B", 2, 200, None)
    assert len(scene.of(TradeRow)) == 2


def test_a_gap_is_kept_when_found_and_again_when_repaired_and_those_of_before_are_not() -> None:
    scene = Scene()
    scene.feed.gaps.append(GapEntry("one", START_US - 1, "of an earlier run", 1, 1))
    first = GapEntry("one", START_US + 1, "gap", 3, 15)
    scene.feed.gaps.append(first)
    scene.look(0.1)
    scene.look(0.2)
    for number in range(300):  # more than the feed keeps
        scene.feed.gaps.append(GapEntry("two", START_US + 2 + number, "gap", 1, 1, "snapshot", 1))
    first.how, first.stale_ms = "reconnect", 100
    scene.look(0.3)
    scene.look(0.4)

    rows = scene.of(GapRow)
    assert rows[0] == GapRow(
        at_us=START_US + 1, connection="one", what="gap", missing=3, books=15, how=None, stale_ms=None
    )
    assert rows[-1] == msgspec.structs.replace(rows[0], how="reconnect", stale_ms=100)
    assert len(rows) == 1 + 200 + 1


def test_facts_become_rows_and_those_without_a_table_do_not() -> None:
    scene = Scene()
    fill = Fill(
        trade_id="t",
        order_id="o",
        client_order_id=None,
        ticker="A",
        is_yes=True,
        is_taker=False,
        yes_price=Price(4_700),
        count=Qty(100),
        fee=Money(17_472),
        position=Qty(100),
        exchange_index=0,
        subaccount=None,
        at_us=5,
        received_us=6,
    )
    order = UserOrder(
        order_id="o",
        client_order_id="c",
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
        order_group_id=None,
        self_trade_prevention=None,
        reason=None,
        exchange_index=None,
        subaccount=None,
        created_us=None,
        expires_us=None,
        at_us=None,
        received_us=7,
    )
    position = MarketPosition(
        ticker="A",
        position=Qty(100),
        cost=Money(1),
        realized_pnl=Money(2),
        fees_paid=Money(3),
        position_fee_cost=Money(4),
        volume=Qty(5),
        subaccount=None,
        received_us=8,
    )
    group = OrderGroupUpdate(order_group_id="g", event_type="created", limit=None, at_us=1, received_us=1)

    for fact in (fill, order, position, group):
        scene.recorder.record_fact(fact)
    scene.recorder.record_transition(StateChanged(State.STARTUP, State.INITIALIZING, "read", 9))

    assert [(type(row), row.at_us) for row in scene.rows] == [
        (FillRow, 5),
        (OrderRow, 7),
        (PositionRow, 8),
        (TransitionRow, 9),
    ]
    assert scene.rows[3] == TransitionRow(at_us=9, source="startup", target="initializing", context="read")


async def test_connections_are_heard_on_the_bus_and_the_last_second_is_written_at_the_stop(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.live("A", 4_700, 5_200)
    async with trio.open_nursery() as nursery:
        lifeline = Lifeline()
        nursery.start_soon(scene.bus.run, Lifeline())
        nursery.start_soon(scene.recorder.run, lifeline)
        await trio.sleep(1)
        scene.bus.publish(ConnectionUp("one", 1))
        scene.bus.publish(ConnectionLost("one", "reset", 0.2, 2))
        await trio.sleep(1)
        assert lifeline.beats >= 10
        lifeline.stopping.set()
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert scene.of(ConnectionRow) == [
        ConnectionRow(at_us=1, connection="one", kind="up"),
        ConnectionRow(at_us=2, connection="one", kind="lost", reason="reset", retry_ms=200),
    ]
    assert len(scene.of(BarRow)) == len(scene.of(TopRow)) == 1


def test_the_audit_holds_no_secret() -> None:
    mask = Redactor(["hunter22"]).fields

    row = command_row(
        5,
        "127.0.0.1",
        "restart_actor",
        {"name": "x", "token": "abcdef", "note": "with hunter22", "deep": {"password": "p4ss"}, "when": object},
        "hunter22 is wrong",
        is_done=False,
        mask=mask,
    )

    text = msgspec.json.encode(row).decode()
    assert all(secret not in text for secret in ("hunter22", "abcdef", "p4ss"))
    assert '\\"name\\":\\"x\\"' in text
    assert (row.is_done, row.command) == (False, "restart_actor")
