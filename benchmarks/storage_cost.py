"""What storage costs the feed: the whole path with raw journal, recorder and database on, against without, in one run.

A venue in a process of its own sends as fast as it is read: loopback socket -> frames -> decode -> sequence -> books, by
the live connector. With storage each frame goes to the journal, the recorder makes tops and bars, and trades come by the
wall clock at the rate of the busiest recorded second; rows go through the write queue into SQLite. Rounds are interleaved,
and the ratio is the median of each round's own. That is hundreds of times the live rate, at which a shared disk that
pauses would fill the journal's queue: here it is larger than live, and what waits in it at the end is printed.
Writing needs a second core for most of what it does: where others take it, compare the processor's time as well.
Run: python -m benchmarks.storage_cost [--quick]
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import trio

from benchmarks.rounds import Report, arguments, ratio, spread
from benchmarks.venue import TICKERS, connected, venue
from traderv3.config.limits import JournalLimits
from traderv3.core.clock import wall_us
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.domain.feed import Feed
from traderv3.domain.market_facts import Trade
from traderv3.domain.tape import NO_TAPE, Tape
from traderv3.domain.units import Price, Qty
from traderv3.storage.database import open_database
from traderv3.storage.journal import Journal
from traderv3.storage.recorder import Recorder
from traderv3.storage.spill import Spill
from traderv3.storage.write_queue import WriteQueue

RUN = "bench"
ROUNDS, QUICK_ROUNDS = 9, 2
MESSAGES = 300_000
TRADES_A_SECOND = 80  # a tenth of the busiest second's 825 messages
SETTLE_S = 0.3
LOOK_S = 0.002
LIMITS = JournalLimits(queue_frames_max=2_000_000, queue_bytes_max=1 << 30, drain_s=30.0)


class Took(NamedTuple):
    """Microseconds a message: of the wall clock, and of the processor (all threads of ours)."""

    wall_us: float
    cpu_us: float


class Kept(NamedTuple):
    """What storage did in one round."""

    waiting: int  # frames, when the last one came
    rows: int


@asynccontextmanager
async def storage(
    folder: Path, url: str, feed: Feed, bus: EventBus, limits: JournalLimits
) -> AsyncIterator[tuple[Journal, WriteQueue]]:
    """Journal, write queue and recorder at work, and trades for it; at the end all that came is on the disk."""
    journal = Journal(
        folder / "journal", environment="sim", run_id=RUN, markets=lambda: TICKERS, wall_us=wall_us, limits=limits
    )
    queue = WriteQueue(
        lambda: open_database(url, wall_us=wall_us),
        Spill(folder / "spill", f"{wall_us():016d}-{RUN}"),
        run_id=RUN,
        wall_us=wall_us,
        rng=random.Random(1),
    )
    recorder = Recorder(feed, bus, queue.put, wall_us=wall_us)
    keepers, makers = Lifeline(), Lifeline()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bus.run, Lifeline())
        async with trio.open_nursery() as keepers_nursery:
            keepers_nursery.start_soon(journal.run, keepers)
            keepers_nursery.start_soon(queue.run, keepers)
            async with trio.open_nursery() as makers_nursery:  # they stop first, so that their last word is kept
                makers_nursery.start_soon(recorder.run, makers)
                makers_nursery.start_soon(trade, recorder, makers.stopping)
                await trio.sleep(SETTLE_S)
                yield journal, queue
                makers.stopping.set()
            keepers.stopping.set()
        nursery.cancel_scope.cancel()


async def trade(recorder: Recorder, stopping: trio.Event) -> None:
    """Public trades, as the connection of the other channels brings them."""
    number = 0
    while not stopping.is_set():
        number += 1
        now_us = wall_us()
        recorder.record_fact(
            Trade(
                trade_id=f"trade-{number}",
                ticker=TICKERS[number % len(TICKERS)],
                yes_price=Price(4_500),
                count=Qty(1_500),
                is_taker_yes=True,
                is_block=False,
                at_us=now_us,
                received_us=now_us,
            )
        )
        await trio.sleep(1 / TRADES_A_SECOND)


async def take_all(port: int, feed: Feed, bus: EventBus, tape: Tape) -> Took:
    """Until the last message is in its book."""
    async with connected(port, feed, bus, tape):
        while not feed.counters.messages:  # noqa: ASYNC110 - the connector sets no event
            await trio.sleep(LOOK_S)
        before, began, cpu_began = feed.counters.messages, time.perf_counter(), time.process_time()
        while feed.counters.messages < MESSAGES:  # noqa: ASYNC110
            await trio.sleep(LOOK_S)
        count = feed.counters.messages - before
        took = Took((time.perf_counter() - began) / count * 1e6, (time.process_time() - cpu_began) / count * 1e6)
    counters = feed.counters
    assert (counters.gaps, counters.protocol_errors, counters.negative_levels, counters.crossed_books) == (0, 0, 0, 0)
    assert counters.deltas == MESSAGES - len(TICKERS) - 1
    return took


async def take_without(port: int) -> Took:
    return await take_all(port, Feed(), EventBus(), NO_TAPE)


async def take_with(port: int) -> tuple[Took, Kept]:
    feed, bus = Feed(), EventBus()
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/trader.sqlite3"
        async with storage(Path(name), url, feed, bus, LIMITS) as (journal, queue):
            took = await take_all(port, feed, bus, journal)
            waiting = journal.stats().queued_frames
    said, rows = journal.stats(), queue.stats()
    assert said.lost_frames == 0, f"lost {said.lost_frames} frames: {said.trouble}"
    assert said.frames_written >= MESSAGES
    assert (rows.dropped, rows.refused, rows.depth) == (0, 0, 0)
    return took, Kept(waiting, queue.stats().written)


async def measure(rounds: int) -> tuple[dict[str, list[Took]], list[Kept]]:
    """Every round of both, and what storage kept in each."""
    found: dict[str, list[Took]] = {"without": [], "with": []}
    kept = []
    with venue(MESSAGES) as port:
        await take_without(port)  # the first round warms up, and is not counted
        for _ in range(rounds):
            found["without"].append(await take_without(port))
            took, what = await take_with(port)
            found["with"].append(took)
            kept.append(what)
    return found, kept


def main() -> int:
    args = arguments(__doc__, rounds=ROUNDS, quick_rounds=QUICK_ROUNDS)
    report = Report("storage_cost", args)
    found, kept = trio.run(measure, args.rounds)
    wall = {name: [took.wall_us for took in rounds] for name, rounds in found.items()}
    cpu = {name: [took.cpu_us for took in rounds] for name, rounds in found.items()}
    waited = statistics.median(each.waiting for each in kept)
    said = f"of {MESSAGES:,} frames {waited:,.0f} waited at the end; {kept[-1].rows} rows"
    for name, what in (("without", "without storage"), ("with", "with journal and database")):
        report.figure(f"feed {what}, a message", spread(wall[name]), "us", note=said if name == "with" else "")
        report.figure(f"feed {what}, processor time a message", spread(cpu[name]), "us", note="all threads")
    report.figure("throughput, with storage to without", ratio(wall["without"], wall["with"]), "times", at_least=0.8)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
