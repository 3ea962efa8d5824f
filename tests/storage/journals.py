"""Journals for the tests: written in the test's own thread, or by the real actor; and read back."""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import trio

from traderv3.config.limits import JournalLimits
from traderv3.core.lifeline import Lifeline
from traderv3.protocol.recording import Entry
from traderv3.storage.journal import Journal
from traderv3.storage.journal_queue import JournalQueue, frames_item
from traderv3.storage.journal_reader import JournalReader, open_journal
from traderv3.storage.journal_writer import JournalWriter, Written

AT_US = 1_795_359_761_279_123  # 2026-11-22T15:02:41.279Z
QUICK = JournalLimits(flush_s=0.01, sync_s=0.05, retry_s=0.05)
SMALL = replace(QUICK, round_bytes_max=2_000, segment_bytes_max=4_000, total_bytes_max=30_000)


def made(directory: Path, limits: JournalLimits = QUICK, *, wall_us: Callable[[], int] = lambda: AT_US) -> Journal:
    return Journal(
        directory, environment="sim", run_id="r1", markets=lambda: ["A", "B"], wall_us=wall_us, limits=limits
    )


class Bench:
    """A queue and a writer without a thread: `round` does what the thread does each time."""

    def __init__(
        self, directory: Path, limits: JournalLimits = QUICK, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.directory = directory
        self._clock_s = clock_s
        self.limits = limits
        self.queue = JournalQueue(
            frames_max=limits.queue_frames_max, bytes_max=limits.queue_bytes_max, wake_bytes=1 << 20
        )
        self.written = Written()
        self.writer = self._new_writer()

    def _new_writer(self) -> JournalWriter:
        def header(started_us: int) -> bytes:
            return made(self.directory)._header(started_us)

        return JournalWriter(
            self.directory,
            self.queue,
            header,
            self.limits,
            self.written,
            wall_us=lambda: AT_US + 10**6,
            clock_s=self._clock_s,
        )

    def put(self, *frames: bytes, conn: int = 1, at_us: int = AT_US, is_inbound: bool = True) -> None:
        self.queue.put(frames_item(frames, at_us=at_us, conn=conn, is_inbound=is_inbound))

    def round(self) -> None:
        self.writer._round()

    def drain(self) -> None:
        """Write all that waits and close, as at an ordered stop; the next writer begins a new segment."""
        self.writer.stop(drain_s=10.0)
        self.writer.run()
        self.writer = self._new_writer()


@asynccontextmanager
async def running(journal: Journal) -> AsyncIterator[Lifeline]:
    """The actor with its thread, stopped in order at the end."""
    lifeline = Lifeline()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run, lifeline)
        yield lifeline
        lifeline.stopping.set()


async def eventually(is_so: Callable[[], bool], within_s: float = 20.0) -> None:
    with trio.fail_after(within_s):
        while True:
            if is_so():
                return
            await trio.sleep(0.005)


def read(directory: Path) -> tuple[list[Entry], JournalReader]:
    reader = open_journal(directory)
    return list(reader), reader


def exact(entries: Iterable[Entry]) -> list[bytes]:
    return [entry.exact for entry in entries if entry.dir]
