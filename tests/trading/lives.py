"""Traders that live and die, one after another, before an exchange that stays: all in memory, on a virtual clock.

A death is a kill -9 at one moment of an order's life: nothing more is written, every connection is cut, and a request
that was on the wire may still arrive, at once, late, or never.
"""

import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final

import httpx2
import trio

from traderv3.clients.door import Door, Wires
from traderv3.clients.doors import open_door
from traderv3.config.endpoints import Endpoint, parse_endpoint
from traderv3.config.environment import Environment
from traderv3.config.markets import AutoMarkets
from traderv3.config.secret import Secret
from traderv3.config.settings import Settings
from traderv3.console.log_tap import LogTap
from traderv3.coordinator import Trader
from traderv3.core.lifeline import Lifeline
from traderv3.domain.execution import Request
from traderv3.domain.states import State
from traderv3.domain.units import Price, Qty
from traderv3.exchange.exchange import Exchange
from traderv3.exchange.floor import Floor
from traderv3.exchange.market import made_up
from traderv3.exchange.records import Filled, MemberFact, OrderRecord, OrderStatus
from traderv3.exchange.server import Server
from traderv3.outside import Outside
from traderv3.protocol.signing import Signer, load_private_key
from traderv3.simulation.disk import Disk
from traderv3.simulation.network import Connection, Network
from traderv3.simulation.scheduler import run_seeded
from traderv3.simulation.trace import Trace
from traderv3.simulation.venue import KEY_ID, _write_key
from traderv3.simulation.world import EPOCH_US, StillWatchdog
from traderv3.trading.strategies.spread_maker import SpreadMakerParameters

API: Final = parse_endpoint("http://127.0.0.1:8010/trade-api/v2", Environment.SIM, "api")
WS: Final = parse_endpoint("ws://127.0.0.1:8010/trade-api/ws/v2", Environment.SIM, "ws")
LATENCY_S: Final = (0.001, 0.03)
LATE_S: Final = (0.0, 2.0)  # on the wire at the kill, and there all the same
MARKETS: Final = 4
ORDERS: Final = "/portfolio/events/orders"

# The moments of an order's life at which a trader may be killed.
STEPS: Final = ("decided", "kept", "on the wire", "accepted", "answered", "filled", "cancelling", "any time")

QUOTING: Final = SpreadMakerParameters(
    size=Qty(5_00),
    position_max=Qty(40_00),
    spread_min=Price(200),
    edge=Price(50),
    skew=Price(10),
    requote=Price(100),
    price_min=Price(500),
    ttl_s=20,
)


def now_us() -> int:
    """The one clock of this world."""
    return EPOCH_US + int(trio.current_time() * 1e6)


class Console:
    """A web server that serves nobody."""

    port = 8005
    is_serving = False

    async def run(self, lifeline: Lifeline) -> None:
        self.is_serving = True
        lifeline.started()
        await lifeline.stopping.wait()


class Wire(httpx2.AsyncBaseTransport):
    """REST of one life."""

    def __init__(self, life: "Life") -> None:
        self._life = life

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        life, world = self._life, self._life.world
        is_order = request.method == "POST" and request.url.path.endswith(ORDERS)
        is_cancel = request.method == "DELETE" and ORDERS in request.url.path
        await trio.sleep(world.rng.uniform(*LATENCY_S))
        if (is_order and life.is_due("on the wire")) or (is_cancel and life.is_due("cancelling")):
            if world.rng.random() < 0.7:
                world.arrive_late(request)
            await life.die()
        answer = world.carry(request)
        if is_order and life.is_due("accepted"):
            await life.die()
        await trio.sleep(world.rng.uniform(*LATENCY_S))
        if is_order and life.is_due("answered"):
            await life.die()
        return answer


class Life:
    """One trader from its start to its death. `dies_at`: which step's how-manieth occurrence kills it."""

    def __init__(self, world: "World", *, dies_at: tuple[str, int] | None = None) -> None:
        self.world = world
        self.scope = trio.CancelScope()
        self.is_over = trio.Event()
        self._dies_at = dies_at
        self._seen: Counter[str] = Counter()
        self._first_connection = len(world.network.connections)
        self.trader = Trader(
            world.settings,
            lambda _: Console(),
            wall_us=now_us,
            rng=random.Random(world.rng.random()),
            tap=LogTap(),
            token="token",
            door=self._door(),
            outside=Outside(watchdog=StillWatchdog, storage=world.disk.means(), kill_signals=None),
        )
        assert self.trader.execution is not None
        self.execution = self.trader.execution
        self._watch_steps()

    def _door(self) -> Door:
        def make_http(_: Endpoint) -> httpx2.AsyncBaseTransport:
            return Wire(self)

        wires = Wires(open_stream=self.world.network.open_stream, make_http=make_http)
        return open_door(API, WS, self.world.signer, wall_us=now_us, rng=self.world.rng, wires=wires)

    def _watch_steps(self) -> None:
        gateway, intents = self.execution.gateway, self.execution.intents
        assert gateway is not None
        submit, keep = gateway.submit, intents.keep

        def submit_and_maybe_die(requests: list[Request]) -> None:
            submit(requests)
            if any(type(request).__name__ == "Create" for request in requests) and self.is_due("decided"):
                self.scope.cancel()

        async def keep_and_maybe_die(requests: list[Request], at_us: int) -> None:
            await keep(requests, at_us)
            if any(type(request).__name__ == "Create" for request in requests) and self.is_due("kept"):
                await self.die()

        gateway.submit = submit_and_maybe_die  # type: ignore[method-assign,assignment]
        intents.keep = keep_and_maybe_die  # type: ignore[method-assign,assignment]

    def is_due(self, step: str) -> bool:
        """This step was reached; whether it is the one to die at."""
        if self._dies_at is None:
            return False
        self._seen[step] += 1
        return self._dies_at == (step, self._seen[step])

    async def die(self) -> None:
        """Here and now."""
        self.scope.cancel()
        await trio.lowlevel.checkpoint()

    async def run(self) -> None:
        """Live until killed or stopped."""
        try:
            with self.scope:
                await self.trader.run()
        finally:
            for connection in self.world.network.connections[self._first_connection :]:
                connection.reset("its process is gone")
            disk = self.execution.intents._disk
            if disk._lock is not None:  # the kernel takes a dead process's locks away
                os.close(disk._lock)
            self.is_over.set()

    @property
    def state(self) -> State:
        return self.trader.pilot.machine.state

    async def until(self, is_so: Callable[[], bool], within_s: float) -> float:
        """Seconds until it is so; fails when they are more than allowed."""
        began = trio.current_time()
        while not is_so():
            took_s = trio.current_time() - began
            assert took_s <= within_s, f"{self.state} after {took_s:.1f} s: {self.execution.engine.obstacle}"
            await trio.sleep(0.01)
        return trio.current_time() - began


class World:
    """The exchange, its participants, the network and the disk, over all lives."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = random.Random(f"lives:{seed}")
        self.network = Network(random.Random(f"network:{seed}"), Trace())
        self.disk = Disk(random.Random(f"disk:{seed}"))
        pem = _write_key(folder / "exchange" / "private_key.pem", seed)
        private = (folder / "exchange" / "private_key.pem").read_text(encoding="ascii")
        self.signer = Signer(KEY_ID, load_private_key(private))
        floor = Floor(made_up(seed, MARKETS), now_ms=lambda: now_us() // 1000)
        self.exchange = Exchange(floor, now_us=now_us, seed=seed, tier="basic", activity=self.rng.choice((2.0, 8.0)))
        self.member = self.exchange.add_member(KEY_ID, pem)
        self.heard: list[MemberFact] = []
        hear = floor.on_fact

        def overhear(fact: MemberFact) -> None:
            hear(fact)
            self.heard.append(fact)
            if isinstance(fact, Filled) and self.life is not None and self.life.is_due("filled"):
                self.life.scope.cancel()

        floor.on_fact = overhear
        self.life: Life | None = None
        self.settings = Settings(
            environment=Environment.SIM,
            api=API,
            ws=WS,
            credentials=None,
            host="127.0.0.1",
            port=8005,
            markets=AutoMarkets(MARKETS),
            log_level="info",
            data_dir=folder,
            database_url=Secret(f"sqlite:///{folder / 'sim.db'}"),
            connections=None,
            control_token=None,
            dev_origin=None,
            strategy="spread_maker",
            strategy_parameters=QUOTING,
            enable_trading=True,
            arm_production=None,
        )
        self._nursery: trio.Nursery | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """The exchange listens."""
        server = Server(self.exchange)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery

            def accept(connection: Connection) -> None:
                nursery.start_soon(server.serve_stream, connection.exchange_end)

            self.network.accept = accept
            nursery.start_soon(self._drive)
            yield
            nursery.cancel_scope.cancel()

    async def _drive(self) -> None:
        while True:
            await trio.sleep(0.05)
            self.exchange.step(now_us())
            self.check()

    def start(self, dies_at: tuple[str, int] | None = None) -> Life:
        """A trader starts."""
        assert self._nursery is not None
        self.life = Life(self, dies_at=dies_at)
        self._nursery.start_soon(self.life.run)
        return self.life

    def carry(self, request: httpx2.Request) -> httpx2.Response:
        """The exchange takes a request and answers."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, body = self.exchange.http(
            request.method, request.url.raw_path.decode(), headers, bytes(request.content)
        )
        date = formatdate(now_us() / 1e6, usegmt=True)
        return httpx2.Response(status, headers={"date": date, "content-type": "application/json"}, content=body)

    def arrive_late(self, request: httpx2.Request) -> None:
        """It was on the wire; whoever sent it is gone."""
        assert self._nursery is not None
        late_s = self.rng.uniform(*LATE_S)

        async def arrive() -> None:
            await trio.sleep(late_s)
            self.carry(request)

        self._nursery.start_soon(arrive)

    # -- what must hold ------------------------------------------------------------------------------------------------

    @property
    def orders(self) -> list[OrderRecord]:
        """Every order of ours that the exchange ever had."""
        return list(self.exchange.replica.portfolio(self.member.user_id, now_us=now_us()).orders.values())

    @property
    def resting(self) -> list[OrderRecord]:
        return [order for order in self.orders if order.status is OrderStatus.RESTING]

    def check(self) -> None:
        """At every moment: no two orders of ours on one side of a market, none of one id."""
        sides = Counter((order.ticker, order.is_bid) for order in self.resting)
        assert max(sides.values(), default=0) <= 1, f"twice: {sides.most_common(2)}"
        ids = Counter(order.client_order_id for order in self.orders)
        assert max(ids.values(), default=0) <= 1, ids.most_common(1)

    def differences(self, life: Life) -> dict[str, Any]:
        """Where trader and exchange do not agree, to the micro-dollar; empty when they do."""
        portfolio = life.execution.portfolio
        account = self.exchange.desk.pit.ledger.account(self.member.user_id, 0)
        theirs = {ticker: position.count for ticker, position in account.positions.items() if position.count}
        ours = {ticker: position.count for ticker, position in portfolio.positions.items() if position.count}
        pairs: dict[str, tuple[Any, Any]] = {
            "positions": (ours, theirs),
            "cash": (portfolio.cash, account.cash),
            "free": (portfolio.free, account.free),
            "fees": (
                sum(position.fees for position in portfolio.positions.values()),
                sum(position.fees_paid for position in account.positions.values()),
            ),
            "orders": (
                {key: order.remaining for key, order in portfolio.open.items()},
                {order.client_order_id: order.remaining for order in self.resting},
            ),
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def live(seed: int, folder: Path, story: Callable[[World], Any]) -> Any:
    """Run a story on a virtual clock; the same seed tells the same one."""

    async def tell() -> Any:
        world = World(seed, folder)
        async with world.open():
            return await story(world)

    return run_seeded(tell, seed)
