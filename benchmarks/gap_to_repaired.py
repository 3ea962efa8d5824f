"""How long books are not to be believed after a gap: from the loss of a message at the venue to every book live again.

The embedded exchange, in a process of its own, leaves a sequence number out and says the next delta at once; all books of
the subscription are stale from there until their own snapshots (`get_snapshot`) have come. The times are of one clock,
which both processes read: the exchange's when it loses the message, ours when the last book is live.
Run: python -m benchmarks.gap_to_repaired [--quick]
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

from benchmarks.rounds import Report, parse, parser, percentile, spread
from benchmarks.stream import tickers
from benchmarks.venue import connected
from traderv3.clients.doors import embedded_signer
from traderv3.core.event_bus import EventBus
from traderv3.domain.events import BooksRepaired, GapDetected
from traderv3.domain.feed import Feed
from traderv3.domain.tape import NO_TAPE
from traderv3.exchange.auth import own_key
from traderv3.exchange.exchange import Exchange
from traderv3.exchange.floor import Floor
from traderv3.exchange.market import recorded
from traderv3.exchange.server import Server, open_listener, port_of
from traderv3.exchange.session import BOOK_CHANNEL

MARKETS: Final = (50, 200)  # a few, and a whole connection
LEVELS: Final = range(100, 4_600, 100)  # 45 a side
GAP_EVERY_S: Final = 0.4  # further apart than the pause between two repairs
DELTA_EVERY_S: Final = 0.002
GAPS, QUICK_GAPS = 50, 10
ROUNDS, QUICK_ROUNDS = 3, 1


class Listening(EventBus):
    """A bus that notes when gaps were seen and when all books were live again, in nanoseconds of the machine's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.seen_ns: list[int] = []
        self.repaired_ns: list[int] = []

    def publish(self, event: object) -> None:
        """Note it; nobody else listens."""
        if isinstance(event, GapDetected):
            self.seen_ns.append(time.monotonic_ns())
        elif isinstance(event, BooksRepaired):
            self.repaired_ns.append(time.monotonic_ns())


async def measure(markets: int, gaps: int) -> list[float]:
    """Milliseconds from each gap to every book live."""
    bus = Listening()
    with tempfile.TemporaryDirectory() as name, venue(Path(name), markets) as (process, port, key):
        async with connected(port, Feed(), bus, NO_TAPE, tickers(markets), signer=embedded_signer(key)):
            with trio.fail_after(30 + 3 * gaps * GAP_EVERY_S):
                while len(bus.repaired_ns) < gaps:  # noqa: ASYNC110 - the bus is not one to wait on
                    await trio.sleep(0.1)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        lost_ns: list[int] = json.loads(process.stdout.readline())
    assert len(bus.seen_ns) >= gaps, "a gap was repaired that nobody saw"
    return [(done - lost) / 1e6 for lost, done in zip(lost_ns, bus.repaired_ns, strict=False)]


# -- the venue, in a process of its own ----------------------------------------------------------------------------------


@contextmanager
def venue(folder: Path, markets: int) -> Iterator[tuple["subprocess.Popen[str]", int, Path]]:
    """A running one, its port and its key. When its stdin closes it prints when it lost what, and ends."""
    command = [sys.executable, "-m", "benchmarks.gap_to_repaired", "--serve", str(folder), "--markets", str(markets)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port, key = json.loads(process.stdout.readline())
            yield process, port, Path(key)
        finally:
            process.kill()


async def serve(folder: Path, markets: int) -> None:
    """Be the venue."""
    own = own_key(folder)
    floor = Floor(recorded(tickers(markets)), now_ms=lambda: time.time_ns() // 1_000_000)
    for listing in floor.listings.values():
        floor.replace(listing, [(price, 10_000) for price in LEVELS], [(price, 10_000) for price in LEVELS], ts_ms=1)
    exchange = Exchange(floor, now_us=lambda: time.time_ns() // 1_000, takes_orders=False)
    exchange.add_member(own.key_id, own.public_pem)
    listener = await open_listener(0)
    lost_ns: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Server(exchange).serve, listener)
        nursery.start_soon(speak, floor, lost_ns)
        print(json.dumps([port_of(listener), str(own.private_key_path)]), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()
    print(json.dumps(lost_ns), flush=True)


async def speak(floor: Floor, lost_ns: list[int]) -> None:
    """Deltas, and now and then a gap right before one, once somebody reads."""
    rng = random.Random(1)
    listings = list(floor.listings.values())
    gap_at = 0.0
    while True:
        await trio.sleep(DELTA_EVERY_S)
        streams = [s.by_channel[BOOK_CHANNEL] for s in floor.sessions if BOOK_CHANNEL in s.by_channel]
        now = trio.current_time()
        if not streams or not gap_at:
            gap_at = now + GAP_EVERY_S
        if now >= gap_at:
            gap_at = now + GAP_EVERY_S
            lost_ns.append(time.monotonic_ns())
            for stream in streams:
                stream.next_seq()
        listing, price = rng.choice(listings), rng.choice(LEVELS)
        change = 100 if listing.book.yes[price] <= 10_000 else -100
        listing.tick()
        now_ms = floor.now_ms()
        floor.change(listing, True, price, change, ts="2026-11-22T15:02:41.000000Z", ts_ms=now_ms)


def main() -> int:
    made = parser(__doc__, rounds=ROUNDS, quick_rounds=QUICK_ROUNDS)
    made.add_argument("--serve", type=Path, help="internal: be the venue, with its key in this folder")
    made.add_argument("--markets", type=int, default=0, help="internal: how many it has")
    args = parse(made)
    if args.serve:
        trio.run(serve, args.serve, args.markets)
        return 0
    report = Report("gap_to_repaired", args)
    gaps = QUICK_GAPS if args.is_quick else GAPS
    found: dict[int, list[list[float]]] = {markets: [] for markets in MARKETS}
    for _ in range(args.rounds):
        for markets, rounds in found.items():
            rounds.append(trio.run(measure, markets, gaps))
    for markets, rounds in found.items():
        said = f"{gaps} gaps a round, 45 levels a side"
        for name, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
            figure = spread([percentile(each, share) for each in rounds])
            report.figure(
                f"gap to all of {markets} books live, {name}", figure, "ms", note=said if share == 0.5 else ""
            )
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
