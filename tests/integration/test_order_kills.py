"""kill -9 at each step of an order's life: between trader and exchange stands a tap that holds, loses or delays what it must.

After a restart nothing rests that nobody wants, no order was made twice, and positions are the exchange's. The second
process holds (`hold`), so that what the first left is seen by itself.
"""

import json
import os
import random
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.integration.desk import account_of, held, open_orders, positions, quoting, resting, until_it_may_trade
from tests.integration.test_trading import RESTART_S
from tests.running import RunningExchange, RunningTrader, eventually, running_exchange, running_trader
from tests.third_party.member import Counterpart, admission, trading

pytestmark = pytest.mark.process

SEEDS: Final = 25  # for each step: 200 in all
SAMPLE: Final = frozenset({"sent, and late", "carried out, not answered"})
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)

ORDER = b"POST /trade-api/v2/portfolio/events/orders"
CANCEL = b"DELETE /trade-api/v2/portfolio/events/orders"


@dataclass
class Step:
    """What becomes of the first request that begins with `request`, and when the process is killed."""

    request: bytes
    is_forwarded: bool = True  # else held back, for ever or until `late_s` after the kill
    is_answered: bool = True
    late_s: float | None = None
    is_filled: bool = False


STEPS: Final = {
    "nothing yet": None,  # as soon as it may trade
    "an intent, not sent": Step(ORDER, is_forwarded=False),
    "sent, and late": Step(ORDER, is_forwarded=False, late_s=1.5),
    "carried out, not answered": Step(ORDER, is_answered=False),
    "answered": Step(ORDER),
    "filled": Step(ORDER, is_filled=True),
    "a cancel, not sent": Step(CANCEL, is_forwarded=False),
    "a cancel carried out, not answered": Step(CANCEL, is_answered=False),
}


@dataclass
class Tap:
    """Between trader and exchange, HTTP alone. `killed` is set by the test; `met` when the step's moment has come."""

    upstream: tuple[str, int]
    step: Step | None = None
    port: int = 0
    met: trio.Event = field(default_factory=trio.Event)
    killed: trio.Event = field(default_factory=trio.Event)
    late: trio.Event = field(default_factory=trio.Event)
    request: bytes = b""

    async def serve(self, client: trio.SocketStream) -> None:
        try:
            async with client, await trio.open_tcp_stream(*self.upstream) as venue:
                while request := await _message(client):
                    await self._carry(request, client, venue)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # one of the two is gone

    async def _carry(self, request: bytes, client: trio.SocketStream, venue: trio.SocketStream) -> None:
        step = self.step
        if step is None or self.met.is_set() or not request.startswith(step.request):
            await venue.send_all(request)
            await client.send_all(await _message(venue))
            return
        self.request = request
        answer = b""
        if step.is_forwarded:
            await venue.send_all(request)
            answer = await _message(venue)
            if step.is_answered:
                await client.send_all(answer)
        self.met.set()
        await self.killed.wait()
        if step.late_s is not None:
            await trio.sleep(step.late_s)
            await venue.send_all(request)
            await _message(venue)
            self.late.set()


async def _message(stream: trio.SocketStream) -> bytes:
    """One HTTP message with its body; nothing at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = await stream.receive_some(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    found = _LENGTH.search(head)
    length = int(found[1]) if found else 0
    while len(body) < length:
        more = await stream.receive_some(65536)
        if not more:
            return b""
        body += more
    return head + b"\r\n\r\n" + body


@asynccontextmanager
async def tapped(exchange: RunningExchange) -> AsyncIterator[tuple[Tap, dict[str, str]]]:
    """A tap, and the variables of a trader behind it."""
    parts = urlsplit(exchange.announcement["api_url"])
    tap = Tap((parts.hostname or "", parts.port or 0))
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, tap.serve, 0, host="127.0.0.1"))
        tap.port = listeners[0].socket.getsockname()[1]
        url = f"http://127.0.0.1:{tap.port}{parts.path}"
        yield tap, {**exchange.variables, "KALSHI_API_URL": url, "V3_ENABLE_TRADING": "true"}
        nursery.cancel_scope.cancel()


async def fill(request: bytes, other: Counterpart) -> None:
    """Somebody takes what the request placed."""
    body = json.loads(request.partition(b"\r\n\r\n")[2])
    order = body["orders"][0] if "orders" in body else body
    side = "ask" if order["side"] == "bid" else "bid"
    await other.take(order["ticker"], side, order["price"], order["count"])


async def kill(trader: RunningTrader, tap: Tap) -> None:
    os.kill(trader.child.process.pid, signal.SIGKILL)
    await trader.child.process.wait()
    tap.killed.set()


async def live_until(step: Step | None, trader: RunningTrader, tap: Tap, other: Counterpart) -> None:
    """To the moment of the kill."""
    if step is None:
        await until_it_may_trade(trader)
        return
    tap.step = step
    with trio.fail_after(90):
        await tap.met.wait()
    if step.is_filled:
        await fill(tap.request, other)


def lives() -> list[Any]:
    """A sample for every check, the others for the long campaign."""
    return [
        pytest.param(name, seed, marks=() if name in SAMPLE and not seed else pytest.mark.soak)
        for name in STEPS
        for seed in range(SEEDS)
    ]


@pytest.mark.parametrize(("name", "seed"), lives())
async def test_a_killed_process_leaves_nothing_that_nobody_knows(name: str, seed: int, tmp_path: Path) -> None:
    step = STEPS[name]
    rng = random.Random(f"{name}:{seed}")
    key = ed25519.Ed25519PrivateKey.generate()
    arguments = ("--seed", str(seed + 1), *admission(key, tmp_path))
    async with (
        running_exchange(tmp_path, *arguments) as exchange,
        account_of(exchange) as account,
        trading(key, exchange.announcement["api_url"]) as other,
        tapped(exchange) as (tap, variables),
    ):
        async with running_trader(tmp_path, *quoting(tmp_path), **variables) as trader:
            await live_until(step, trader, tap, other)
            await trio.sleep(rng.choice([0.0, rng.uniform(0.0, 0.05)]) if seed else 0.0)
            await kill(trader, tap)
        began = trio.current_time()
        async with running_trader(tmp_path, "--strategy", "hold", **variables) as trader:
            start_up_s = trio.current_time() - began
            await until_it_may_trade(trader)
            took_s = trio.current_time() - began
            if step is not None and step.late_s is not None:
                with trio.fail_after(10):
                    await tap.late.wait()

            async def agrees() -> dict[str, Any]:
                status = await trader.get("/v3/status")
                told = await account.snapshot(0)
                is_right = resting(told) == open_orders(status) == {} and positions(status) == held(told)
                return status if is_right else {}

            status = await eventually(agrees, "exchange and trader agree", within_s=10.0)
            told = await account.snapshot(0)
            ids = [order.client_order_id for order in told.orders]

            print(
                f"{took_s:.1f} s from the start of the process, of which {start_up_s:.1f} s until it served its console"
            )
            assert took_s <= start_up_s + RESTART_S
            assert len(ids) == len(set(ids))
            assert status["trading"]["recon"]["differences"] == []
            if step is not None and step.is_filled:
                assert told.fills
