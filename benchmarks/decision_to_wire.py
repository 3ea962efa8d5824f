"""From the decision to the wire: how long an order takes until its last byte is the kernel's, with RSA and Ed25519 keys.

    signing   the three access headers of one request
    client    the order's door with its permit: build, pay the rate limit's tokens, sign, write  (`order_rest`)
    gateway   what a strategy's decision goes through: intent on the disk (fsync) first, then the client  (`order_gateway`)

One order at a time to `traderv3 exchange` in a process of its own, over a connection that is kept open. Each order rests far
below the market; the time ends when `send_all` of its last bytes has returned, the answer is not in it.
Run: python -m benchmarks.decision_to_wire [--quick]
"""

import logging
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

import structlog
import trio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from benchmarks.processes import QUIET, exchange
from benchmarks.rounds import Report, arguments, percentile, spread
from traderv3.clients.door import Door
from traderv3.clients.doors import open_door
from traderv3.clients.order_gateway import OrderGateway
from traderv3.clients.order_rest import OrderRest
from traderv3.config.endpoints import parse_endpoint
from traderv3.config.environment import Environment
from traderv3.core.clock import wall_us
from traderv3.core.lifeline import Lifeline
from traderv3.domain.execution import Answer, Create, Written
from traderv3.domain.orders import Approved, Draft
from traderv3.domain.permission import Mode, Stand
from traderv3.domain.units import Price, Qty
from traderv3.protocol.order_requests import create_orders
from traderv3.protocol.signing import Signer
from traderv3.storage.intent_log import IntentFile
from traderv3.storage.write_queue import in_thread

ORDERS, QUICK_ORDERS = 300, 50
SIGNATURES: Final = 500
ROUNDS, QUICK_ROUNDS = 5, 1
PAUSE_S: Final = 0.002  # between two orders, so that each meets an idle loop
PRICE: Final = Price(100)
READY_S: Final = 10.0


class Open:
    """A latch that lets everything pass."""

    stand = Stand(Mode.ACTIVE, 0, "benchmark", "")

    async def set(self, mode: Mode, *, by: str, reason: str) -> Stand:
        """Nobody moves it."""
        raise AssertionError(mode)


class Writes:
    """Notes when the bytes of a request were last taken by the kernel."""

    def __init__(self) -> None:
        self.last_s = 0.0

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Look at every socket's writes."""
        send_all = trio.SocketStream.send_all

        async def send_and_note(stream: trio.SocketStream, data: Any) -> None:
            await send_all(stream, data)
            self.last_s = time.perf_counter()

        with mock.patch.object(trio.SocketStream, "send_all", send_and_note):
            yield


def known_to_the_exchange(folder: Path, keys: dict[str, Any]) -> list[str]:
    """The arguments by which an exchange knows these keys."""
    arguments = []
    for name, key in keys.items():
        path = folder / f"{name}.pem"
        public = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        path.write_bytes(key.public_key().public_bytes(*public))
        arguments += ["--key-id", name, "--public-key", str(path)]
    return arguments


def signing_us(signer: Signer) -> list[float]:
    """Microseconds of each of many signatures."""
    found = []
    for at_ms in range(SIGNATURES):
        began = time.perf_counter()
        signer.headers("POST", "/trade-api/v2/portfolio/events/orders", at_ms=1_795_000_000_000 + at_ms)
        found.append((time.perf_counter() - began) * 1e6)
    return found


@asynccontextmanager
async def doors(port: int, signer: Signer) -> AsyncIterator[tuple[Door, OrderRest]]:
    """The doors to the exchange, for reading and for orders."""
    api = parse_endpoint(f"http://127.0.0.1:{port}/trade-api/v2", Environment.SIM, "api")
    ws = parse_endpoint(f"ws://127.0.0.1:{port}/trade-api/ws/v2", Environment.SIM, "ws")
    door = open_door(api, ws, signer, wall_us=wall_us, rng=random.Random(1))
    orders = door.open_orders(is_enabled=True, armed_key_id=None)
    await door.rest.read_limits()
    yield door, orders
    await orders.aclose()
    await door.rest.aclose()


def create(ticker: str, intent_id: str) -> Create:
    """A bid that rests."""
    draft = Draft(strategy="bench", ticker=ticker, is_bid=True, price=PRICE, count=Qty(100))
    return Create(intent_id, Approved(draft, wall_us()))


async def client_us(port: int, signer: Signer, ticker: str, count: int) -> list[float]:
    """Microseconds from each request to its last byte, by the order's door."""
    writes, found = Writes(), []
    async with doors(port, signer) as (_, orders):
        with writes.noted():
            for number in range(count + 1):
                await trio.sleep(PAUSE_S)
                intent = create(ticker, f"{signer.key_id}-{time.time_ns()}-{number}")
                began = time.perf_counter()
                asking = create_orders([intent], lambda _: None, now_us=orders.clock.now_ms() * 1000)
                status, body = await orders.ask(asking)
                assert status == 201, body
                found.append((writes.last_s - began) * 1e6)
    return found[1:]  # the first opens the connection


async def gateway_us(port: int, signer: Signer, ticker: str, count: int, folder: Path) -> list[float]:
    """Microseconds from each decision to its last byte, by the gateway."""
    writes, found = Writes(), []
    answered: list[Answer] = []
    async with doors(port, signer) as (door, orders):
        intents = IntentFile(folder / "intents.jsonl", rng=random.Random(1), blocking=in_thread())
        gateway = OrderGateway(
            lambda: orders,
            lambda: door.rest,
            intents,
            Open(),
            deliver=answered.append,
            wall_us=wall_us,
            rng=random.Random(2),
            group_limit=Qty(1_000_000),
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gateway.run, Lifeline())
            with trio.fail_after(READY_S):
                while not gateway._groups.is_complete:  # noqa: ASYNC110 - nobody sets an event
                    await trio.sleep(PAUSE_S)
            with writes.noted():
                for _ in range(count + 1):
                    await trio.sleep(PAUSE_S)
                    answered.clear()
                    intent = create(ticker, intents.next_id())
                    began = time.perf_counter()
                    gateway.submit([intent])
                    with trio.fail_after(READY_S):
                        while not gateway.is_clear():  # noqa: ASYNC110 - as above
                            await trio.sleep(PAUSE_S / 4)
                    assert isinstance(answered[0].outcome, Written), answered
                    assert not answered[0].outcome.is_dropped, answered
                    found.append((writes.last_s - began) * 1e6)
            nursery.cancel_scope.cancel()
        intents.close()
    return found[1:]


def main() -> int:
    args = arguments(__doc__, rounds=ROUNDS, quick_rounds=QUICK_ROUNDS)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    report = Report("decision_to_wire", args)
    count = QUICK_ORDERS if args.is_quick else ORDERS
    keys: dict[str, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey] = {
        "RSA": rsa.generate_private_key(65537, 2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }
    found: dict[tuple[str, str], list[list[float]]] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        exchange(Path(name), *QUIET, *known_to_the_exchange(Path(name), keys)) as venue,
    ):
        port, ticker = venue["port"], venue["markets"][0]
        for number in range(args.rounds):
            for key_name, key in keys.items():
                signer = Signer(key_name, key)
                folder = Path(name) / f"{key_name}-{number}"
                folder.mkdir()
                stages = {
                    "signing": signing_us(signer),
                    "client": trio.run(client_us, port, signer, ticker, count),
                    "gateway": trio.run(gateway_us, port, signer, ticker, count, folder),
                }
                for stage, took in stages.items():
                    found.setdefault((stage, key_name), []).append(took)
    for (stage, key_name), rounds in sorted(found.items(), key=lambda item: item[0], reverse=True):
        for word, share in (("p50", 0.5), ("p99", 0.99)):
            figure = spread([percentile(each, share) for each in rounds])
            report.figure(f"{stage}, {key_name}, {word}", figure, "us")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
