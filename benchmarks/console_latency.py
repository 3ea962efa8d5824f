"""Event to socket with 1, 10 and 100 consoles: how late an urgent event arrives, what a console costs, what the feed loses.

The whole trader runs in this process; the exchange that plays 5,000 deltas a second and the consoles run in processes of
their own. An arrival is the kernel's time of the bytes at the console's socket, so the consoles' own cost is not in it.
The consoles accept compression, as browsers do.
Run: python -m benchmarks.console_latency [--seconds 10] [--rounds 2] [--markets 15]
"""

import argparse
import itertools
import json
import logging
import random
import re
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, Ping, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

from tests.browser.load import write_day
from tests.running import eventually, running_exchange
from traderv3.app import create_app
from traderv3.config.settings import load
from traderv3.console.log_tap import LogTap
from traderv3.console.web_server import WebServer
from traderv3.coordinator import Trader
from traderv3.core.clock import wall_us
from traderv3.core.sockets import listen
from traderv3.core.supervision import ActorChanged, Status
from traderv3.domain.events import StateChanged
from traderv3.domain.states import State
from traderv3.run import open_configured_door

CONSOLES: Final = (0, 1, 10, 100)
DELTAS_PER_S: Final = 5_000
EVENTS_PER_S: Final = 20
WARM_UP_S: Final = 2.0
JOIN_S: Final = 15.0  # at most, for the processes to start and all consoles to join
LAST_WORDS_S: Final = 0.5  # for the last event to arrive
PROBE: Final = "benchmark"
ARRIVED: Final = re.compile(rb'"name":"%s"[^{}]*?"last_error":"(\d+)"' % PROBE.encode())
SO_TIMESTAMPNS: Final = 35  # Linux; Python has no name for it
READ_BYTES: Final = 1 << 18


@dataclass
class Figures:
    """All rounds of one number of consoles: arrivals in ms after the event, processor seconds and deltas a second."""

    latencies_ms: list[float] = field(default_factory=list)
    events: int = 0
    busy: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


async def measure(seconds: float, rounds: int, markets: int, folder: Path) -> None:
    """Measure each number of consoles in turns, on one trader, and print the figures."""
    day = folder / "day.jsonl.zst"
    day_s = rounds * len(CONSOLES) * (seconds + WARM_UP_S + LAST_WORDS_S + JOIN_S) + JOIN_S
    write_day(day, markets=markets, deltas_per_s=DELTAS_PER_S, seconds=day_s)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found = {consoles: Figures() for consoles in CONSOLES}
    async with running_exchange(folder, "--recording", str(day)) as exchange:
        settings = load(
            environment="sim",
            overrides={"V3_MARKETS": f"auto:{markets}", "V3_DATA_DIR": str(folder / "data")},
            process=exchange.variables,
            directory=folder,
            check_key=lambda _: None,
        )
        with listen("127.0.0.1", 0) as listener:
            rng = random.Random(1)
            trader = Trader(
                settings,
                lambda trader: WebServer(create_app(trader), listener, trader.desk.hub),
                wall_us=wall_us,
                rng=rng,
                tap=LogTap(),
                token="benchmark",
                door=open_configured_door(settings, rng),
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trader.run)
                await _until_ready(trader)
                for _ in range(rounds):
                    for consoles, figures in found.items():
                        await _round(trader, consoles, seconds, figures)
                await trader.stop("benchmark over")
    _report(found)


async def _until_ready(trader: Trader) -> None:
    ready = trio.Event()

    async def hear(event: StateChanged) -> None:
        if event.target is State.READY:
            ready.set()
        await trio.lowlevel.checkpoint()

    trader.bus.subscribe("benchmark", (StateChanged,), hear)
    await ready.wait()


async def _round(trader: Trader, consoles: int, seconds: float, figures: Figures) -> None:
    url = f"127.0.0.1:{trader.web_server.port}"
    browsers = await trio.lowlevel.open_process(
        [sys.executable, "-m", "benchmarks.console_latency", "--listen", url, "--consoles", str(consoles)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    )
    assert browsers.stdin is not None
    assert browsers.stdout is not None

    async def all_joined() -> bool:
        await trio.lowlevel.checkpoint()
        return len(trader.desk.hub.clients) == consoles

    await eventually(all_joined, f"{consoles} consoles join")
    await trio.sleep(WARM_UP_S)
    deltas, busy_s, began = trader.feed.counters.deltas, time.process_time(), trio.current_time()
    while trio.current_time() - began < seconds:
        trader.bus.publish(ActorChanged(PROBE, Status.RUNNING, 0, str(time.time_ns()), wall_us()))
        figures.events += 1
        await trio.sleep(1 / EVENTS_PER_S)
    took_s = trio.current_time() - began
    figures.busy.append((time.process_time() - busy_s) / took_s)
    figures.rates.append((trader.feed.counters.deltas - deltas) / took_s)
    assert figures.rates[-1] > DELTAS_PER_S / 2, "the recorded day is over, or the trader cannot follow it"
    await trio.sleep(LAST_WORDS_S)
    await browsers.stdin.aclose()
    answer = bytearray()
    async for chunk in browsers.stdout:
        answer += chunk
    await browsers.wait()
    figures.latencies_ms += json.loads(answer)


def _report(found: dict[int, Figures]) -> None:
    for consoles, each in found.items():
        line = f"consoles {consoles:3}: deltas/s {statistics.mean(each.rates):.0f}, trader {_busy(each):.3f} of a core"
        if consoles:
            took = sorted(each.latencies_ms)
            received = f"{len(took)} of {each.events * consoles} events received"
            p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
            line += f"; event to socket p50 {p50:.2f} ms, p99 {p99:.2f} ms, most {took[-1]:.2f} ms; {received}"
        print(line)
    for fewer, more in itertools.pairwise(CONSOLES[1:]):
        cost = (_busy(found[more]) - _busy(found[fewer])) / (more - fewer)
        print(f"a further console, from {fewer} to {more}: {cost * 1000:.2f} ms of processor a second")
    ratio = statistics.mean(found[CONSOLES[-1]].rates) / statistics.mean(found[CONSOLES[0]].rates)
    print(f"feed throughput with {CONSOLES[-1]} consoles to that with none: {ratio:.3f}")
    print(f"most memory of the trader: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _busy(figures: Figures) -> float:
    return statistics.median(figures.busy)


# -- the consoles, in a process of their own ---------------------------------------------------------------------------


async def listen_as_browsers(address: str, consoles: int) -> None:
    """Open the consoles and print when each probe arrived, in ms after it was published, as soon as stdin closes."""
    found: list[float] = []
    async with trio.open_nursery() as nursery:
        for _ in range(consoles):
            nursery.start_soon(_browse, address, found)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    print(json.dumps(found))


async def _browse(address: str, found: list[float]) -> None:
    host, _, port = address.partition(":")
    with trio.socket.socket() as stream:
        stream.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        await stream.connect((host, int(port)))
        protocol = WSConnection(ConnectionType.CLIENT)
        request = Request(host=address, target="/v3/ws?batch_ms=50", extensions=[PerMessageDeflate()])
        await stream.send(protocol.send(request))
        message = bytearray()
        while True:
            data, ancillary, _, _ = await stream.recvmsg(READ_BYTES, 64)
            protocol.receive_data(data or None)
            at_ns = _arrival_ns(ancillary)
            for event in protocol.events():
                if isinstance(event, TextMessage | BytesMessage):
                    message += event.data.encode() if isinstance(event.data, str) else event.data
                    if event.message_finished:
                        found += [(at_ns - int(sent)) / 1e6 for sent in ARRIVED.findall(message)]
                        message.clear()
                elif isinstance(event, Ping):
                    await stream.send(protocol.send(event.response()))
                else:
                    assert isinstance(event, AcceptConnection), event


def _arrival_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The kernel's time of the newest bytes read, on the clock of `time.time_ns`."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return time.time_ns()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--markets", type=int, default=15)
    parser.add_argument("--listen", metavar="ADDRESS", help="internal: be the consoles")
    parser.add_argument("--consoles", type=int, default=0, help="internal: how many")
    args = parser.parse_args()
    if args.listen:
        trio.run(listen_as_browsers, args.listen, args.consoles)
        return
    with tempfile.TemporaryDirectory() as folder:
        trio.run(measure, args.seconds, args.rounds, args.markets, Path(folder))


if __name__ == "__main__":
    main()
