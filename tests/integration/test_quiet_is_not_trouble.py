"""Half an hour on the virtual clock: connector, session, books, pilot and health together, over a real WebSocket in memory.

A market may say nothing for an hour; a socket with neither bytes nor pong for 30 s is dead.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec
import trio
import trio_websocket
from trio.testing import MockClock, memory_stream_pair

from traderv3.clients.orderbook_connector import OrderBookConnector
from traderv3.clients.selection import Selection
from traderv3.clients.transport import Transport, TransportLimits, open_transport
from traderv3.config.endpoints import parse_endpoint
from traderv3.config.environment import Environment
from traderv3.core.event_bus import EventBus
from traderv3.core.supervision import Backoff, ChildSpec, Strategy, SupervisorSpec
from traderv3.core.supervisor import supervise
from traderv3.domain.book import BookState
from traderv3.domain.errors import VenueRefused
from traderv3.domain.feed import Feed
from traderv3.domain.health import Level
from traderv3.domain.states import State
from traderv3.protocol.session import SessionLimits
from traderv3.telemetry.health import HealthJudge, find_causes
from traderv3.trading.pilot import Pilot

if TYPE_CHECKING:
    from traderv3.clients.door import Door

WS = parse_endpoint("ws://127.0.0.1:9/trade-api/ws/v2", Environment.SIM, "ws")
TICKERS = [f"KX-{number}" for number in range(20)]


@dataclass
class QuietVenue:
    """A door whose venue sends one snapshot a market and then nothing. `is_mute`: it does not even answer pings."""

    nursery: trio.Nursery
    is_mute: bool = False
    connects: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Transport]:
        ours, theirs = memory_stream_pair()
        self.connects.append(trio.current_time())
        self.nursery.start_soon(self._serve, theirs)
        async with open_transport(ours, WS, {}, TransportLimits()) as transport:
            yield transport

    async def _serve(self, stream: Any) -> None:
        request = await trio_websocket.wrap_server_stream(self.nursery, stream)
        socket = await request.accept()
        command = msgspec.json.decode(await socket.get_message())
        await self._say(
            socket, {"type": "subscribed", "id": command["id"], "msg": {"channel": "orderbook_delta", "sid": 1}}
        )
        for seq, ticker in enumerate(command["params"]["market_tickers"], start=1):
            body = {"market_ticker": ticker, "market_id": "", "clock": 1, "yes_dollars_fp": [["0.4500", "1.00"]]}
            await self._say(socket, {"type": "orderbook_snapshot", "sid": 1, "seq": seq, "msg": body})
        if self.is_mute:
            stream.send_stream.send_all = _swallow
        await trio.sleep_forever()

    async def _say(self, socket: trio_websocket.WebSocketConnection, message: dict[str, object]) -> None:
        await socket.send_message(msgspec.json.encode(message).decode())


async def _swallow(data: bytes) -> None:
    await trio.lowlevel.checkpoint()


@dataclass
class Desk:
    """What runs during the test."""

    venue: QuietVenue
    feed: Feed
    pilot: Pilot
    judge: HealthJudge = field(default_factory=HealthJudge)

    def level(self) -> Level:
        machine = self.pilot.machine
        causes = find_causes(
            machine.state,
            machine.context,
            self.feed,
            (),
            held_s=machine.held_s,
            lag_ms=0.0,
            log_lost=0,
            rest_trouble=None,
            now_us=now_us(),
        )
        return self.judge.judge(causes, now_us=now_us()).level


def now_us() -> int:
    return int(trio.current_time() * 1e6)


@asynccontextmanager
async def trading_desk(*, is_mute: bool = False) -> AsyncIterator[Desk]:
    feed, bus, selection, rng = Feed(), EventBus(), Selection(), random.Random(1)
    selection.make(TICKERS)
    pilot = Pilot(feed, bus, is_served=lambda: True, wall_us=now_us, rng=rng, backoff=Backoff(2.0, 30.0))
    async with trio.open_nursery() as nursery:
        venue = QuietVenue(nursery, is_mute)
        connector = OrderBookConnector(
            cast("Door", venue),
            selection,
            feed,
            bus,
            wall_us=now_us,
            rng=rng,
            give_up=_give_up,
            backoff=Backoff(0.2, 20.0),
            limits=SessionLimits(),
        )
        tree = SupervisorSpec(
            name="root",
            strategy=Strategy.ONE_FOR_ONE,
            children=(
                ChildSpec(name="bus", run=bus.run),
                ChildSpec(name="pilot", run=pilot.run, heartbeat_s=30.0),
                ChildSpec(name="connector", run=connector.run, heartbeat_s=60.0),
            ),
        )
        tell = {"wall_us": now_us, "rng": rng, "report": bus.publish, "abort": _fail}
        nursery.start_soon(partial(supervise, tree, trio.Event(), **tell))  # type: ignore[arg-type]
        yield Desk(venue, feed, pilot)
        nursery.cancel_scope.cancel()


async def _give_up(refusal: VenueRefused) -> None:
    raise AssertionError(refusal)


def _fail(reason: str) -> None:
    raise AssertionError(reason)


async def test_thirty_minutes_of_silence_on_every_market_leave_it_ready_and_healthy(autojump_clock: MockClock) -> None:
    async with trading_desk() as desk:
        await trio.sleep(5)
        for _ in range(180):
            await trio.sleep(10)
            assert desk.pilot.machine.state is State.READY
            assert desk.level() is Level.HEALTHY

        assert len(desk.venue.connects) == 1
        assert {book.state for book in desk.feed.books.values()} == {BookState.LIVE}


async def test_a_socket_with_neither_bytes_nor_pong_for_thirty_seconds_is_dead(autojump_clock: MockClock) -> None:
    async with trading_desk(is_mute=True) as desk:
        await trio.sleep(25)
        assert desk.pilot.machine.state is State.READY
        await trio.sleep(10)

        assert len(desk.venue.connects) == 2
        assert 29.0 <= desk.venue.connects[1] - desk.venue.connects[0] <= 33.0
        assert desk.feed.counters.reconnects == 1
