"""Everything that is kept of a run, assembled: the raw journal, the database behind its write queue, and who feeds them.

    journal       every frame and event, byte for byte         (the tape of the connectors)
    write_queue   rows, in batches, to the database
    recorder      what happens, as rows
    run_record    that the run began, how it ended, and its hash

Their room starts first and stops last, so that the last word of everybody else is kept.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from traderv3.config.limits import JOURNAL, WRITE_QUEUE, JournalLimits
from traderv3.core.clock import WallClock
from traderv3.core.disk import Blocking
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import ChildSpec, Strategy, SupervisorSpec
from traderv3.domain.events import StateChanged
from traderv3.domain.feed import AWAY_FAILURES, Feed
from traderv3.storage.database import open_database
from traderv3.storage.history import History, read_history
from traderv3.storage.journal import Journal, JournalMeans, journal_directory
from traderv3.storage.recorder import Recorder
from traderv3.storage.rows import RunEndedRow, RunStartedRow
from traderv3.storage.segments import list_segments
from traderv3.storage.spill import Spill
from traderv3.storage.write_queue import WriteQueue, Writing, in_thread

HISTORY_S: Final = 3.0  # a database that does not answer must not hold up the start
ONE_SEGMENT: Final = JournalLimits(segment_bytes_max=1 << 40, segment_s_max=1e9, total_bytes_max=1 << 42)


def parts_of(record_to: Path) -> Path:
    """Where a recording grows until it is whole."""
    return record_to.with_name(f"{record_to.name}.parts")


def finish_recording(record_to: Path) -> str:
    """Put the recording in its place; returns what to tell the person. Raises `OSError`."""
    folder = parts_of(record_to)
    parts = list_segments(folder)
    if len(parts) != 1:
        return f"{len(parts)} parts in {folder}: the disk was in trouble; replay the folder"
    parts[0].path.rename(record_to)
    folder.rmdir()
    return f"recorded to {record_to}"


def _open(url: str, wall_us: WallClock) -> Writing:
    return open_database(url, wall_us=wall_us)


@dataclass(frozen=True, slots=True)
class StorageMeans:
    """What storage works with: threads, disk and database. A simulation has its own."""

    journal: JournalMeans = field(default_factory=JournalMeans)
    blocking: Callable[[], Blocking] = in_thread
    open_database: Callable[[str, WallClock], Writing] = _open
    make_spill: Callable[[Path, str], Spill] = Spill


class Archive:
    """One run's keepers. `state_hash` is asked once, when everybody else has stopped.

    `trader` tells the traders of a shared database apart and is the same after a restart.
    """

    def __init__(
        self,
        feed: Feed,
        bus: EventBus,
        *,
        data_dir: Path,
        record_to: Path | None,
        environment: str,
        database_url: str,
        run_id: str,
        trader: str,
        version: str,
        state_hash: Callable[[], str],
        wall_us: WallClock,
        rng: random.Random,
        means: StorageMeans | None = None,
    ) -> None:
        means = means or StorageMeans()
        self._blocking = means.blocking()
        self._feed = feed
        self._bus = bus
        self._environment = environment
        self._database_url = database_url
        self._run_id = run_id
        self._trader = trader
        self._version = version
        self._state_hash = state_hash
        self._wall_us = wall_us
        self._is_begun = False
        self.journal = Journal(
            journal_directory(data_dir, environment) if record_to is None else parts_of(record_to),
            environment=environment,
            run_id=run_id,
            markets=lambda: list(feed.books),
            wall_us=wall_us,
            limits=JOURNAL if record_to is None else ONE_SEGMENT,
            means=means.journal,
        )
        self.queue = WriteQueue(
            lambda: means.open_database(database_url, wall_us),
            means.make_spill(data_dir / "spill" / environment, f"{wall_us():016d}-{run_id}"),
            run_id=run_id,
            wall_us=wall_us,
            rng=rng,
            blocking=means.blocking,
        )
        self.recorder = Recorder(feed, bus, self.queue.put, wall_us=wall_us)
        feed.mark = self._mark

    def room(self, *, heartbeat_s: float) -> SupervisorSpec:
        """The actors, in start order."""
        return SupervisorSpec(
            name="storage",
            strategy=Strategy.ONE_FOR_ONE,
            children=(
                ChildSpec(
                    name="journal",
                    run=self.journal.run,
                    heartbeat_s=heartbeat_s,
                    grace_s=JOURNAL.drain_s + JOURNAL.hang_s,
                    cancel_s=5.0,
                    mailbox=self.journal.mailbox,
                ),
                ChildSpec(
                    name="write_queue",
                    run=self.queue.run,
                    heartbeat_s=heartbeat_s,
                    grace_s=WRITE_QUEUE.stop_s + 0.5,
                    mailbox=self.queue.mailbox,
                ),
                ChildSpec(
                    name="recorder",
                    run=self.recorder.run,
                    heartbeat_s=heartbeat_s,
                    grace_s=1.0,
                    mailbox=self._bus.mailbox_of("recorder"),
                ),
                ChildSpec(name="run_record", run=self._record_run, grace_s=1.0),
            ),
        )

    async def history(self) -> History:
        """What the console showed before the last stop."""
        with trio.move_on_after(HISTORY_S):
            return await self._blocking(self._read_history)
        return History(trouble="the database did not answer in time")

    def _read_history(self) -> History:
        return read_history(
            self._database_url, environment=self._environment, trader=self._trader, except_run=self._run_id
        )

    def record_transition(self, change: StateChanged, problem: str | None) -> None:
        """A change of state, into both; `problem` is what a person had to mend then."""
        self.journal.event(
            0,
            change.at_us,
            "transition",
            source=change.source.value,
            target=change.target.value,
            context=change.context,
            problem=problem,
            away=",".join(name for name, line in self._feed.lines.items() if line.failures >= AWAY_FAILURES),
        )
        self.recorder.record_transition(change)

    def troubles(self) -> list[str]:
        """What cannot be kept just now, in sentences."""
        journal, queue = self.journal.stats().trouble, self.queue.stats().trouble
        said = [f"the journal cannot be written ({journal}); frames are lost to it"] if journal else []
        return said + ([f"the database is away ({queue}); rows wait"] if queue else [])

    def _mark(self, event: str, ticker: str, reason: str) -> None:
        self.journal.event(0, self._wall_us(), event, ticker=ticker, reason=reason)

    async def _record_run(self, lifeline: Lifeline) -> None:
        if not self._is_begun:  # an actor that starts anew is no new run
            self._is_begun = True
            started_us = self._wall_us()
            self.queue.put(
                RunStartedRow(
                    at_us=started_us, environment=self._environment, trader=self._trader, version=self._version
                )
            )
        lifeline.started()
        await lifeline.stopping.wait()
        state_hash = self._state_hash()
        self.journal.event(0, self._wall_us(), "end", state_hash=state_hash)
        self.queue.put(RunEndedRow(at_us=self._wall_us(), reason="stopped in order", state_hash=state_hash))
