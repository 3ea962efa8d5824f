"""Our own feed path as a candidate: the live connector, from the socket to the books, with the raw journal on.

Door, transport, frames, decode, sequence check, books, and the journal's thread writing every frame into a compressed file,
as `traderv3 run` does it. A message counts as done when its batch is in the books and on the tape, and whoever reads the
books is told (`Feed.wake`, which wakes the strategy's task).
Run by the benchmarks: python -m benchmarks.ours [--no-journal]
"""

import gc
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import trio

from benchmarks.peers.work import Job, Watch, serve
from benchmarks.stream import fingerprint, tickers
from benchmarks.venue import connected
from traderv3.config.limits import JournalLimits
from traderv3.core.clock import wall_us
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.domain.feed import Feed
from traderv3.domain.tape import NO_TAPE
from traderv3.storage.journal import Journal

# Much larger than live: at hundreds of times the live rate a shared disk that pauses would fill the live queue.
LIMITS = JournalLimits(queue_frames_max=2_000_000, queue_bytes_max=1 << 30, drain_s=60.0)


class Reader:
    """Whoever reads the books: told after each batch (`Feed.wake`), sees when the deltas begin and end."""

    def __init__(self, feed: Feed, watch: Watch) -> None:
        self.done = trio.Event()
        self.untimed: int | None = None  # deltas that came in one batch with the last snapshot
        self._counters = feed.counters
        self._watch = watch
        self._deltas = watch.job.count - watch.job.head
        self._seen = 0

    def wake(self) -> None:
        """The books are written, the batch is on the tape."""
        deltas = self._counters.deltas
        if self._watch.job.moments:
            self._watch.done_at_ns.extend([time.monotonic_ns()] * (deltas - self._seen))
            self._seen = deltas
        if self.untimed is None:
            if self._counters.snapshots == self._watch.job.markets:
                self.untimed = deltas
                self._watch.start()
        elif deltas == self._deltas and not self.done.is_set():
            self._watch.stop()
            self.done.set()


async def _run(job: Job, *, is_journalled: bool) -> dict[str, Any]:
    feed, bus, watch = Feed(), EventBus(), Watch(job)
    reader = Reader(feed, watch)
    feed.wake = reader.wake
    names = tickers(job.markets)
    trusted = Path(job.certificate) if job.certificate else None
    port = int(job.url.split(":")[2].split("/")[0])
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(
            Path(folder), environment="sim", run_id="bench", markets=lambda: names, wall_us=wall_us, limits=LIMITS
        )
        keeper = Lifeline()
        async with trio.open_nursery() as nursery:
            if is_journalled:
                nursery.start_soon(journal.run, keeper)
            async with connected(port, feed, bus, journal if is_journalled else NO_TAPE, names, trusted):
                await reader.done.wait()
            keeper.stopping.set()
        written = journal.stats()
    counters = feed.counters
    assert (counters.gaps, counters.protocol_errors, counters.negative_levels, counters.crossed_books) == (0, 0, 0, 0)
    assert (counters.deltas, counters.deltas_unused) == (job.count - job.head, 0)
    assert not is_journalled or (written.lost_frames == 0 and written.frames_written >= job.count)
    answer = watch.answer(fingerprint((ticker, book.yes, book.no) for ticker, book in feed.books.items()))
    assert reader.untimed is not None
    share = (job.count - job.head) / (job.count - job.head - reader.untimed)
    return answer | {name: value * share for name, value in answer.items() if name.endswith("_us")}


if __name__ == "__main__":
    gc.freeze()  # as `traderv3 run` does
    run = partial(_run, is_journalled="--no-journal" not in sys.argv)
    serve(lambda job: trio.run(run, job), "trio", "trio-websocket", "msgspec")
