"""The writer's thread: what waits in the queue becomes lines, compressed, in a segment, on the disk.

Every `flush_s` all that waits goes to the kernel, so that a killed process loses less than the last second; every
`sync_s` it goes to the disk. Trouble of the disk (full, gone, read-only, broken) ends the segment; what was in hand and
not written is kept, and tried again with a new segment after `retry_s`, while the queue fills up behind it.
Units: seconds of the machine's monotonic clock, because threads and disks know no other.
Never: a wait for anybody but the disk; a line twice. A bug ends the thread with its exception, and the actor with it.
"""

import contextlib
import errno
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from traderv3.config.limits import JournalLimits
from traderv3.storage.journal_queue import Item, JournalQueue
from traderv3.storage.segments import Segment, SegmentFile, list_segments, remove_oldest

STUCK_S: Final = (
    5.0  # a disk that does not answer for so long is said to be in trouble; slow ones take about one second
)


class OpenSegment(Protocol):
    """Makes a new segment: `Segment.open`. Raises `OSError`."""

    def __call__(self, directory: Path, number: int, header: bytes, *, started_us: int) -> Segment: ...


@dataclass(slots=True)
class Written:
    """What the threads of one journal have done so far, one after the other. Written by the thread, read by anybody."""

    frames: int = 0
    bytes: int = 0
    segment: str | None = None
    started_us: int | None = None  # the segment
    older: list[SegmentFile] = field(default_factory=list)
    trouble: str | None = None
    busy_since_s: float | None = None
    removed: int = 0


class JournalWriter:
    """One thread's life: `run`, until `stop`. `removed` and `lost` are for the actor to take out.

    A simulation, which has no threads, calls `turn` and `end` by itself, with its own `clock_s` and `open_segment`.
    """

    def __init__(
        self,
        directory: Path,
        queue: JournalQueue,
        header: Callable[[int], bytes],
        limits: JournalLimits,
        written: Written,
        *,
        wall_us: Callable[[], int],
        clock_s: Callable[[], float] = time.monotonic,
        open_segment: OpenSegment = Segment.open,
    ) -> None:
        self.removed: deque[SegmentFile] = deque()
        self.lost: deque[Item] = deque()
        self.in_hand: list[Item] = []
        self._directory = directory
        self._queue = queue
        self._header = header
        self._limits = limits
        self._written = written
        self._wall_us = wall_us
        self._clock_s = clock_s
        self._open_segment = open_segment
        self._segment: Segment | None = None
        self._began_s = self._synced_s = 0.0
        self._is_unsynced = False
        self._stopping = threading.Event()
        self._stop_s: float | None = None
        self._is_left_behind = False

    def stop(self, *, drain_s: float) -> None:
        """End within `drain_s`, as far as the disk lets us, having written what waits. From any thread."""
        self._stop_s = self._clock_s() + drain_s
        self._stopping.set()
        self._queue.wake.set()

    def leave_behind(self) -> None:
        """Another thread takes over: touch the queue no more."""
        self._is_left_behind = True

    def run(self) -> None:
        """The thread."""
        try:
            while not self._is_left_behind:
                if self._written.trouble is not None:
                    self._stopping.wait(self._limits.retry_s)
                elif not self._stopping.is_set():
                    self._queue.wake.wait(self._limits.flush_s)
                if self.turn():
                    return
        finally:
            self.end()

    def turn(self) -> bool:
        """Write what waits; whether that was the last time."""
        stop_s = self._stop_s  # before the round, which then takes all that was put in before the stop
        self._queue.wake.clear()
        self._round()
        is_done = self._written.trouble is not None or not (self.in_hand or self._queue.bytes)
        return stop_s is not None and (is_done or self._clock_s() >= stop_s)

    def _round(self) -> None:
        now_s = self._clock_s()
        self._written.busy_since_s = now_s
        try:
            self._write(now_s)
        except OSError as cause:
            self._on_trouble(cause)
        else:
            self._written.trouble = None
        finally:
            self._written.busy_since_s = None

    def _write(self, now_s: float) -> None:
        if self._segment is not None and self._is_full(self._segment, now_s):
            segment, self._segment = self._segment, None
            segment.close()
        if self._segment is None:
            self._segment = self._begin_segment(now_s)
        if not self.in_hand and not self._is_left_behind:
            self.in_hand = self._queue.take(self._limits.round_bytes_max)
        if self.in_hand:
            size_before = self._segment.size
            self._segment.write(b"".join([item.lines for item in self.in_hand]))
            self._written.bytes += self._segment.size - size_before
            self._written.frames += sum(item.frames for item in self.in_hand)
            self.in_hand = []
            self._is_unsynced = True
        if self._is_unsynced and now_s - self._synced_s >= self._limits.sync_s:
            self._segment.sync()
            self._is_unsynced, self._synced_s = False, now_s

    def _is_full(self, segment: Segment, now_s: float) -> bool:
        is_old = now_s - self._began_s >= self._limits.segment_s_max
        return segment.has_entries and (is_old or segment.size >= self._limits.segment_bytes_max)

    def _begin_segment(self, now_s: float) -> Segment:
        limits = self._limits
        older = list_segments(self._directory)
        room = limits.total_bytes_max - limits.segment_bytes_max - limits.round_bytes_max
        gone = remove_oldest(older, bytes_max=room)
        self.removed.extend(gone)
        self._written.removed += len(gone)
        number = older[-1].number + 1 if older else 1
        started_us = self._wall_us()
        segment = self._open_segment(self._directory, number, self._header(started_us), started_us=started_us)
        self._written.bytes += segment.size
        self._written.segment = segment.path.name
        self._written.started_us = started_us
        self._written.older = older[len(gone) :]
        self._began_s = now_s
        return segment

    def _on_trouble(self, cause: OSError) -> None:
        word = errno.errorcode.get(cause.errno or 0, type(cause).__name__)
        self._written.trouble = f"{cause.strerror or cause} ({word})"
        if self._segment is not None and self._segment.is_spoiled:  # a second attempt might write some of it twice
            self.lost.extend(self.in_hand)
            self.in_hand = []
        self._drop_segment()

    def end(self) -> None:
        """Close the segment."""
        if self._segment is not None and self._segment.has_entries:
            try:
                self._segment.close()
            except OSError as cause:
                self._on_trouble(cause)
        self._drop_segment()

    def _drop_segment(self) -> None:
        """Let go of the segment, and leave no file behind that holds nothing."""
        segment, self._segment = self._segment, None
        self._written.segment = self._written.started_us = None
        self._is_unsynced = False
        if segment is None:
            return
        segment.discard()
        if not segment.has_entries:
            with contextlib.suppress(OSError):
                segment.path.unlink()
