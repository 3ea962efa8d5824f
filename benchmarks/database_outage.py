"""What an outage of the database costs: PostgreSQL stopped under load and started again, no row lost, the feed as before.

A venue in a process of its own sends `RATE` messages a second; the live connector, the journal, the recorder and the
write queue are at work as in a run. Latency is from the venue's making of a batch's last message to all of the batch
being in the books and on the tape. Printed: rows put, found in the database and missing; the latency before, during and
after the outage, and their ratios. Run: python -m benchmarks.database_outage [--quick] [--seconds 60]
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import trio

from benchmarks.rounds import Report, one, parse, parser
from benchmarks.storage_cost import RUN, storage
from benchmarks.venue import connected, venue
from tests.storage.making import numbers
from tests.storage.postgres_server import NoPostgres, PostgresServer
from traderv3.config.limits import JOURNAL
from traderv3.core.clock import wall_us
from traderv3.core.event_bus import EventBus
from traderv3.domain.feed import Feed
from traderv3.domain.tape import Detail, Tape
from traderv3.storage.rows import ROW_TYPES
from traderv3.storage.write_queue import WriteQueue

WANTED = 1.5  # noise included: a p99 of a busy machine
RATE = 5_000  # messages a second, six times the busiest recorded second
OUTAGE_S, QUICK_S = 60.0, 5.0
WARM_UP_S = 3.0
BEFORE_S = 20.0
AFTER_S = 10.0
CATCH_UP_S = 120.0
_CLOCK = b'"clock":'


class Stopwatch:
    """A tape that notes how old each batch's last message is once the batch is in the books and on the tape."""

    def __init__(self, tape: Tape) -> None:
        self.latencies_us: list[int] = []
        self._tape = tape

    def frames(
        self, conn: int, at_us: int, frames: Sequence[bytes], *, is_inbound: bool, is_json: bool = False
    ) -> None:
        self._tape.frames(conn, at_us, frames, is_inbound=is_inbound, is_json=is_json)
        at = frames[-1].find(_CLOCK) + len(_CLOCK)
        if is_inbound and at >= len(_CLOCK):
            self.latencies_us.append(wall_us() - int(frames[-1][at : frames[-1].index(b"}", at)]))

    def event(self, conn: int, at_us: int, event: str, **fields: Detail) -> None:
        self._tape.event(conn, at_us, event, **fields)

    def take(self) -> list[int]:
        """Those since the last call, ascending."""
        taken, self.latencies_us = sorted(self.latencies_us), []
        return taken


def p99(latencies_us: list[int]) -> int:
    return latencies_us[len(latencies_us) * 99 // 100]


async def until(is_so: Callable[[], bool], within_s: float) -> None:
    with trio.fail_after(within_s):
        while not is_so():  # noqa: ASYNC110 - the real world sets no event
            await trio.sleep(0.02)


async def suffer(server: PostgresServer, queue: WriteQueue, watch: Stopwatch, outage_s: float) -> list[list[int]]:
    """Latencies before, during and after."""
    await trio.sleep(WARM_UP_S)
    await until(lambda: queue.stats().written > 0, CATCH_UP_S)
    watch.take()
    await trio.sleep(min(BEFORE_S, outage_s))
    before = watch.take()
    await trio.to_thread.run_sync(server.stop)
    await trio.sleep(outage_s)
    during, stats = watch.take(), queue.stats()
    print(
        f"after {outage_s:.0f} s without it: {stats.spilled} rows were on disk, {stats.depth} in memory; {stats.trouble}"
    )
    await trio.to_thread.run_sync(server.start)
    started_at = trio.current_time()
    await until(lambda: queue.stats().trouble is None and not queue.stats().spill_bytes, CATCH_UP_S)
    print(f"made up for {trio.current_time() - started_at:.1f} s after the start of the server")
    watch.take()
    await trio.sleep(min(AFTER_S, outage_s))
    return [before, during, watch.take()]


async def measure(server: PostgresServer, report: Report, outage_s: float) -> None:
    await trio.to_thread.run_sync(server.start)
    url = server.new_database()
    feed, bus = Feed(), EventBus()
    seconds = WARM_UP_S + BEFORE_S + AFTER_S + outage_s + 2 * CATCH_UP_S
    with tempfile.TemporaryDirectory() as name, venue(int(seconds * RATE), RATE) as port:
        async with storage(Path(name), url, feed, bus, JOURNAL) as (journal, queue):
            watch = Stopwatch(journal)
            async with connected(port, feed, bus, watch):
                before, during, after = await suffer(server, queue, watch, outage_s)
        said = journal.stats()
    stored = sorted(seq for kind in ROW_TYPES for seq in numbers(url, RUN, kind.table))
    put = queue._seq  # dropped ones have a number, too
    missing = put - len(set(stored))
    for when, latencies_us in (("before", before), ("during", during), ("after", after)):
        report.figure(f"batch to book, p99 {when} the outage", one(p99(latencies_us) / 1000), "ms")
    frames = f"{said.frames_written:,} frames in the journal, {said.lost_frames} lost; {feed.counters.gaps} gaps"
    report.figure("rows missing", one(missing), "rows", at_most=0, note=f"{put:,} put, {len(stored):,} found")
    report.figure("rows twice", one(len(stored) - len(set(stored))), "rows", at_most=0, note=frames)
    report.figure("p99 during the outage to before", one(p99(during) / p99(before)), "times", at_most=WANTED)


def main() -> int:
    made = parser(__doc__, rounds=1, quick_rounds=1)
    made.add_argument("--seconds", type=float, default=0.0, help="of the outage")
    args = parse(made)
    report = Report("database_outage", args)
    try:
        postgres = PostgresServer()
    except NoPostgres as cause:
        report.absent("PostgreSQL", str(cause))
        return report.finish()
    try:
        trio.run(measure, postgres, report, args.seconds or (QUICK_S if args.is_quick else OUTAGE_S))
    finally:
        postgres.remove()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
