"""The console without sockets: the stand-in of the web server, and browsers that come, read, stop reading and vanish.

Hub, broadcaster and conversations are the real ones; a browser is two functions, as for a WebSocket.
"""

import math
import random
from collections.abc import Callable
from typing import Final

import msgspec
import trio

from traderv3.console.conversation import Conversation
from traderv3.console.hub import Hub
from traderv3.coordinator import Trader
from traderv3.core.lifeline import Lifeline

COMES_S: Final = (0.0, 40.0)
STAYS_S: Final = (1.0, 60.0)


def talk_with(trader: Trader) -> Conversation:
    """A conversation as the app makes it."""
    return Conversation(trader.desk.hub, trader.desk.gate)


class Vanished(Exception):
    """The browser is gone."""


class _Head(msgspec.Struct):
    type: str
    seq: int = 0


class SimulatedConsole:
    """Stands where `console.web_server.WebServer` stands; `talk` makes a conversation for each browser."""

    name = "web_server"
    port = 8005

    def __init__(
        self, hub: Hub, talk: Callable[[], Conversation], rng: random.Random, *, browsers: int, stops: bool
    ) -> None:
        self.is_serving = False
        self.received = 0
        self._hub = hub
        self._talk = talk
        self._rng = rng
        self._browsers = browsers
        self._stops = stops

    async def run(self, lifeline: Lifeline) -> None:
        """Serve until asked to stop or cancelled."""
        self._hub.stopping = trio.Event()
        try:
            async with trio.open_nursery() as nursery:
                self.is_serving = True
                lifeline.started()
                for _ in range(self._browsers):
                    nursery.start_soon(self._come_and_go)
                await lifeline.stopping.wait()
                self._hub.stopping.set()
                nursery.cancel_scope.cancel()
        finally:
            self._hub.stopping.set()
            self.is_serving = False

    async def _come_and_go(self) -> None:
        rng = self._rng
        epoch: str | None = None
        last_seq: int | None = None
        while True:
            await trio.sleep(rng.uniform(*COMES_S))
            browser = _Browser(
                stays_s=rng.uniform(*STAYS_S),
                reads_s=rng.uniform(0.0, 20.0) if self._stops and rng.random() < 0.5 else math.inf,
            )
            client, first = self._hub.join(batch_ms=rng.choice((0, 50, 250)), epoch=epoch, last_seq=last_seq)
            try:
                await self._talk().run(client, first, browser.send, browser.receive)
            except* Vanished:
                pass
            self.received += browser.received
            epoch, last_seq = (self._hub.epoch, browser.last_seq) if rng.random() < 0.5 else (None, None)


class _Browser:
    """One visit. From `reads_s` on it reads no more; after `stays_s` it is gone."""

    def __init__(self, *, stays_s: float, reads_s: float) -> None:
        now_s = trio.current_time()
        self.received = 0
        self.last_seq: int | None = None
        self._leaves_at = now_s + stays_s
        self._stops_at = now_s + reads_s

    async def send(self, frame: str) -> None:
        """One frame of the hub's."""
        await trio.lowlevel.checkpoint()
        if trio.current_time() >= self._stops_at:
            await trio.sleep_forever()
        head = msgspec.json.decode(frame, type=_Head)
        if head.type not in ("batch", "connection"):  # the latter tells the newest number, and what was missed follows
            assert self.last_seq is None or head.seq >= self.last_seq, "the numbers of a console go back"
            self.last_seq = head.seq
        self.received += 1

    async def receive(self) -> str:
        """What the person asks for: a ping now and then, and then nothing more."""
        await trio.sleep(min(10.0, max(0.0, self._leaves_at - trio.current_time())))
        if trio.current_time() >= self._leaves_at:
            raise Vanished
        return '{"type":"ping"}'
