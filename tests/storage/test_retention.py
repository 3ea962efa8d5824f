"""What is old enough is deleted, in small batches, when nothing waits; nothing else ever is."""

import random
import threading
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.storage.fake_database import FakeDatabase
from tests.storage.making import AT_US, ONE_OF_EACH, read, stored, transition
from tests.storage.postgres_server import PostgresServer
from traderv3.config.limits import RETENTION, RetentionLimits
from traderv3.core.lifeline import Lifeline
from traderv3.domain.units import Qty
from traderv3.storage.database import DatabaseTrouble, open_database
from traderv3.storage.retention import Retention
from traderv3.storage.rows import ROW_TYPES, TopRow
from traderv3.storage.spill import Spill
from traderv3.storage.write_queue import WriteQueue, on_the_spot

DAY_US = 86_400 * 10**6
FEW = RetentionLimits(days={"tops": 7}, batch_rows=10, every_s=60.0)


def top(at_us: int) -> TopRow:
    return TopRow(
        at_us=at_us,
        ticker="A",
        yes_bid=None,
        yes_bid_size=Qty(0),
        no_bid=None,
        no_bid_size=Qty(0),
        book_state="live",
    )


def test_the_oldest_go_first_and_only_those_before(url: str) -> None:
    database = open_database(url, wall_us=lambda: AT_US)
    ages = list(range(20))
    random.Random(1).shuffle(ages)
    database.write(stored(*(top(AT_US - age) for age in ages)))
    counts = [database.prune("tops", AT_US - 9, 4) for _ in range(4)]
    database.close()

    assert counts == [4, 4, 2, 0]
    assert read(url, "SELECT at_us FROM tops ORDER BY at_us") == [(AT_US - age,) for age in range(9, -1, -1)]


def test_a_sweep_deletes_what_is_sampled_and_old_and_keeps_all_else(url: str) -> None:
    database = open_database(url, wall_us=lambda: AT_US)
    database.write(stored(*ONE_OF_EACH))
    counts: dict[int, set[str]] = {}
    for days in (6, 8, 91):
        retention = Retention(RETENTION, wall_us=lambda days=days: AT_US + days * DAY_US)  # type: ignore[misc]
        for _ in range(len(RETENTION.days) + 2):
            retention.step(database, 0.0)
        kept = {kind.table for kind in ROW_TYPES if read(url, f"SELECT count(*) FROM {kind.table}") == [(1,)]}
        counts[days] = {kind.table for kind in ROW_TYPES} - kept
    database.close()

    assert counts == {6: set(), 8: {"tops"}, 91: {"tops", "bars"}}


@pytest.mark.process
def test_two_traders_that_delete_the_same_rows_do_not_get_into_each_others_way(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    database = open_database(url, wall_us=lambda: AT_US)
    database.write(stored(*(top(AT_US - number) for number in range(2_000))))
    database.close()
    deleted: list[int] = []

    def sweep() -> None:
        own = open_database(url, wall_us=lambda: AT_US)
        while count := own.prune("tops", AT_US + 1, 50):
            deleted.append(count)
        own.close()

    threads = [threading.Thread(target=sweep) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(deleted) == 2_000
    assert read(url, "SELECT count(*) FROM tops") == [(0,)]


def make_queue(database: FakeDatabase, folder: Path) -> WriteQueue:
    return WriteQueue(
        lambda: database,
        Spill(folder, "1-run"),
        run_id="run",
        wall_us=lambda: AT_US,
        rng=random.Random(1),
        retention=FEW,
        blocking=on_the_spot,
    )


async def test_old_rows_go_a_batch_at_a_time_while_nothing_waits_and_the_log_says_so(
    tmp_path: Path, autojump_clock: MockClock, logged: list[MutableMapping[str, Any]]
) -> None:
    database = FakeDatabase()
    database.rows = {("old", number): top(AT_US - 8 * DAY_US) for number in range(35)}
    queue = make_queue(database, tmp_path)
    lifeline = Lifeline()
    left: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.run, lifeline)
        for _ in range(8):
            queue.put(transition(1))
            await trio.sleep(1)
            left.append(len(database.seqs("old")))
        lifeline.stopping.set()

    assert all(before - after in (0, 5, 10) for before, after in zip([35, *left], left, strict=False))
    assert left[-1] == 0
    assert database.seqs() == list(range(1, 9))
    assert [line["rows"] for line in logged if line["event"] == "old rows deleted"] == [{"tops": 35}]


async def test_while_rows_wait_for_a_database_that_is_away_nothing_is_deleted(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    database = FakeDatabase()
    database.rows = {("old", 1): top(0)}
    database.is_away = True
    queue = make_queue(database, tmp_path)
    lifeline = Lifeline()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.run, lifeline)
        queue.put(transition(1))
        await trio.sleep(30)
        during = database.seqs("old")
        database.is_away = False
        await trio.sleep(30)
        lifeline.stopping.set()

    assert during == [1]
    assert database.seqs("old") == []


def test_a_sweep_that_fails_is_said_and_the_next_one_tries_again(logged: list[MutableMapping[str, Any]]) -> None:
    class Locked:
        is_locked = True
        asked = 0

        def prune(self, _: str, __: int, ___: int) -> int:
            self.asked += 1
            if self.is_locked:
                raise DatabaseTrouble("locked")
            return 0

    database, retention = Locked(), Retention(FEW, wall_us=lambda: AT_US)
    retention.step(database, 0.0)
    is_due = [retention.is_due(at_s) for at_s in (1.0, FEW.every_s)]
    database.is_locked = False
    retention.step(database, FEW.every_s)

    assert is_due == [False, True]
    assert database.asked == 2
    assert [line["error"] for line in logged] == ["locked"]
