"""The actor that writes the database: rows in from anybody without a wait, batches out through one worker thread.

In:    `put`, from the loop's thread; each row gets the next number of this run.
Out:   batches of `batch_rows`, or of what came within `batch_s`, oldest first, each row exactly once.
While the database is away, slow or behind: what waits goes to the spill at once and then every `batch_s`, so that no
       row much older than that is in memory alone; when the database is back the spill comes first.
When nothing waits, rows that are old enough are deleted (`retention`).
Lost:  only what comes while the memory is full and the spill cannot take it (full, or its disk is): the newest, counted
       and said. A number missing in a run is such a row, or one that the database refused, which is set aside.
Stop:  within its grace everything is written, or spilled for the next start.
Dies:  only when an invariant breaks; what waits is kept for the next start of the actor.
"""

import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import structlog
import trio

from traderv3.config.limits import RETENTION, WRITE_QUEUE, QueueLimits, RetentionLimits
from traderv3.core.clock import WallClock
from traderv3.core.disk import Blocking
from traderv3.core.lifeline import Lifeline
from traderv3.core.mailbox import MailboxStats
from traderv3.core.supervision import Backoff
from traderv3.storage.database import DatabaseTrouble, RowsRefused
from traderv3.storage.retention import Retention
from traderv3.storage.rows import AnyRow, Stored
from traderv3.storage.spill import Spill, SpillFull

log = structlog.get_logger(component="write_queue")

T = TypeVar("T")


class Writing(Protocol):
    """What is asked of a database; `storage.database.Database` is one."""

    @property
    def name(self) -> str: ...
    def write(self, batch: Sequence[Stored], /) -> int: ...
    def prune(self, table: str, before_us: int, most: int, /) -> int: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class QueueStats:
    """The account at this moment; counts since the process started."""

    depth: int  # rows in memory
    capacity: int
    written: int  # rows that are in the database now and were not before
    spilled: int
    spill_bytes: int  # on disk now
    dropped: int  # for want of room, for good
    refused: int  # set aside: the database will never take them
    trouble: str | None  # why rows wait at present
    last_error: str | None
    last_write_us: int | None
    latency_ms: int | None  # of the last write


class WriteQueue:
    """Outlives the starts of its actor: what waits, the spill and the account are kept over a restart."""

    name = "write_queue"

    def __init__(
        self,
        database: Callable[[], Writing],
        spill: Spill,
        *,
        run_id: str,
        wall_us: WallClock,
        rng: random.Random,
        limits: QueueLimits = WRITE_QUEUE,
        retention: RetentionLimits = RETENTION,
        blocking: Callable[[], Blocking] | None = None,
    ) -> None:
        """`database` makes one that is not connected yet; `blocking` a runner for work that blocks (`in_thread`)."""
        self.run_id = run_id
        self._open_database = database
        self._spill = spill
        self._wall_us = wall_us
        self._rng = rng
        self._limits = limits
        self._backoff = Backoff(self._limits.retry_first_s, self._limits.retry_most_s)
        self._retention = Retention(retention, wall_us=wall_us)
        self._make_blocking = blocking or in_thread
        self._disk = self._make_blocking()  # kept over restarts: two threads must never be in the spill
        self._waiting: deque[Stored] = deque()
        self._most_seen = 0
        self._seq = 0
        self._due = trio.Event()  # a batch is full
        self._in_danger = trio.Event()  # an outage began: what waits is in memory alone
        self._written = self._spilled = self._dropped = 0
        self._dropped_said, self._said_at = 0, -math.inf
        self._trouble: str | None = None
        self._spill_trouble: str | None = None
        self._last_error: str | None = None
        self._last_write_us: int | None = None
        self._latency_s: float | None = None
        self._calling_since = math.inf
        self._is_adopted = self._is_unreadable = False

    def put(self, row: AnyRow) -> bool:
        """Take one row; False if it is dropped because nothing has room. Never waits, never raises."""
        self._seq += 1
        if len(self._waiting) >= self._limits.capacity:
            self._dropped += 1
            return False
        self._waiting.append(Stored(self.run_id, self._seq, row))
        if len(self._waiting) >= self._limits.batch_rows:
            self._due.set()
        return True

    def stats(self) -> QueueStats:
        """The account at this moment."""
        return QueueStats(
            depth=len(self._waiting),
            capacity=self._limits.capacity,
            written=self._written,
            spilled=self._spilled,
            spill_bytes=self._spill.size,
            dropped=self._dropped,
            refused=self._spill.refused,
            trouble="; ".join(filter(None, (self._trouble, self._spill_trouble))) or None,
            last_error=self._last_error,
            last_write_us=self._last_write_us,
            latency_ms=None if self._latency_s is None else round(self._latency_s * 1000),
        )

    def mailbox(self) -> MailboxStats:
        """What waits in memory, in rows; the most that was ever seen to wait. What was spilled waits on disk."""
        depth = len(self._waiting)
        self._most_seen = max(self._most_seen, depth)
        oldest_us = self._waiting[0].row.at_us if self._waiting else self._wall_us()
        return MailboxStats(
            depth=depth,
            capacity=self._limits.capacity,
            policy="spill",
            accepted=self._seq,
            dropped=self._dropped,
            conflated=0,
            high_water=self._most_seen,
            oldest_s=max(0, self._wall_us() - oldest_us) / 1e6,
        )

    async def run(self, lifeline: Lifeline) -> None:
        """Write until asked to stop, then write or spill what waits."""
        database = self._open_database()
        writer = _Writer(database, self._make_blocking())
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_safe)
                nursery.start_soon(self._keep_writing, writer)
                lifeline.started()
                while not lifeline.stopping.is_set():
                    lifeline.beat()  # whatever disk and database do: starting anew would not mend them
                    self._watch(database)
                    with trio.move_on_after(self._limits.batch_s):
                        await lifeline.stopping.wait()
                nursery.cancel_scope.cancel()
            with trio.move_on_after(self._limits.flush_s):
                await self._write_out(writer)
        finally:
            with trio.move_on_after(self._limits.farewell_s, shield=True):
                await self._spill_waiting()
            self._say_losses()
            if self._waiting:
                log.error("rows wait in memory alone, and end with the process", rows=len(self._waiting))
            with trio.move_on_after(self._limits.farewell_s, shield=True) as last:
                await writer.blocking(database.close)
            if last.cancelled_caught:
                database.abort()  # a thread is still with it; nobody waits for that

    # -- to the database -----------------------------------------------------------------------------------------------

    async def _keep_writing(self, writer: "_Writer") -> None:
        """One batch after another for ever; while the database is away, one try after another."""
        await self._adopt()
        failures = 0
        while True:
            await self._until_due()
            try:
                await self._write_next(writer)
                failures = 0
                await self._prune(writer)
            except DatabaseTrouble as cause:
                failures += 1
                self._note_trouble(str(cause))
                await writer.blocking(writer.database.close)
                await trio.sleep(self._backoff.delay_s(failures, self._rng))

    async def _until_due(self) -> None:
        self._due = trio.Event()
        is_due = len(self._waiting) >= self._limits.batch_rows
        if is_due or (self._spill.waiting_bytes and not self._is_unreadable):
            await trio.lowlevel.checkpoint()
            return
        with trio.move_on_after(self._limits.batch_s):
            await self._due.wait()

    async def _write_out(self, writer: "_Writer") -> None:
        """Write what waits in memory, if the database takes it; behind a spill it would only come before its turn."""
        try:
            while self._waiting and self._trouble is None and not self._spill.waiting_bytes:
                await self._write_next(writer)
        except DatabaseTrouble as cause:
            self._note_trouble(str(cause))

    async def _write_next(self, writer: "_Writer") -> None:
        """Write the oldest rows, if any. They are forgotten here only once the database has them."""
        if self._spill.waiting_bytes and (batch := await self._read_spill()):
            await self._write(writer, batch)
            await self._disk(self._spill.done)
        elif batch := list(itertools.islice(self._waiting, self._limits.batch_rows)):
            await self._write(writer, batch)
            self._forget(batch[-1].seq)
        if self._is_adopted and not self._spill.waiting_bytes:
            self._spill_trouble = None  # whatever it was, nothing needs the spill now

    async def _prune(self, writer: "_Writer") -> None:
        """Delete a few rows that are old enough, if nothing waits to be written."""
        now_s = trio.current_time()
        is_idle = len(self._waiting) < self._limits.batch_rows and not self._spill.waiting_bytes
        if is_idle and self._trouble is None and self._retention.is_due(now_s):
            self._calling_since = now_s
            try:
                await writer.blocking(partial(self._retention.step, writer.database, now_s))
            finally:
                self._calling_since = math.inf

    async def _write(self, writer: "_Writer", batch: Sequence[Stored]) -> None:
        """Have these rows in the database, or set aside those that it will never take. Raises `DatabaseTrouble`."""
        self._calling_since = started = trio.current_time()
        try:
            written = await writer.blocking(partial(writer.database.write, batch))
        except RowsRefused as cause:
            if len(batch) == 1:
                await self._disk(partial(self._spill.set_aside, batch[0], str(cause)))
                return
            for stored in batch:
                await self._write(writer, [stored])
            return
        finally:
            self._calling_since = math.inf
            self._latency_s = trio.current_time() - started
        self._written += written
        self._last_write_us = self._wall_us()
        if self._trouble is not None:
            self._trouble = None
            log.info("the database is back", database=writer.database.name, depth=len(self._waiting))

    # -- to the spill --------------------------------------------------------------------------------------------------

    async def _keep_safe(self) -> None:
        """While rows do not get to the database at once, have them on disk every `batch_s`."""
        while True:
            with trio.move_on_after(self._limits.batch_s):
                await self._in_danger.wait()
            self._in_danger = trio.Event()
            await self._adopt()  # should it have failed before
            is_behind = len(self._waiting) >= self._limits.capacity // 2
            is_slow = trio.current_time() - self._calling_since >= self._limits.batch_s
            if self._trouble is not None or self._spill.waiting_bytes or is_behind or is_slow:
                await self._spill_waiting()

    async def _adopt(self) -> None:
        if self._is_adopted:
            return
        try:
            size = await self._disk(self._spill.adopt)
        except OSError as cause:
            self._note_spill_trouble(cause)
            return
        self._is_adopted = True
        if size:
            log.info("rows of an earlier run wait to be written", bytes=size)

    async def _spill_waiting(self) -> None:
        """Move what waits in memory to disk, as far as it takes it."""
        while batch := list(itertools.islice(self._waiting, self._limits.spill_rows)):
            try:
                await self._disk(partial(self._spill.append, batch))
            except (OSError, SpillFull) as cause:
                self._note_spill_trouble(cause)
                return
            self._spill_trouble = None
            self._spilled += len(batch)
            self._forget(batch[-1].seq)

    async def _read_spill(self) -> list[Stored]:
        try:
            batch = await self._disk(partial(self._spill.read, self._limits.drain_rows))
        except OSError as cause:
            self._is_unreadable = True  # what waits in memory goes on without it
            self._note_spill_trouble(cause)
            return []
        self._is_unreadable = False
        return batch

    # -- the account ---------------------------------------------------------------------------------------------------

    def _forget(self, seq: int) -> None:
        """Rows up to that number are safe. The spill and the database may both have had them: once is enough."""
        while self._waiting and self._waiting[0].seq <= seq:
            self._waiting.popleft()

    def _watch(self, database: Writing) -> None:
        """A call that hangs is an outage; one that hangs for too long is ended."""
        called_s = trio.current_time() - self._calling_since
        if called_s >= self._limits.hang_s:
            self._note_trouble(f"{database.name}: no answer for {called_s:.0f} s")
        if called_s >= self._limits.call_s:
            database.abort()
        if trio.current_time() - self._said_at >= self._limits.said_every_s:
            self._say_losses()

    def _say_losses(self) -> None:
        if self._dropped > self._dropped_said:
            lost, self._dropped_said = self._dropped - self._dropped_said, self._dropped
            self._said_at = trio.current_time()
            log.error("rows for the database were lost", rows=lost, reason=self._spill_trouble or "too many at once")

    def _note_trouble(self, text: str) -> None:
        if self._trouble is None:
            log.warning("the database takes no rows; they wait", error=text, depth=len(self._waiting))
            self._in_danger.set()
        self._trouble = self._last_error = text

    def _note_spill_trouble(self, cause: Exception) -> None:
        text = f"the spill {self._spill.folder} cannot be used: {cause}"
        if self._spill_trouble is None:
            log.warning("rows that wait for the database cannot be put on disk", error=text)
        self._spill_trouble = self._last_error = text


@dataclass(frozen=True, slots=True)
class _Writer:
    """The database of one start of the actor, and the one thread that may use it."""

    database: Writing
    blocking: Blocking


def in_thread() -> Blocking:
    """Work in a worker thread, one piece at a time. Cancelled, it is left to itself, and the next piece waits for it."""
    limiter = trio.CapacityLimiter(1)

    async def run(work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)

    return run


def on_the_spot() -> Blocking:
    """Work in the loop's own thread: for simulations, whose virtual clock does not wait for threads."""

    async def run(work: Callable[[], T]) -> T:
        await trio.lowlevel.checkpoint()
        return work()

    return run
