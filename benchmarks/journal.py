"""What the raw journal costs the feed: `BookSession.receive` over a real session's frames, with and without it.

Three candidates on one Trio loop, interleaved: no journal; the journal finding out by itself that the frames are JSON;
the journal told so by the session that has read them (`is_json`). A round is `PASSES` times the recording, in batches
as the transport hands them over, as fast as the loop goes. That is a thousand times the live rate, at which a shared
disk that pauses for half a second would fill the queue: here it is larger than live, and what waits in it at the end is
printed. The writer's thread needs a second core for most of what it does (compression): where others take it, compare
the processor's time, which is of both threads together, and not the throughput. Run: python -m benchmarks.journal [RECORDING]
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import trio

from traderv3.core.clock import wall_us
from traderv3.core.lifeline import Lifeline
from traderv3.domain.book import Book
from traderv3.domain.feed import FeedCounters
from traderv3.protocol.recording import RecordingReader
from traderv3.protocol.session import BookSession
from traderv3.storage.journal import Journal, JournalStats
from traderv3.storage.journal_writer import JournalLimits

RECORDING = Path(__file__).resolve().parent.parent.parent / "shared" / "recordings" / "ufc-20260307-2mkt.jsonl.zst"
ROUNDS = 7
PASSES = 8
BATCH = 200  # about 64 KiB
SETTLE_S = 0.5
LIMITS = JournalLimits(queue_frames_max=2_000_000, queue_bytes_max=1 << 30, drain_s=30.0)

Batches = Sequence[list[bytes]]


def read_frames(path: Path) -> tuple[list[str], Batches]:
    """The markets, and the inbound frames as the venue sends them: with a newline at the end."""
    with path.open("rb") as file:
        reader = RecordingReader(file, path.name)
        frames = [entry.exact + b"\n" for entry in reader if entry.is_inbound]
    return reader.header.markets, [frames[at : at + BATCH] for at in range(0, len(frames), BATCH)]


async def feed(markets: list[str], batches: Batches, journal: Journal | None, *, is_json: bool) -> float:
    """Microseconds a frame."""
    began = time.perf_counter()
    for _ in range(PASSES):
        session = BookSession("bench", {ticker: Book(ticker) for ticker in markets}, FeedCounters())
        session.commands(at_us=0, now_s=0.0)
        for batch in batches:
            session.receive(batch, at_us=0, now_s=0.0)
            session.take_notices()
            if journal is not None:
                journal.frames(1, wall_us(), batch, is_inbound=True, is_json=is_json)
            await trio.lowlevel.checkpoint()
        assert session.counters.deltas > 0
        assert session.counters.protocol_errors == 0
    return (time.perf_counter() - began) / (PASSES * sum(map(len, batches))) * 1e6


async def feed_with_journal(markets: list[str], batches: Batches, *, is_json: bool) -> tuple[float, JournalStats]:
    with tempfile.TemporaryDirectory() as name:
        journal = Journal(
            Path(name), environment="sim", run_id="bench", markets=lambda: markets, wall_us=wall_us, limits=LIMITS
        )
        lifeline = Lifeline()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.run, lifeline)
            await trio.sleep(SETTLE_S)
            took_us = await feed(markets, batches, journal, is_json=is_json)
            at_end = journal.stats()
            lifeline.stopping.set()
        stats = journal.stats()
    assert stats.lost_frames == 0, f"lost {stats.lost_frames} frames: {stats.trouble}"
    assert stats.frames_written == PASSES * sum(map(len, batches))
    return took_us, at_end


async def main(path: Path) -> None:
    markets, batches = read_frames(path)
    took: dict[str, list[float]] = {"no journal": [], "journal": [], "journal, told that it is JSON": []}
    total = PASSES * sum(map(len, batches))
    cpu: dict[str, list[float]] = {name: [] for name in took}
    waiting = []
    for _ in range(ROUNDS):
        for name, each in took.items():
            began = time.process_time()
            if name == "no journal":
                each.append(await feed(markets, batches, None, is_json=False))
            else:
                took_us, at_end = await feed_with_journal(markets, batches, is_json=name != "journal")
                each.append(took_us)
                waiting.append(at_end.queued_frames)
            cpu[name].append((time.process_time() - began) / total * 1e6)
    base = statistics.median(took["no journal"])
    for name, each in took.items():
        median = statistics.median(each)
        print(
            f"{name}: {median:.2f} us a frame, throughput {base / median:.2f} of that without, "
            f"{statistics.median(cpu[name]):.2f} us of processor time"
        )
    print(f"of {total} frames {statistics.median(waiting):.0f} waited for the disk when the last one came (median)")


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]) if len(sys.argv) > 1 else RECORDING)
