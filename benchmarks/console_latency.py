"""Event to browser: how long an urgent event takes from the bus to each of 10 consoles while about 5,000 deltas/s flow.

The whole trader runs in this process against a real exchange process; the consoles run in a process of their own.
Run: python -m benchmarks.console_latency [--seconds 20] [--consoles 10]
"""

import argparse
import json
import logging
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import structlog
import trio
import trio_websocket

from traderv3.app import create_app
from traderv3.config.settings import load
from traderv3.console.broadcaster import LogTap
from traderv3.coordinator import Trader
from traderv3.core.clock import wall_us
from traderv3.core.sockets import listen
from traderv3.core.supervision import ActorChanged, ChildSpec, Status
from traderv3.domain.events import StateChanged
from traderv3.domain.states import State
from traderv3.exchange.process import ExchangeProcess

EVENTS_PER_S = 20
WARM_UP_S = 3.0
ACTIVITY = "26"  # about 5,000 deltas a second over the default markets
PROBE = "benchmark"


async def measure(seconds: float, consoles: int, folder: Path) -> None:
    settings = load(environment="sim", overrides={}, process={}, directory=folder, check_key=lambda _: None)
    with listen("127.0.0.1", 0) as listener:
        trader = Trader(
            settings, listener, create_app, wall_us=wall_us, rng=random.Random(1), tap=LogTap(), token="benchmark"
        )
        trader._exchange_spec = lambda: _busy_exchange(trader)  # type: ignore[method-assign]
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trader.run)
            await _until_ready(trader)
            url = f"ws://127.0.0.1:{trader.web_server.port}/v3/ws?batch_ms=50"
            clients = await trio.lowlevel.open_process(
                [sys.executable, "-m", "benchmarks.console_latency", "--listen", url, "--consoles", str(consoles)],
                stdout=subprocess.PIPE,
                stdin=subprocess.PIPE,
            )
            await trio.sleep(WARM_UP_S)
            deltas, began = trader.feed.counters.deltas, trio.current_time()
            sent = 0
            while trio.current_time() - began < seconds:
                trader.bus.publish(ActorChanged(PROBE, Status.RUNNING, 0, str(time.time_ns()), wall_us()))
                sent += 1
                await trio.sleep(1 / EVENTS_PER_S)
            rate = (trader.feed.counters.deltas - deltas) / (trio.current_time() - began)
            rss = trader.aggregator.numbers.rss_mb
            await trio.sleep(0.5)
            assert clients.stdin is not None
            assert clients.stdout is not None
            await clients.stdin.aclose()
            answer = bytearray()
            async for chunk in clients.stdout:
                answer += chunk
            await clients.wait()
            await trader.stop("benchmark over")
    _report(json.loads(answer), sent, consoles, rate, rss)


async def _until_ready(trader: Trader) -> None:
    ready = trio.Event()

    async def hear(event: StateChanged) -> None:
        if event.target is State.READY:
            ready.set()
        await trio.lowlevel.checkpoint()

    trader.bus.subscribe("benchmark", (StateChanged,), hear)
    await ready.wait()


def _busy_exchange(trader: Trader) -> ChildSpec:
    process = ExchangeProcess(trader.settings.data_dir, trader._on_exchange, arguments=("--activity", ACTIVITY))
    return ChildSpec(name="exchange", run=process.run)


def _report(latencies_ns: list[int], sent: int, consoles: int, rate: float, rss: float) -> None:
    took = sorted(ns / 1e6 for ns in latencies_ns)
    p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
    print(f"consoles {consoles}, deltas/s {rate:.0f}, events {sent}, received {len(took)} of {sent * consoles}")
    print(f"event to browser: p50 {p50:.2f} ms, p99 {p99:.2f} ms, most {took[-1]:.2f} ms; trader's memory {rss:.0f} MB")


async def listen_as_browsers(url: str, consoles: int) -> None:
    """Open the consoles and note when each probe arrives, until stdin closes."""
    found: list[int] = []

    async def browse() -> None:
        async with trio_websocket.open_websocket_url(url, max_message_size=1 << 26) as socket:
            while True:
                frame = json.loads(await socket.get_message())
                now = time.time_ns()
                items = frame["data"]["items"] if frame["type"] == "batch" else [frame]
                found.extend(
                    now - int(item["data"]["last_error"])
                    for item in items
                    if item["type"] == "actor" and item["data"]["name"] == PROBE
                )

    async with trio.open_nursery() as nursery:
        for _ in range(consoles):
            nursery.start_soon(browse)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--consoles", type=int, default=10)
    parser.add_argument("--listen", metavar="URL", help="internal: be the consoles")
    args = parser.parse_args()
    if args.listen:
        trio.run(listen_as_browsers, args.listen, args.consoles)
        return
    with tempfile.TemporaryDirectory() as folder:
        trio.run(measure, args.seconds, args.consoles, Path(folder))


if __name__ == "__main__":
    main()
