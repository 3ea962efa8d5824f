"""Our account from the socket and by REST, before the real exchange: every fill once, whatever is lost, doubled or late."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
import trio
from trio.testing import MockClock

from tests.clients.order_house import Venue, door_of, venue
from tests.clients.scripted_door import BACKOFF, RecordingBus
from traderv3.clients.account_connector import READ_S, AccountConnector
from traderv3.clients.account_reads import AccountReader
from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import ConnectivityError, TraderError
from traderv3.domain.execution import AccountFact, Missed
from traderv3.domain.feed import Feed
from traderv3.domain.market_facts import Fill, MarketFact, MarketPosition, OrderGroupUpdate, UserOrder
from traderv3.exchange.client_commands import Commands
from traderv3.exchange.faults import Faults

if TYPE_CHECKING:
    from traderv3.clients.door import Door


@dataclass
class MemberDoor:
    """The venue's socket in memory; `loses` says which frames nobody gets, and it can be cut."""

    at: Venue
    loses: Callable[[bytes], bool] = lambda _: False
    doubles: bool = False
    proven: trio.Event = field(default_factory=trio.Event)
    is_cut: bool = False

    def __post_init__(self) -> None:
        self.rest = door_of(self.at.wire, self.at.broker, self.at.exchange.now_us).rest
        self.proven.set()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["MemberDoor"]:
        await trio.lowlevel.checkpoint()
        if self.is_cut:
            raise ConnectivityError("cut")
        self.session = self.at.exchange.open_session(self.at.broker.member.user_id)
        self._commands = Commands(self.session)
        yield self

    async def send(self, command: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._commands.receive(command)

    async def receive_batch(self) -> list[bytes]:
        while True:
            await trio.sleep(0.01)
            if self.is_cut:
                raise ConnectivityError("cut")
            frames = [frame for frame in self.session.take() if not self.loses(frame)]
            if frames:
                return frames * (2 if self.doubles else 1)


@dataclass
class Rig:
    """A connector and what it told."""

    at: Venue
    door: MemberDoor
    told: list[AccountFact | Missed]
    recorded: list[MarketFact]
    connector: AccountConnector

    def trade(self, price: str = "0.4000", count: str = "1.00") -> None:
        """We buy from the other member."""
        self.at.other.placed(self.at.ticker, "ask", price, count)
        self.at.broker.placed(self.at.ticker, "bid", price, count)

    def of(self, kind: type) -> list[AccountFact | Missed]:
        return [fact for fact in self.told if isinstance(fact, kind)]


@asynccontextmanager
async def listening() -> AsyncIterator[Rig]:
    at = venue()
    door = MemberDoor(at)
    told: list[AccountFact | Missed] = []
    recorded: list[MarketFact] = []
    connector = AccountConnector(
        lambda: cast("Door", door),
        Feed(),
        RecordingBus(),
        deliver=told.append,
        record=recorded.append,
        wall_us=at.exchange.now_us,
        rng=random.Random(1),
        backoff=BACKOFF,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connector.run, Lifeline())
        await trio.sleep(1)
        yield Rig(at, door, told, recorded, connector)
        nursery.cancel_scope.cancel()


async def test_everything_that_happens_is_told_once(autojump_clock: MockClock) -> None:
    async with listening() as rig:
        group = rig.at.broker.call("POST", "/portfolio/order_groups/create", {"contracts_limit_fp": "5.00"})[1]
        rig.trade()
        rig.door.doubles = True
        rig.trade("0.4100")
        await trio.sleep(60)

        assert isinstance(rig.told[0], Missed)
        fills = [fact for fact in rig.told if isinstance(fact, Fill)]
        assert [(fill.yes_price, fill.count, fill.position) for fill in fills] == [(4000, 100, 100), (4100, 100, 200)]
        assert {fact.status for fact in rig.told if isinstance(fact, UserOrder)} == {"executed"}
        assert [fact.position for fact in rig.of(MarketPosition)][-1] == 200  # type: ignore[union-attr]
        assert [fact.order_group_id for fact in rig.of(OrderGroupUpdate)] == [group["order_group_id"]]  # type: ignore[union-attr]
        assert rig.recorded == [fact for fact in rig.told if not isinstance(fact, Missed)]


async def test_a_fill_that_the_socket_lost_is_found_by_reading(autojump_clock: MockClock) -> None:
    async with listening() as rig:
        rig.door.loses = lambda frame: b'"fill"' in frame
        rig.trade()
        await trio.sleep(2 * READ_S + 1)
        rig.door.loses = lambda _: False
        rig.trade()
        await trio.sleep(2 * READ_S + 1)

        fills = [fact for fact in rig.told if isinstance(fact, Fill)]
        assert len(fills) == 2
        assert [fill.position for fill in fills] == [None, 200]
        assert rig.of(Fill) == [fact for fact in rig.recorded if isinstance(fact, Fill)]


async def test_a_lost_connection_is_told_in_band_and_made_up_for(autojump_clock: MockClock) -> None:
    async with listening() as rig:
        rig.door.is_cut = True
        await trio.sleep(1)
        rig.trade()
        await trio.sleep(5)
        before = len(rig.of(Missed))
        rig.door.is_cut = False
        await trio.sleep(30)

        assert len(rig.of(Missed)) == before + 1
        assert [fill.count for fill in rig.of(Fill)] == [100]  # type: ignore[union-attr]


async def test_reads_that_lag_are_waited_out(autojump_clock: MockClock) -> None:
    async with listening() as rig:
        rig.at.exchange.set_faults(Faults(stale_reads=9.0))
        rig.door.loses = lambda frame: b'"fill"' in frame
        for _ in range(5):
            rig.trade()
            await trio.sleep(3)
        await trio.sleep(40)

        assert len(rig.of(Fill)) == 5


async def test_a_venue_without_rest_is_no_reason_to_stop_listening(autojump_clock: MockClock) -> None:
    async with listening() as rig:
        rig.at.wire.befall = lambda _: "500"
        await trio.sleep(60)
        rig.trade()
        await trio.sleep(1)

        assert len(rig.of(Fill)) == 1


# -- the account read whole --------------------------------------------------------------------------------------------


def reader_of(at: Venue) -> AccountReader:
    rest = door_of(at.wire, at.broker, at.exchange.now_us).rest
    return AccountReader(lambda: rest, wall_us=at.exchange.now_us)


async def test_a_snapshot_is_the_account(autojump_clock: MockClock) -> None:
    at = venue()
    resting = at.broker.placed(at.ticker, "bid", "0.1000", "7.00", client_order_id="rests")
    gone = at.broker.placed(at.ticker, "bid", "0.1100", "1.00", client_order_id="gone")
    at.broker.cancel(gone)
    at.other.placed(at.ticker, "ask", "0.4000", "3.00")
    at.broker.placed(at.ticker, "bid", "0.4000", "3.00", client_order_id="filled")
    await trio.sleep(1)
    snapshot = await reader_of(at).snapshot(at.exchange.now_us() - 60_000_000)

    orders = {order.client_order_id: order for order in snapshot.orders}
    assert {name: order.status for name, order in orders.items()} == {
        "rests": "resting",
        "gone": "canceled",
        "filled": "executed",
    }
    assert (orders["rests"].order_id, orders["rests"].remaining, orders["rests"].is_yes) == (resting, 700, True)
    assert [(fill.count, fill.is_yes, fill.is_taker, fill.position) for fill in snapshot.fills] == [
        (300, True, True, None)
    ]
    (held,) = snapshot.positions
    assert (held.ticker, held.position) == (at.ticker, 300)
    assert snapshot.fills[0].fee == held.fees_paid
    assert snapshot.as_of_us >= snapshot.asked_us
    told = at.broker.get("/portfolio/balance")["balance_dollars"]
    assert f"{snapshot.balance / 1_000_000:.6f}".startswith(told)


@pytest.mark.parametrize(("result", "value"), [("yes", 10_000), ("no", 0), ("scalar", 3_337), ("scalar", 5_000)])
@pytest.mark.parametrize("side", ["bid", "ask"])
async def test_a_settlement_says_what_a_contract_paid(
    side: str, result: str, value: int, autojump_clock: MockClock
) -> None:
    at = venue()
    at.other.placed(at.ticker, "ask" if side == "bid" else "bid", "0.4000", "3.07")
    at.broker.placed(at.ticker, side, "0.4000", "3.07")
    at.exchange.desk.close(at.ticker)
    at.exchange.desk.determine(at.ticker, result, value if result == "scalar" else None)
    at.exchange.desk.settle(at.ticker)
    await trio.sleep(1)
    snapshot = await reader_of(at).snapshot(0)

    assert [(paid.ticker, paid.value) for paid in snapshot.settlements] == [(at.ticker, value)]
    assert snapshot.positions == ()


async def test_what_rests_is_in_the_snapshot_however_old(autojump_clock: MockClock) -> None:
    at = venue()
    at.broker.placed(at.ticker, "bid", "0.1000", "7.00", client_order_id="old")
    await trio.sleep(3600)
    snapshot = await reader_of(at).snapshot(at.exchange.now_us())

    assert [order.client_order_id for order in snapshot.orders] == ["old"]


async def test_many_pages_are_one_account(autojump_clock: MockClock) -> None:
    at = venue()
    for number in range(1100):
        at.broker.placed(at.ticker, "bid", "0.0100", "0.01", client_order_id=f"o-{number}")
    snapshot = await reader_of(at).snapshot(0)

    assert {order.client_order_id for order in snapshot.orders} == {f"o-{number}" for number in range(1100)}


@pytest.mark.parametrize("status", ["resting", "canceled", "executed"])
async def test_an_order_is_read_with_our_own_id_whatever_its_status(status: str, autojump_clock: MockClock) -> None:
    at = venue()
    if status == "executed":
        at.other.placed(at.ticker, "ask", "0.4000", "1.00")
    order_id = at.broker.placed(at.ticker, "bid", "0.4000", "1.00", client_order_id="ours")
    if status == "canceled":
        at.broker.cancel(order_id)
    snapshot = await reader_of(at).snapshot(at.exchange.now_us())

    assert [(order.order_id, order.client_order_id, order.status) for order in snapshot.orders] == [
        (order_id, "ours", status)
    ]


async def test_numbered_subaccounts_are_none_of_ours(autojump_clock: MockClock) -> None:
    async with listening() as rig:
        at = rig.at
        at.exchange.desk.open_account(at.broker.member.user_id, balance=1_000_000_000, subaccount=3)
        at.other.placed(at.ticker, "ask", "0.4000", "1.00")
        at.broker.placed(at.ticker, "bid", "0.4000", "1.00", subaccount=3)
        at.broker.placed(at.ticker, "bid", "0.1000", "1.00", subaccount=3)
        await trio.sleep(30)
        snapshot = await reader_of(at).snapshot(0)

        assert [fact for fact in rig.told if not isinstance(fact, Missed)] == []
        assert (snapshot.orders, snapshot.fills, snapshot.positions) == ((), (), ())


async def test_an_error_is_not_absence(autojump_clock: MockClock) -> None:
    at = venue()
    at.wire.befall = lambda _: "500"

    with pytest.raises(TraderError):
        await reader_of(at).snapshot(0)
