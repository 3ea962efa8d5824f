"""Event to socket with 1 to 1,000 consoles: how late an urgent event arrives, what a console costs, what the feed loses.

The whole trader runs in this process; the exchange that plays 5,000 deltas a second and the consoles run in processes of
their own. An arrival is the kernel's time of the bytes at the console's socket, so the consoles' own cost is not in it.
The consoles accept compression, as browsers do. A trader takes 200 consoles; for the 1,000 that bound is lifted here.
Run: python -m benchmarks.console_latency [--quick] [--seconds 10] [--markets 15]
"""

import itertools
import json
import logging
import re
import resource
import selectors
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from unittest import mock

import structlog
import trio

from benchmarks.processes import running_trader
from benchmarks.rounds import Report, parse, parser, percentile, ratio, spread
from tests.browser.load import write_day
from tests.running import eventually, running_exchange
from traderv3.config.settings import load
from traderv3.coordinator import Trader
from traderv3.core.clock import wall_us
from traderv3.core.supervision import ActorChanged, Status
from traderv3.domain.events import StateChanged
from traderv3.domain.states import State

CONSOLES: Final = (0, 1, 10, 100, 1_000)
QUICK_CONSOLES: Final = (0, 1, 100)
PROMISED: Final = 100
SECONDS, QUICK_SECONDS = 10.0, 3.0
ROUNDS, QUICK_ROUNDS = 3, 1
MOST: Final = 1_100  # consoles and connections that the trader takes here
DELTAS_PER_S: Final = 5_000
EVENTS_PER_S: Final = 20
WARM_UP_S: Final = 2.0
JOIN_S: Final = 15.0  # at most, for the processes to start
JOIN_EACH_S: Final = 0.06  # at most, for a console to join
LAST_WORDS_S: Final = 0.5  # for the last event to arrive
PROBE: Final = "benchmark"
ARRIVED: Final = re.compile(rb'"name":"%s"[^{}]*?"last_error":"(\d+)"' % PROBE.encode())
SO_TIMESTAMPNS: Final = 35  # Linux; Python has no name for it
READ_BYTES: Final = 1 << 18
PING: Final = 9
PONG: Final = bytes((0x8A, 0x80)) + bytes(4)
HANDSHAKE: Final = (
    b"GET /v3/ws?batch_ms=50 HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


@dataclass
class Figures:
    """One entry a round, of one number of consoles: arrivals in ms after the event, processor seconds and deltas a second."""

    latencies_ms: list[list[float]] = field(default_factory=list)
    events: int = 0
    busy: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


async def measure(
    numbers: Sequence[int], seconds: float, rounds: int, markets: int, folder: Path
) -> dict[int, Figures]:
    """Measure each number of consoles in turns, on one trader."""
    day = folder / "day.jsonl.zst"
    day_s = (
        rounds * (len(numbers) * (seconds + WARM_UP_S + LAST_WORDS_S + JOIN_S) + sum(numbers) * JOIN_EACH_S) + JOIN_S
    )
    write_day(day, markets=markets, deltas_per_s=DELTAS_PER_S, seconds=day_s)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found = {consoles: Figures() for consoles in numbers}
    async with running_exchange(folder, "--recording", str(day)) as exchange:
        settings = load(
            environment="sim",
            overrides={
                "V3_MARKETS": f"auto:{markets}",
                "V3_DATA_DIR": str(folder / "data"),
                "V3_ENABLE_TRADING": "true",
            },
            process=exchange.variables,
            directory=folder,
            check_key=lambda _: None,
        )
        async with running_trader(settings) as trader:
            await _until_ready(trader)
            for _ in range(rounds):
                for consoles, figures in found.items():
                    await _round(trader, consoles, seconds, figures)
    return found


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

    await eventually(all_joined, f"{consoles} consoles join", JOIN_S + consoles * JOIN_EACH_S)
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
    figures.latencies_ms.append(json.loads(answer))


def tell(report: Report, found: dict[int, Figures]) -> None:
    """What goes into the table."""
    for consoles, each in found.items():
        if consoles:
            received = sum(map(len, each.latencies_ms))
            assert received >= 0.99 * each.events * consoles, f"{received} of {each.events * consoles} events received"
            goal = 10.0 if consoles == PROMISED else None
            for word, share in (("p50", 0.5), ("p99", 0.99)):
                late = spread([percentile(one, share) for one in each.latencies_ms])
                note = f"{DELTAS_PER_S:,} deltas/s flow" if consoles == 1 else ""
                bound = goal if word == "p99" else None
                report.figure(f"event to socket of {consoles} consoles, {word}", late, "ms", at_most=bound, note=note)
        report.figure(f"the trader with {consoles} consoles", spread(each.busy), "of a core")
    for fewer, more in itertools.pairwise([number for number in found if number]):
        costs = [(b - a) / (more - fewer) * 1000 for a, b in zip(found[fewer].busy, found[more].busy, strict=True)]
        report.figure(f"a further console, from {fewer} to {more}", spread(costs), "ms of processor a second")
    for consoles in (number for number in found if number >= PROMISED):
        kept = ratio(found[consoles].rates, found[0].rates)
        least = 0.95 if consoles == PROMISED else None
        report.figure(f"feed throughput, {consoles} consoles to none", kept, "times", at_least=least)
    report.figure(
        "most memory of the trader", spread([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]), "MiB"
    )


# -- the consoles, in a process of their own ---------------------------------------------------------------------------


class Browser:
    """One console: a socket with the kernel's times of arrival, and what has come of a frame that is not whole."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self.stream = socket.create_connection((host, int(port)))
        self.stream.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.stream.sendall(HANDSHAKE % address.encode())
        self._heard = b""
        self._is_open = False

    def read(self, found: list[float]) -> None:
        """Take what has arrived; when each probe in it came, in ms after it was published, into `found`."""
        data, ancillary, _, _ = self.stream.recvmsg(READ_BYTES, 64)
        assert data, "the trader closed a console"
        heard = self._heard + data
        if not self._is_open:
            head, whole, heard = heard.partition(b"\r\n\r\n")
            if not whole:
                self._heard = head
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            assert b"permessage-deflate" not in head.lower(), "frames are searched as they come"
            self._is_open = True
        at_ns = _arrival_ns(ancillary)
        at = 0
        while frame := _frame(heard, at):
            opcode, start, end = frame
            if opcode == PING:
                self.stream.sendall(PONG)
            else:
                found += [(at_ns - int(sent)) / 1e6 for sent in ARRIVED.findall(heard, start, end)]
            at = end
        self._heard = heard[at:]


def _frame(heard: bytes, at: int) -> tuple[int, int, int] | None:
    """Opcode, beginning and end of the payload at `at`; None if it is not whole."""
    if len(heard) - at < 2:
        return None
    length, start = heard[at + 1], at + 2
    if length >= 126:
        start += 2 if length == 126 else 8
        length = int.from_bytes(heard[at + 2 : start], "big")
    return (heard[at] & 0x0F, start, start + length) if len(heard) >= start + length else None


def listen_as_browsers(address: str, consoles: int) -> None:
    """Open the consoles and print when each probe arrived, in ms after it was published, as soon as stdin closes."""
    found: list[float] = []
    with selectors.DefaultSelector() as ready:

        def read(wait_s: float | None) -> bool:
            """What has arrived; False when stdin has closed."""
            is_over = False
            for key, _ in ready.select(wait_s):
                if key.data is None:
                    is_over = True
                else:
                    key.data.read(found)
            return not is_over

        ready.register(sys.stdin, selectors.EVENT_READ)
        for _ in range(consoles):
            browser = Browser(address)
            ready.register(browser.stream, selectors.EVENT_READ, browser)
            read(0)
        while read(None):
            pass
    print(json.dumps(found))


def _arrival_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The kernel's time of the newest bytes read, on the clock of `time.time_ns`."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return time.time_ns()


def main() -> int:
    made = parser(__doc__, rounds=ROUNDS, quick_rounds=QUICK_ROUNDS)
    made.add_argument("--seconds", type=float, default=0.0, help="of each round")
    made.add_argument("--markets", type=int, default=15)
    made.add_argument("--listen", metavar="ADDRESS", help="internal: be the consoles")
    made.add_argument("--consoles", type=int, default=0, help="internal: how many")
    args = parse(made)
    if args.listen:
        listen_as_browsers(args.listen, args.consoles)
        return 0
    report = Report("console_latency", args)
    numbers = QUICK_CONSOLES if args.is_quick else CONSOLES
    seconds = args.seconds or (QUICK_SECONDS if args.is_quick else SECONDS)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("traderv3.console.hub.CLIENTS_MAX", MOST),
        mock.patch("traderv3.console.front_door.CONNECTIONS_MAX", MOST),
    ):
        tell(report, trio.run(measure, numbers, seconds, args.rounds, args.markets, Path(folder)))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
