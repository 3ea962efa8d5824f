"""The disk and the database, slow, full or away: what storage works with in a simulation, on the spot and without threads.

Whole files are real, in a temporary folder; what fails, fails where the operating system would say so. A write whose
answer is lost has been carried out all the same.
Units: virtual seconds. Never: a thread.
"""

import errno
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import trio

from traderv3.core.clock import WallClock
from traderv3.core.disk import Blocking
from traderv3.storage.archive import StorageMeans
from traderv3.storage.database import Database, DatabaseTrouble, open_database
from traderv3.storage.journal import JournalMeans
from traderv3.storage.journal_writer import JournalWriter
from traderv3.storage.rows import Stored
from traderv3.storage.segments import Segment
from traderv3.storage.spill import Spill

FLUSH_S = 0.25
# Whose blocking work is nothing but writing (or reading once) small files: on a full disk it fails as a whole.
WRITERS = frozenset({"traderv3.storage.intent_log", "traderv3.trading.day_book", "traderv3.trading.latch"})

T = TypeVar("T")


class Disk:
    """How disk and database are at present; each trouble lasts until a moment."""

    def __init__(self, rng: random.Random) -> None:
        self.full_until_s = self.slow_until_s = self.away_until_s = self.forgetful_until_s = 0.0
        self.slow_s = 0.0
        self._rng = rng

    @property
    def is_full(self) -> bool:
        """Nothing more can be written."""
        return trio.current_time() < self.full_until_s

    @property
    def is_away(self) -> bool:
        """The database does not answer."""
        return trio.current_time() < self.away_until_s

    def means(self) -> StorageMeans:
        """For `storage.archive`."""
        return StorageMeans(
            journal=JournalMeans(run=self._write_in_turns, clock_s=trio.current_time, open_segment=self._open_segment),
            blocking=self._blocking,
            open_database=self._open_database,
            make_spill=lambda folder, name: _Spill(folder, name, self),
        )

    def check_room(self) -> None:
        """Raise `OSError` while the disk is full."""
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")

    async def wait(self) -> None:
        """As long as a piece of work takes."""
        await trio.sleep(self.slow_s if trio.current_time() < self.slow_until_s else 0.0)

    def loses_answer(self) -> bool:
        """Whether this write is carried out and reported as failed."""
        return trio.current_time() < self.forgetful_until_s and self._rng.random() < 0.3

    # -- what storage is given -----------------------------------------------------------------------------------------

    def _blocking(self) -> Blocking:
        busy = trio.Lock()

        async def run(work: Callable[[], T]) -> T:
            async with busy:
                try:
                    await self.wait()
                except trio.Cancelled:
                    if not (self.is_full and work.__module__ in WRITERS):
                        work()  # a thread that is left to itself goes on
                    raise
                if work.__module__ in WRITERS:
                    self.check_room()
                return work()

        return run

    def _open_database(self, url: str, wall_us: WallClock) -> "_Database":
        return _Database(open_database(url, wall_us=wall_us), self)

    def _open_segment(self, directory: Path, number: int, header: bytes, *, started_us: int) -> Segment:
        self.check_room()
        segment = _Segment.open(directory, number, header, started_us=started_us)
        segment.disk = self
        return segment

    async def _write_in_turns(self, writer: JournalWriter, scope: trio.CancelScope) -> None:
        try:
            with scope:
                while True:
                    await trio.sleep(FLUSH_S)
                    await self.wait()
                    if writer.turn():
                        return
        finally:
            writer.end()


class _Segment(Segment):
    disk: Disk | None = None

    def write(self, lines: bytes) -> None:
        if self.disk is not None:
            self.disk.check_room()
        super().write(lines)


class _Spill(Spill):
    def __init__(self, folder: Path, name: str, disk: Disk) -> None:
        super().__init__(folder, name)
        self._disk = disk

    def append(self, batch: Sequence[Stored]) -> None:
        self._disk.check_room()
        super().append(batch)


class _Database:
    """A database behind the disk's troubles."""

    def __init__(self, database: Database, disk: Disk) -> None:
        self._database = database
        self._disk = disk

    @property
    def name(self) -> str:
        return "the database"

    def write(self, batch: Sequence[Stored]) -> int:
        self._check()
        count = self._database.write(batch)
        if self._disk.loses_answer():
            msg = "the connection was lost after the commit"
            raise DatabaseTrouble(msg)
        return count

    def prune(self, table: str, before_us: int, most: int) -> int:
        self._check()
        return self._database.prune(table, before_us, most)

    def abort(self) -> None:
        self._database.abort()

    def close(self) -> None:
        self._database.close()

    def _check(self) -> None:
        if self._disk.is_away:
            raise DatabaseTrouble("the database does not answer")
        if self._disk.is_full:
            raise DatabaseTrouble("database or disk is full")
