"""The whole trader at full load against the bare feed path: what journal, database, metrics and three consoles cost together.

Both read the same stream from the same venue, which says it as fast as it is read. Bare: the live connector, from the socket
to the books, and nothing else. Whole: everything that `traderv3 run` starts but trading, raw journal and database on, and
three WebSocket clients in a process of their own that take what a browser takes. That is hundreds of times the live rate, so
the journal's queue is larger here than live. Timed from the first delta to the last, interleaved, ratios round by round.
Writing and browsing need a second core; where others take it, read the processor's time of the loop's thread.
Run: python -m benchmarks.whole_process [--quick]
"""

import base64
import contextlib
import hashlib
import itertools
import json
import logging
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest import mock

import structlog
import trio

from benchmarks.processes import running_trader
from benchmarks.rounds import Report, in_turns, parse, parser, ratio, spread
from benchmarks.stream import MARKETS, SUBSCRIBED, framed, messages, tickers
from benchmarks.venue import connected
from tests.running import eventually
from traderv3.config.limits import JournalLimits
from traderv3.config.settings import load
from traderv3.coordinator import Trader
from traderv3.core.event_bus import EventBus
from traderv3.domain.feed import Feed
from traderv3.domain.tape import NO_TAPE
from traderv3.exchange.auth import own_key

CONSOLES: Final = 3
MESSAGES, QUICK_MESSAGES = 400_000, 100_000
ROUNDS, QUICK_ROUNDS = 7, 2
SETTLE_S: Final = 1.0  # from the consoles' joining to the first delta
LOOK_S: Final = 0.002
ROUND_S: Final = 60.0
GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SWITCH: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)
LIMITS: Final = JournalLimits(queue_frames_max=2_000_000, queue_bytes_max=1 << 30, drain_s=60.0)


class Took(NamedTuple):
    """Microseconds a message: of the wall clock, and of the processor by the event loop's own thread."""

    wall_us: float
    loop_us: float


async def bare(venue: "Venue") -> Took:
    """The connector alone."""
    feed = Feed()
    async with connected(venue.port, feed, EventBus(), NO_TAPE):
        await snapshots(feed)
        return await flood(venue, feed)


async def whole(venue: "Venue", folder: Path) -> Took:
    """The trader with everything on, and consoles that look at it."""
    own_key(folder / "exchange")  # with which a trader in `sim` signs
    settings = load(
        environment="sim",
        overrides={
            "V3_MARKETS": ",".join(tickers()),
            "V3_DATA_DIR": str(folder),
            "V3_ENABLE_TRADING": "false",
            "KALSHI_API_URL": f"http://127.0.0.1:{venue.port}/trade-api/v2",
            "KALSHI_WS_URL": f"ws://127.0.0.1:{venue.port}/trade-api/ws/v2",
        },
        process={},
        directory=folder,
        check_key=lambda _: None,
    )
    async with running_trader(settings) as trader:
        await snapshots(trader.feed)
        async with consoles(trader):
            await trio.sleep(SETTLE_S)
            took = await flood(venue, trader.feed)
    assert trader.archive is not None
    kept = trader.archive.journal.stats()
    assert kept.lost_frames == 0, f"lost {kept.lost_frames} frames: {kept.trouble}"
    return took


async def snapshots(feed: Feed) -> None:
    """Until every book is live."""
    with trio.fail_after(ROUND_S):
        while not feed.live == len(feed.books) == MARKETS:  # noqa: ASYNC110 - nobody sets an event
            await trio.sleep(LOOK_S)


async def flood(venue: "Venue", feed: Feed) -> Took:
    """Let the venue speak, until all that it says is in the books."""
    counters = feed.counters
    venue.go()
    with trio.fail_after(ROUND_S):
        while not counters.deltas:
            await trio.lowlevel.checkpoint()
        before, began, loop_began = counters.deltas, time.perf_counter(), time.thread_time()
        while counters.deltas < venue.deltas:  # noqa: ASYNC110 - as above
            await trio.sleep(LOOK_S)
    count = counters.deltas - before
    took = Took((time.perf_counter() - began) / count * 1e6, (time.thread_time() - loop_began) / count * 1e6)
    assert (counters.gaps, counters.protocol_errors, counters.crossed_books, counters.deltas_unused) == (0, 0, 0, 0)
    return took


@asynccontextmanager
async def consoles(trader: Trader) -> AsyncIterator[None]:
    """WebSocket clients that take what a browser takes, in a process of their own."""
    url = f"127.0.0.1:{trader.web_server.port}"
    command = [sys.executable, "-m", "benchmarks.console_latency", "--listen", url, "--consoles", str(CONSOLES)]
    browsers = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    async def all_joined() -> bool:
        await trio.lowlevel.checkpoint()
        return len(trader.desk.hub.clients) == CONSOLES

    await eventually(all_joined, f"{CONSOLES} consoles join")
    yield
    assert len(trader.desk.hub.clients) == CONSOLES, "a console was lost"
    assert browsers.stdin is not None
    await browsers.stdin.aclose()
    await browsers.wait()


# -- the venue, in a process of its own ----------------------------------------------------------------------------------


class Venue:
    """A running one. It says the snapshots to each subscriber of books, and its `deltas` at every `go`."""

    def __init__(self, process: "subprocess.Popen[str]", deltas: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.deltas = deltas
        self._stdin = process.stdin
        self.port = int(process.stdout.readline())

    def go(self) -> None:
        """Say the deltas now."""
        self._stdin.write("go\n")
        self._stdin.flush()


@contextmanager
def venue(deltas: int) -> Iterator[Venue]:
    """A running venue; it ends with us."""
    command = [sys.executable, "-m", "benchmarks.whole_process", "--serve", str(deltas)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Venue(process, deltas)
        finally:
            process.kill()


def serve(deltas: int) -> None:
    """Be the venue, until stdin closes."""
    stream = messages()
    next(stream)  # the acknowledgement, which has the number of the command here
    whole = [framed(message) for message in itertools.islice(stream, MARKETS + deltas)]
    said = b"".join(whole[:MARKETS]), b"".join(whole[MARKETS:])
    whole.clear()
    going = threading.Semaphore(0)

    def accept(listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=converse, args=(connection, *said, going), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        for _ in sys.stdin:
            going.release()


def converse(connection: socket.socket, snapshots: bytes, deltas: bytes, going: threading.Semaphore) -> None:
    """One connection: a question about markets, the stream of the books, or one that keeps still."""
    with connection, contextlib.suppress(OSError):
        head = read_head(connection)
        key = re.search(rb"(?i)sec-websocket-key: *([^\r]+)", head)
        if key is None:
            while head:
                connection.sendall(answer(head.split(b" ", 2)[1]))
                head = read_head(connection)
            return
        accepted = base64.b64encode(hashlib.sha1(key[1].strip() + GUID).digest())
        connection.sendall(SWITCH % accepted)
        if is_about_books(connection):
            connection.sendall(framed(SUBSCRIBED % 1) + snapshots)
            going.acquire()
            connection.sendall(deltas)
        while connection.recv(65_536):
            pass


def read_head(connection: socket.socket) -> bytes:
    """A request's head, or nothing if the client has left. Requests here have no body."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(4096)
        if not more:
            return b""
        head += more
    return head


def is_about_books(connection: socket.socket) -> bool:
    """Whether the first command, which is masked, subscribes to books: its length says so, as other channels take more."""
    heard = connection.recv(65_536)
    size = len(heard)
    start = {126: 4, 127: 10}.get(heard[1] & 0x7F, 2)
    mask = heard[start : start + 4] * (size // 4 + 1)
    return b"orderbook_delta" in bytes(a ^ b for a, b in zip(heard[start + 4 :], mask, strict=False))


def answer(target: bytes) -> bytes:
    """What REST says: the markets are there and open; of anything else it knows nothing."""
    if b"/markets" in target and b"orderbook" not in target:
        body: Any = {"markets": [{"ticker": ticker, "status": "active"} for ticker in tickers()], "cursor": ""}
    elif target.endswith(b"/exchange/status"):
        body = {"exchange_active": True, "trading_active": True}
    else:
        body = None
    status = b"404 Not Found" if body is None else b"200 OK"
    text = json.dumps(body or {"error": {"code": "not_found"}}).encode()
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(text), text)


def main() -> int:
    made = parser(__doc__, rounds=ROUNDS, quick_rounds=QUICK_ROUNDS)
    made.add_argument("--serve", type=int, default=0, metavar="DELTAS", help="internal: be the venue")
    args = parse(made)
    if args.serve:
        serve(args.serve)
        return 0
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    report = Report("whole_process", args)
    deltas = QUICK_MESSAGES if args.is_quick else MESSAGES
    with (
        venue(deltas) as running,
        tempfile.TemporaryDirectory() as name,
        mock.patch("traderv3.storage.archive.JOURNAL", LIMITS),
    ):
        candidates: dict[str, Callable[[], Took]] = {
            "bare": lambda: trio.run(bare, running),
            "whole": lambda: trio.run(whole, running, Path(name)),
        }
        found = in_turns(candidates, rounds=args.rounds)
    wall = {name: [took.wall_us for took in rounds] for name, rounds in found.items()}
    loop = {name: [took.loop_us for took in rounds] for name, rounds in found.items()}
    for name, rounds in wall.items():
        report.figure(f"{name}, a message", spread(rounds), "us", note=f"{deltas:,} deltas a round")
        report.figure(f"{name}, the loop's processor time a message", spread(loop[name]), "us")
    report.figure(
        "throughput, whole process to bare feed path", ratio(wall["bare"], wall["whole"]), "times", at_least=0.8
    )
    report.figure("the loop's processor time, bare to whole", ratio(loop["bare"], loop["whole"]), "times")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
