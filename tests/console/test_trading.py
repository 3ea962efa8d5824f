"""Trading on the console: exact strings out of integers, orders and fills one by one, the rest when it changed."""

from dataclasses import replace

import msgspec
import trio

from tests.console.making import NOW, NOW_US, Made
from traderv3.console import messages
from traderv3.console.broadcaster import Broadcaster
from traderv3.console.client import Client
from traderv3.console.log_tap import LogTap
from traderv3.console.trading import fill_report, order_report, position_report, trading
from traderv3.core.event_bus import EventBus
from traderv3.domain.latency import Latency
from traderv3.domain.trading_report import (
    DifferenceLine,
    FillLine,
    LimitLine,
    OrderLine,
    PositionLine,
    RefusalLine,
    off_report,
)
from traderv3.domain.units import Money, Price, Qty

ORDER = OrderLine(
    client_order_id="abcd0123-7",
    order_id=None,
    strategy="spread_maker",
    ticker="KX-1",
    is_bid=False,
    price=Price(4700),
    count=Qty(1000),
    filled=Qty(150),
    remaining=Qty(850),
    state="resting",
    in_flight="cancelling",
    created_us=NOW_US,
    expires_us=None,
    why=None,
)
FILL = FillLine(
    trade_id="t1",
    client_order_id=None,
    strategy=None,
    ticker="KX-1",
    is_bid=True,
    is_taker=True,
    price=Price(4700),
    count=Qty(150),
    fee=Money(17_472),
    at_us=NOW_US,
)
POSITION = PositionLine(
    ticker="KX-1",
    position=Qty(-150),
    average=None,
    realized=Money(-1),
    unrealized=None,
    fees=Money(17_472),
    worst_case=Money(705_000),
)


def test_an_order_shows_the_venues_own_strings() -> None:
    shown = order_report(ORDER)

    assert (shown.side, shown.price, shown.count, shown.filled, shown.remaining) == (
        "ask", "0.4700", "10.00", "1.50", "8.50",
    )  # fmt: skip
    assert shown.is_open
    assert not order_report(replace(ORDER, state="void")).is_open
    assert shown.created == NOW
    assert shown.expires is None


def test_a_fill_shows_its_fee_to_the_micro_dollar() -> None:
    shown = fill_report(FILL)

    assert (shown.side, shown.role, shown.fee) == ("bid", "taker", "0.017472")


def test_what_is_not_known_of_a_position_is_null_and_never_zero() -> None:
    shown = position_report(POSITION)

    assert (shown.average, shown.unrealized, shown.venue_position) == (None, None, None)
    assert (shown.position, shown.realized) == ("-1.50", "-0.000001")


def test_an_account_that_was_not_read_has_no_numbers() -> None:
    shown = trading(off_report("active", "trading is not switched on"))

    assert shown.positions is None
    assert (shown.pnl.is_read, shown.pnl.stale_reason, shown.pnl.stale_since) == (
        False, "trading is not switched on", None,
    )  # fmt: skip
    assert (shown.pnl.balance, shown.pnl.total, shown.pnl.realized, shown.pnl.fees, shown.pnl.worst_case) == (None,) * 5
    assert shown.pnl.resting is None


def test_a_stale_account_keeps_its_last_numbers_and_says_why_and_since_when() -> None:
    report = replace(
        off_report("active", "off"),
        positions=(POSITION,),
        realized=Money(1_000_000),
        unrealized=Money(779_400),
        fees=Money(0),
        is_read=True,
        stale_reason="the account is not heard: cut",
        stale_since_us=NOW_US,
    )
    shown = trading(report)

    assert shown.positions == [position_report(POSITION)]
    assert (shown.pnl.total, shown.pnl.is_read) == ("1.779400", True)
    assert (shown.pnl.stale_reason, shown.pnl.stale_since) == ("the account is not heard: cut", NOW)


def test_limits_stand_with_the_most_used_first_each_in_its_unit() -> None:
    report = replace(
        off_report("active", "off"),
        limits=(
            LimitLine(rule="RISK_OPEN_ORDERS", scope="all", used=1, limit=10, unit="orders"),
            LimitLine(rule="RISK_NOTIONAL", scope="all", used=50_000_000, limit=100_000_000, unit="usd/1e6"),
            LimitLine(rule="RISK_NONE", scope="all", used=0, limit=0, unit="contracts/100"),
        ),
    )
    limits = trading(report).limits.limits

    assert [(limit.rule, limit.used, limit.limit, limit.unit, limit.share) for limit in limits] == [
        ("RISK_NOTIONAL", "50.000000", "100.000000", "USD", 0.5),
        ("RISK_OPEN_ORDERS", "1", "10", "orders", 0.1),
        ("RISK_NONE", "0.00", "0.00", "contracts", 0.0),
    ]


def test_refusals_say_who_refused_and_differences_both_numbers() -> None:
    report = replace(
        off_report("active", "off"),
        refusals=(RefusalLine(rule="R", why="w", ticker="T", strategy="s", by="gateway", times=3, at_us=NOW_US),),
        differences=(
            DifferenceLine(what="position", key="T", ours="1.00", venue="2.00", since_us=NOW_US, is_settled=False),
        ),
    )
    shown = trading(report)

    assert [(refusal.by, refusal.times) for refusal in shown.decision.refusals] == [("gateway", 3)]
    assert [(one.ours, one.venue) for one in shown.recon.differences] == [("1.00", "2.00")]


async def test_the_rest_is_shown_when_it_changed_and_only_what_changed(autojump_clock: trio.testing.MockClock) -> None:
    made = Made(steady_s=trio.current_time)
    hub = made.hub()
    client, _ = hub.join(batch_ms=0, epoch=None, last_seq=None)
    report = replace(made.trading, positions=(POSITION,))
    made.trading = report
    kept = trading(report)
    hub.picture.sources = replace(hub.picture.sources, trading=lambda: kept)
    broadcaster = Broadcaster(hub, EventBus(), LogTap(), loop_lag=Latency(), cut=lambda _: None)
    broadcaster._show_trading()
    first = _kinds(client)
    broadcaster._show_trading()
    kept = trading(replace(report, positions=(replace(POSITION, position=Qty(0)),)))
    broadcaster._show_trading()

    assert first == ["decision", "limits", "pnl", "position", "recon"]
    assert _kinds(client) == ["position"]


def test_orders_and_fills_are_of_the_log() -> None:
    assert {"order", "fill"} <= messages.LOGGED & messages.URGENT


def _kinds(client: Client) -> list[str]:
    frames = client.take()
    return sorted(str(msgspec.json.decode(frame.payload)["type"]) for frame in frames)
