"""A database in memory that misbehaves when told to, and a runner that lets calls take their time."""

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import trio

from traderv3.core.disk import Blocking
from traderv3.storage.database import DatabaseTrouble, RowsRefused
from traderv3.storage.rows import AnyRow, Stored

T = TypeVar("T")


class FakeDatabase:
    """Keeps each row once, in the order of their coming. What outlives a connection is here; `close` forgets nothing."""

    name = "fake"

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], AnyRow] = {}
        self.batches: list[int] = []
        self.is_away = False
        self.loses_answers = 0  # so many commits to come are done, and then the connection breaks
        self.refused: frozenset[int] = frozenset()
        self.calls = self.aborts = self.closes = 0

    def write(self, batch: Sequence[Stored]) -> int:
        self.calls += 1
        if self.is_away:
            msg = "connection refused"
            raise DatabaseTrouble(msg)
        for stored in batch:
            if stored.seq in self.refused:
                msg = f"number {stored.seq} is wrong"
                raise RowsRefused(msg)
        fresh = [stored for stored in batch if (stored.run_id, stored.seq) not in self.rows]
        self.rows.update({(stored.run_id, stored.seq): stored.row for stored in fresh})
        if self.loses_answers:
            self.loses_answers -= 1
            msg = "terminating connection due to administrator command"
            raise DatabaseTrouble(msg)
        self.batches.append(len(batch))
        return len(fresh)

    def prune(self, table: str, before_us: int, most: int) -> int:
        old = [key for key, row in self.rows.items() if row.table == table and row.at_us < before_us]
        for key in old[:most]:
            del self.rows[key]
        return len(old[:most])

    def abort(self) -> None:
        self.aborts += 1

    def close(self) -> None:
        self.closes += 1

    def seqs(self, run_id: str = "run") -> list[int]:
        """The numbers of a run in the order of their coming."""
        return [seq for run, seq in self.rows if run == run_id]


class SlowRunner:
    """Runs work in the loop's thread after a wait: what a slow or hanging server and a slow disk look like."""

    def __init__(self, rng: random.Random | None = None, most_s: float = 0.0) -> None:
        self.rng = rng
        self.most_s = most_s
        self.lets_go = trio.Event()
        self.lets_go.set()

    def make(self) -> Blocking:
        lock = trio.Lock()

        async def run(work: Callable[[], T]) -> T:
            async with lock:
                await trio.sleep(self.rng.uniform(0, self.most_s) if self.rng else 0)
                return work()

        return run

    def make_hanging(self) -> Blocking:
        """One whose work hangs while `lets_go` is not set."""

        async def run(work: Callable[[], T]) -> T:
            await self.lets_go.wait()
            return work()

        return run
