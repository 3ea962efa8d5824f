"""The raw journal: every frame in and out, byte for byte, in segments that are recordings (`protocol.recording`).

In:     `frames` and `event`, from the loop's thread: they never wait and never raise.
Out:    `<data_dir>/journal/<environment>/<UTC start>-<number>.jsonl.zst`, bounded altogether, the oldest go first.
Loses:  less than the last second when the process is killed (or as long as one sync of the disk takes); and what the
        bounded queue could not hold while the disk was slow or in trouble: then an event `lost` of the connection says
        in the journal what is missing.
Dies:   only when the writer's thread dies of a bug; the next start begins a new segment. Trouble of the disk is daily
        work, said in `stats` and in the log.
Never:  a delay of the feed by a disk.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import trio

from traderv3.config.limits import JOURNAL, JournalLimits
from traderv3.core.lifeline import Lifeline
from traderv3.core.mailbox import MailboxStats
from traderv3.domain.tape import Detail
from traderv3.protocol.recording import header_line
from traderv3.storage.journal_queue import JournalQueue, event_item, frames_item
from traderv3.storage.journal_writer import STUCK_S, JournalWriter, OpenSegment, Written
from traderv3.storage.segments import Segment

log = structlog.get_logger(component="journal")

TICK_S: Final = 0.25  # how often the actor looks after losses, and says what its thread did

# A loop that never idles lets go of the interpreter often but shortly, at each look at its sockets; a thread that waits
# for the interpreter then loses the race every time, for a second and longer (its turn after 5 ms is promised only if
# nobody lets go before). So while much waits, the loop steps aside for as long as it takes a thread to wake up.
BACKLOG_TICK_S: Final = 0.005
ASIDE_S: Final = 0.0001

# The thread is woken for a part of a round that is still in a processor's cache.
ROUND_PARTS: Final = 16


def journal_directory(data_dir: Path, environment: str) -> Path:
    """Where the segments of an environment are."""
    return data_dir / "journal" / environment


@dataclass(frozen=True, slots=True)
class JournalStats:
    """The journal's account since the process started. Sizes are bytes; what is written is counted compressed."""

    segment: str | None  # None: there is none just now
    segments: int  # with the present one
    oldest_us: int | None  # when the oldest segment began
    frames_written: int
    bytes_written: int
    queued_frames: int
    queued_bytes: int
    lost_frames: int
    lost_bytes: int
    removed_segments: int
    trouble: str | None  # why nothing can be written now, in a few words


async def run_in_thread(writer: JournalWriter, scope: trio.CancelScope) -> None:
    """The writer's life, left to itself once `scope` is cancelled."""
    with scope:
        await trio.to_thread.run_sync(writer.run, abandon_on_cancel=True, limiter=trio.CapacityLimiter(1))


@dataclass(frozen=True, slots=True)
class JournalMeans:
    """What a journal works with: a thread, the machine's clock, the disk. A simulation has its own."""

    run: Callable[[JournalWriter, trio.CancelScope], Awaitable[None]] = run_in_thread
    clock_s: Callable[[], float] = time.monotonic
    open_segment: OpenSegment = Segment.open


class Journal:
    """The verbs for the loop's thread, and the actor that owns the writer's.

    `markets` is called by the writer's thread at the start of each segment and must give every market known by then:
    `lambda: list(feed.books)` is safe. `run_id` tells the reader which segments are of one process, in which
    connections have one number each.
    """

    name = "journal"

    def __init__(
        self,
        directory: Path,
        *,
        environment: str,
        run_id: str,
        markets: Callable[[], Iterable[str]],
        wall_us: Callable[[], int],
        limits: JournalLimits = JOURNAL,
        means: JournalMeans | None = None,
    ) -> None:
        self._directory = directory
        self._environment = environment
        self._run_id = run_id
        self._markets = markets
        self._wall_us = wall_us
        self._limits = limits
        self._means = means or JournalMeans()
        self._most_seen = 0
        self._queue = JournalQueue(
            frames_max=self._limits.queue_frames_max,
            bytes_max=self._limits.queue_bytes_max,
            wake_bytes=self._limits.round_bytes_max // ROUND_PARTS,
        )
        self._written = Written()
        self._trouble_told: str | None = None

    # -- verbs ---------------------------------------------------------------------------------------------------------

    def frames(
        self, conn: int, at_us: int, frames: Sequence[bytes], *, is_inbound: bool, is_json: bool = False
    ) -> None:
        """Take frames that came or went together.

        `is_json`: msgspec has read each of them whole, without error. It saves half of the cost.
        """
        if frames:
            item = frames_item(frames, at_us=at_us, conn=conn, is_inbound=is_inbound, is_json=is_json)
            self._queue.put(item)

    def event(self, conn: int, at_us: int, event: str, **fields: Detail) -> None:
        """Take an event of a connection (`open`, `close`, `error`, …) with whatever is known of it."""
        self._queue.put(event_item(event, at_us=at_us, conn=conn, details=fields))

    def stats(self) -> JournalStats:
        """The account at this moment."""
        written, queue = self._written, self._queue
        segment, older = written.segment, written.older
        return JournalStats(
            segment=segment,
            segments=len(older) + (segment is not None),
            oldest_us=older[0].started_us if older else written.started_us,
            frames_written=written.frames,
            bytes_written=written.bytes,
            queued_frames=queue.frames,
            queued_bytes=queue.bytes,
            lost_frames=queue.lost_frames,
            lost_bytes=queue.lost_bytes,
            removed_segments=written.removed,
            trouble=written.trouble or self._stuck(),
        )

    def mailbox(self) -> MailboxStats:
        """What waits for the writer, in frames; the most that was ever seen to wait."""
        queue, oldest_us = self._queue, self._queue.oldest_us
        self._most_seen = max(self._most_seen, queue.frames)
        return MailboxStats(
            depth=queue.frames,
            capacity=self._limits.queue_frames_max,
            policy="drop_newest",
            accepted=queue.frames_put + queue.lost_frames,
            dropped=queue.lost_frames,
            conflated=0,
            high_water=self._most_seen,
            oldest_s=0.0 if oldest_us is None else max(0, self._wall_us() - oldest_us) / 1e6,
        )

    # -- the actor -----------------------------------------------------------------------------------------------------

    async def run(self, lifeline: Lifeline) -> None:
        """Write until a stop is asked for, then what waits (`drain_s`). A cancellation writes one round more at most."""
        writer = JournalWriter(
            self._directory,
            self._queue,
            self._header,
            self._limits,
            self._written,
            wall_us=self._wall_us,
            clock_s=self._means.clock_s,
            open_segment=self._means.open_segment,
        )
        scope = trio.CancelScope(shield=True)  # a cancellation reaches the thread as `stop`, and may then wait for it
        lifeline.started()  # a disk that is down must not keep the trader from starting
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._means.run, writer, scope)
                drain_s = 0.0
                try:
                    await self._look_after(writer, lifeline)
                    drain_s = self._limits.drain_s
                finally:
                    self._queue.settle(is_last=True)
                    writer.stop(drain_s=drain_s)
                    scope.deadline = trio.current_time() + drain_s + self._limits.hang_s
        finally:
            writer.leave_behind()
            for item in writer.in_hand:
                self._queue.lose(item)
            self._take_over(writer)
            if lifeline.stopping.is_set() and self._queue.frames:
                log.warning("frames left unwritten at the end", frames=self._queue.frames, trouble=self.stats().trouble)

    async def _look_after(self, writer: JournalWriter, lifeline: Lifeline) -> None:
        while not lifeline.stopping.is_set():
            lifeline.beat()
            self._take_over(writer)
            self._queue.settle()
            is_behind = self._queue.is_backlogged and self._written.trouble is None
            if is_behind:
                time.sleep(ASIDE_S)  # noqa: ASYNC251 - on purpose: the loop's thread itself has to let go
            with trio.move_on_after(BACKLOG_TICK_S if is_behind else TICK_S):
                await lifeline.stopping.wait()

    def _take_over(self, writer: JournalWriter) -> None:
        """Count and say what the thread met with."""
        while writer.lost:
            self._queue.lose(writer.lost.popleft())
        gone = [writer.removed.popleft() for _ in range(len(writer.removed))]
        if gone:
            names = [segment.path.name for segment in gone]
            log.info("oldest segments removed", segments=names, bytes=sum(segment.size for segment in gone))
        trouble = self.stats().trouble
        if trouble != self._trouble_told:
            if trouble is not None:
                log.warning("the journal cannot be written", trouble=trouble, directory=str(self._directory))
            else:
                log.info("the journal is written again", lost_frames=self._queue.lost_frames)
            self._trouble_told = trouble

    def _header(self, started_us: int) -> bytes:
        markets = list(self._markets())
        return header_line(
            environment=self._environment, markets=markets, started_us=started_us, run=self._run_id, is_exact=True
        )

    def _stuck(self) -> str | None:
        since_s = self._written.busy_since_s
        is_stuck = since_s is not None and self._means.clock_s() - since_s > STUCK_S
        return "the disk does not answer" if is_stuck else None
