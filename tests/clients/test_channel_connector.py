"""The connection for other channels on a virtual clock: facts handed on, losses told, the key proven by others first."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import msgspec
import trio
from trio.testing import MockClock

from tests.clients.scripted_door import BACKOFF, RecordingBus, wall_us
from traderv3.clients.channel_connector import ChannelConnector
from traderv3.config.limits import LIMITS
from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import ConnectivityError, VenueRefused
from traderv3.domain.events import ConnectionLost, ConnectionUp, StreamGap
from traderv3.domain.feed import Feed, Link
from traderv3.domain.market_facts import MarketFact, MarketLifecycle

if TYPE_CHECKING:
    from traderv3.clients.door import Door


class LifecycleDoor:
    """A venue in memory that serves one lifecycle channel, and can be cut or refuse."""

    def __init__(self) -> None:
        self.proven = trio.Event()
        self.refusal: VenueRefused | None = None
        self.attempts: list[float] = []
        self.seq = 0
        self._tell: trio.MemorySendChannel[list[bytes]] | None = None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["LifecycleDoor"]:
        self.attempts.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.refusal is not None:
            raise self.refusal
        self._tell, self._heard = trio.open_memory_channel[list[bytes]](100)
        self.seq = 0
        yield self

    async def send(self, command: bytes) -> None:
        await trio.lowlevel.checkpoint()
        asked = msgspec.json.decode(command)
        body = {"channel": asked["params"]["channels"][0], "sid": 1}
        self.say({"type": "subscribed", "id": asked["id"], "msg": body})

    async def receive_batch(self) -> list[bytes]:
        try:
            return await self._heard.receive()
        except trio.EndOfChannel:
            raise ConnectivityError("cut") from None

    def say(self, message: dict[str, Any]) -> None:
        assert self._tell is not None
        self._tell.send_nowait([msgspec.json.encode(message)])

    def settle(self, ticker: str) -> None:
        self.seq += 1
        body = {"event_type": "settled", "market_ticker": ticker, "settled_ts": 1}
        self.say({"type": "market_lifecycle_v2", "sid": 1, "seq": self.seq, "msg": body})

    def cut(self) -> None:
        assert self._tell is not None
        self._tell.close()


class Rig:
    """The connector and everything it tells."""

    def __init__(self) -> None:
        self.door = LifecycleDoor()
        self.feed = Feed()
        self.bus = RecordingBus()
        self.facts: list[MarketFact] = []
        self.missed = 0
        self.lifeline = Lifeline()
        self.connector = ChannelConnector(
            "lifecycle_connector",
            lambda: {"market_lifecycle_v2": None},
            lambda: 0,
            cast("Door", self.door),
            self.feed,
            self.bus,
            deliver=self.facts.append,
            missed=self._miss,
            wall_us=wall_us,
            rng=random.Random(1),
            backoff=BACKOFF,
        )

    def _miss(self) -> None:
        self.missed += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.connector.run, self.lifeline)
            await trio.sleep(1)
            yield
            nursery.cancel_scope.cancel()


async def test_nothing_is_tried_before_the_key_is_proven(autojump_clock: MockClock) -> None:
    rig = Rig()
    async with rig.running():
        await trio.sleep(3600)
        before = len(rig.door.attempts)
        alive_s = trio.current_time() - rig.lifeline.last_beat
        rig.door.proven.set()
        await trio.sleep(1)

        assert rig.feed.lines["lifecycle_connector"].link is Link.CONNECTED
        assert rig.feed.link is Link.DISCONNECTED  # books are what the feed's link is about
    assert before == 0
    assert alive_s < LIMITS.heartbeat_s


async def test_facts_are_handed_on_in_order(autojump_clock: MockClock) -> None:
    rig = Rig()
    rig.door.proven.set()
    async with rig.running():
        rig.door.settle("A")
        rig.door.settle("B")
        await trio.sleep(1)

    assert [(fact.ticker, fact.event_type) for fact in rig.facts if isinstance(fact, MarketLifecycle)] == [
        ("A", "settled"),
        ("B", "settled"),
    ]
    assert rig.missed == 1  # whatever was told before we came


async def test_every_loss_is_told_a_gap_and_a_lost_connection(autojump_clock: MockClock) -> None:
    rig = Rig()
    rig.door.proven.set()
    async with rig.running():
        rig.door.settle("A")
        rig.door.seq += 1
        rig.door.settle("C")
        await trio.sleep(1)
        after_gap = rig.missed
        rig.door.cut()
        await trio.sleep(LIMITS.reconnect_most_s)

        assert rig.feed.lines["lifecycle_connector"].link is Link.CONNECTED
    assert (after_gap, rig.missed) == (2, 3)
    assert len(rig.facts) == 2
    assert len(rig.bus.of(StreamGap)) == 1
    assert len(rig.bus.of(ConnectionUp)) == 2
    assert len(rig.bus.of(ConnectionLost)) == 1


async def test_a_venue_that_refuses_is_not_hammered(autojump_clock: MockClock) -> None:
    rig = Rig()
    rig.door.proven.set()
    rig.door.refusal = VenueRefused("HTTP 401", status=401)
    async with rig.running():
        await trio.sleep(600)

    assert len(rig.door.attempts) < 50
    assert rig.feed.lines["lifecycle_connector"].reason == "HTTP 401"
