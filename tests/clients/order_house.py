"""A gateway before the embedded exchange, on a virtual clock: requests in memory, answered by the exchange, or not."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx2
import trio

from tests.exchange.broker import Broker
from tests.exchange.listener import NOW_MS
from traderv3.clients.door import Door, Wires
from traderv3.clients.order_gateway import OrderGateway
from traderv3.config.endpoints import Endpoint, parse_endpoint
from traderv3.config.environment import Environment
from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import TraderError
from traderv3.domain.execution import Answer, Cancel, Create, Outcome, Request, Written
from traderv3.domain.orders import Approved, Draft
from traderv3.domain.permission import Mode, Stand
from traderv3.domain.units import CONTRACT, Price, Qty
from traderv3.exchange.exchange import Exchange
from traderv3.exchange.floor import Floor
from traderv3.exchange.market import made_up
from traderv3.exchange.records import OrderRecord, OrderStatus
from traderv3.storage.intent_log import IntentFile
from traderv3.storage.write_queue import on_the_spot

API = "http://127.0.0.1:8010/trade-api/v2"
WS = "ws://127.0.0.1:8010/trade-api/ws/v2"
GROUP_LIMIT = Qty(1_000_000)


@dataclass
class Wire(httpx2.AsyncBaseTransport):
    """Carries requests to the exchange. `befall` says what becomes of one: None, or a name of `FATES`."""

    exchange: Exchange
    latency_s: float = 0.001
    befall: Callable[[httpx2.Request], str | None] = lambda _: None
    asked: list[tuple[float, str]] = field(default_factory=list)  # when it came to the exchange, and what

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        fate = self.befall(request)
        if fate == "refused":
            raise httpx2.ConnectError("refused")
        await trio.sleep(self.latency_s)
        target = request.url.raw_path.decode()
        if fate == "lost":
            await trio.sleep(60)
        if fate is not None and fate.isdigit():  # an answer, and nothing was done
            body = b'{"error":{"code":"not_found"}}' if fate == "404" else b"{}"
            return httpx2.Response(int(fate), content=body)
        self.asked.append((trio.current_time(), f"{request.method} {target.removeprefix('/trade-api/v2')}"))
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = self.exchange.answer(request.method, target, headers, request.content)
        await trio.sleep(answer.hold_s + self.latency_s)
        if fate == "half" or answer.is_lost:
            raise httpx2.RemoteProtocolError("Server disconnected without sending a response.")
        if fate == "slow":
            await trio.sleep(60)
        body = b"<html>" if fate == "garbled" else answer.body
        date = formatdate(self.exchange.now_us() / 1e6, usegmt=True)
        return httpx2.Response(answer.status, headers={"date": date}, content=body)


class MemoryLatch:
    """A latch that a test moves."""

    def __init__(self) -> None:
        self.stand = Stand(Mode.ACTIVE, 0, "start", "nobody has said otherwise")
        self.on_change: Callable[[Stand], None] = lambda _: None

    async def set(self, mode: Mode, *, by: str, reason: str) -> Stand:
        self.stand = Stand(mode, 0, by, reason)
        self.on_change(self.stand)
        await trio.lowlevel.checkpoint()
        return self.stand


@dataclass
class House:
    """Everything that a test of the gateway touches."""

    exchange: Exchange
    broker: Broker  # the same member, by hand
    other: Broker
    wire: Wire
    door: Door
    gateway: OrderGateway
    intents: IntentFile
    latch: MemoryLatch
    answers: list[Answer]
    lifeline: Lifeline
    crash: Callable[[], None]  # ends the gateway's run, as a bug would
    ticker: str

    def draft(self, *, is_bid: bool = True, price: int = 3000, count: int = 10, **more: Any) -> Draft:
        size = Qty(count * CONTRACT)
        return Draft(strategy="test", ticker=self.ticker, is_bid=is_bid, price=Price(price), count=size, **more)

    def create(self, **more: Any) -> Create:
        return Create(self.intents.next_id(), Approved(self.draft(**more), self.exchange.now_us()))

    async def outcomes(self, requests: Sequence[Request], within_s: float = 10.0) -> list[Outcome]:
        """The last word on each."""
        with trio.fail_after(within_s):
            while True:
                last = {id(answer.request): answer.outcome for answer in self.answers}
                if all(_is_last(last.get(id(request))) for request in requests):
                    return [last[id(request)] for request in requests]
                await trio.sleep(0.001)

    async def submit(self, *requests: Request) -> list[Outcome]:
        self.gateway.submit(requests)
        return await self.outcomes(requests)

    @property
    def resting(self) -> list[OrderRecord]:
        """What rests of the member, by the desk's own word."""
        return [
            live.record
            for live in self.exchange.desk.pit.live.values()
            if live.record.user_id == self.broker.member.user_id and live.record.status is OrderStatus.RESTING
        ]

    async def until_ready(self) -> None:
        """The gateway has its order group."""
        with trio.fail_after(10):
            while not self.gateway._groups.is_complete:  # noqa: ASYNC110 - the product has no need of such an event
                await trio.sleep(0.001)

    def cancel_of(self, create: Create) -> Cancel:
        (order,) = [order for order in self.resting if order.client_order_id == create.client_order_id]
        return Cancel(create.client_order_id, order.order_id, order.ticker)


def _is_last(outcome: Outcome | None) -> bool:
    return outcome is not None and (not isinstance(outcome, Written) or outcome.is_dropped)


def door_of(wire: Wire, broker: Broker, now_us: Callable[[], int]) -> Door:
    def make_http(_: Endpoint) -> httpx2.AsyncBaseTransport:
        return wire

    api = parse_endpoint(API, Environment.SIM, "api")
    ws = parse_endpoint(WS, Environment.SIM, "ws")
    wires = Wires(make_http=make_http)
    return Door(api, ws, broker.signer, wall_us=now_us, rng=random.Random(1), wires=wires)


@dataclass
class Venue:
    """The exchange, with our member and another; it outlives the gateways before it."""

    exchange: Exchange
    broker: Broker
    other: Broker
    wire: Wire
    ticker: str


def venue(**more: Any) -> Venue:
    """An exchange where nobody trades but its members, on Trio's clock."""
    began = trio.current_time()

    def now_us() -> int:
        return NOW_MS * 1000 + int((trio.current_time() - began) * 1e6)

    markets = made_up(7)
    exchange = Exchange(Floor(markets, now_ms=lambda: now_us() // 1000), now_us=now_us, **more)
    broker, other = Broker(exchange, "ours"), Broker(exchange, "other")
    ticker = next(market.ticker for market in markets if market.structure == "linear_cent")
    return Venue(exchange, broker, other, Wire(exchange), ticker)


@asynccontextmanager
async def house(
    folder: Path, at: Venue | None = None, *, latch: MemoryLatch | None = None, is_ready: bool = True, **more: Any
) -> AsyncIterator[House]:
    """A gateway that runs until the block ends, which is as by kill -9."""
    at = at or venue(**more)
    now_us = at.exchange.now_us
    door = door_of(at.wire, at.broker, now_us)
    orders = door.open_orders(is_enabled=True, armed_key_id=None)
    intents = IntentFile(folder / "intents.jsonl", rng=random.Random(1), blocking=on_the_spot())
    latch = latch or MemoryLatch()
    answers: list[Answer] = []
    gateway = OrderGateway(
        lambda: orders,
        lambda: door.rest,
        intents,
        latch,
        deliver=answers.append,
        wall_us=now_us,
        rng=random.Random(2),
        group_limit=GROUP_LIMIT,
    )
    latch.on_change = gateway.on_latch
    lifeline = Lifeline()
    crashing = trio.CancelScope()

    async def run() -> None:
        with crashing:
            await gateway.run(lifeline)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        nursery.start_soon(_tick, at.exchange)
        made = House(
            at.exchange,
            at.broker,
            at.other,
            at.wire,
            door,
            gateway,
            intents,
            latch,
            answers,
            lifeline,
            crashing.cancel,
            at.ticker,
        )
        with suppress(TraderError):
            await door.rest.read_limits()
        if is_ready:
            await made.until_ready()
        yield made
        nursery.cancel_scope.cancel()
    intents.close()


async def _tick(exchange: Exchange) -> None:
    while True:
        await trio.sleep(0.1)
        exchange.step(exchange.now_us())
