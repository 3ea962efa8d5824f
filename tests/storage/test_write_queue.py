"""The write queue on a virtual clock: batches, outages, the spill, and each row once whatever happens."""

import os
import random
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.storage.fake_database import FakeDatabase, SlowRunner
from tests.storage.making import AT_US, stored, transition
from traderv3.config.limits import QueueLimits, SpillLimits
from traderv3.core.disk import Blocking
from traderv3.core.lifeline import Lifeline
from traderv3.storage.spill import Spill
from traderv3.storage.write_queue import WriteQueue, on_the_spot

LIMITS = QueueLimits(capacity=1_000)


def make_queue(
    database: FakeDatabase,
    folder: Path,
    *,
    run_id: str = "run",
    limits: QueueLimits = LIMITS,
    blocking: Callable[[], Blocking] = on_the_spot,
    bytes_max: int = 10_000_000,
    seed: int = 0,
) -> WriteQueue:
    spill = Spill(
        folder / "spill", f"1-{run_id}", limits=SpillLimits(bytes_max=bytes_max, segment_bytes=min(bytes_max, 20_000))
    )
    return WriteQueue(
        lambda: database,
        spill,
        run_id=run_id,
        wall_us=lambda: AT_US,
        rng=random.Random(seed),
        limits=limits,
        blocking=blocking,
    )


@asynccontextmanager
async def running(queue: WriteQueue) -> AsyncIterator[Lifeline]:
    """The actor, running; at the end stopped in order."""
    lifeline = Lifeline()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.run, lifeline)
        await lifeline.settled.wait()
        yield lifeline
        lifeline.stopping.set()


def put(queue: WriteQueue, count: int) -> None:
    for number in range(count):
        queue.put(transition(number))


async def test_a_hundred_rows_are_written_at_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    database = FakeDatabase()
    queue = make_queue(database, tmp_path)
    async with running(queue):
        await trio.sleep(0.01)
        put(queue, 250)
        await trio.sleep(0.1)
        soon = list(database.batches)
        await trio.sleep(1)
        later = list(database.batches)

    assert soon == [100, 100]
    assert later == [100, 100, 50]
    assert database.seqs() == list(range(1, 251))
    assert queue.stats().written == 250
    assert queue.stats().last_write_us == AT_US


async def test_fewer_rows_are_written_within_a_second(tmp_path: Path, autojump_clock: MockClock) -> None:
    database = FakeDatabase()
    queue = make_queue(database, tmp_path)
    async with running(queue):
        for _ in range(10):
            put(queue, 1)
            await trio.sleep(0.3)
        written = len(database.rows)

    assert written >= 7
    assert len(database.batches) <= 4


async def test_a_stop_writes_what_waits(tmp_path: Path, autojump_clock: MockClock) -> None:
    database = FakeDatabase()
    queue = make_queue(database, tmp_path)
    async with running(queue):
        await trio.sleep(0.01)
        put(queue, 30)

    assert database.seqs() == list(range(1, 31))
    assert queue.stats().spilled == 0
    assert database.closes == 1


async def test_during_an_outage_rows_go_to_disk_and_from_there_to_the_database_in_order(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    database = FakeDatabase()
    database.is_away = True
    queue = make_queue(database, tmp_path)
    async with running(queue):
        for _ in range(60):
            put(queue, 50)
            await trio.sleep(1)
        during = queue.stats()
        database.is_away = False
        await trio.sleep(30)
        after = queue.stats()

    assert during.trouble == during.last_error == "connection refused"
    assert during.depth <= 100  # a second's or two
    assert during.spilled >= 2_900
    assert after.trouble is None
    assert (after.depth, after.spill_bytes, after.dropped) == (0, 0, 0)
    assert after.written == 3_000
    assert database.seqs() == list(range(1, 3_001))
    assert list((tmp_path / "spill").iterdir()) == []


async def test_tries_during_an_outage_become_rarer(tmp_path: Path, autojump_clock: MockClock) -> None:
    database = FakeDatabase()
    database.is_away = True
    queue = make_queue(database, tmp_path)
    async with running(queue):
        for _ in range(600):
            put(queue, 10)
            await trio.sleep(1)

    assert 60 <= database.calls <= 130  # 10 s apart at most, shortened by chance


async def test_an_answer_that_is_lost_makes_no_row_twice(tmp_path: Path, autojump_clock: MockClock) -> None:
    database = FakeDatabase()
    database.loses_answers = 3
    queue = make_queue(database, tmp_path)
    async with running(queue):
        put(queue, 250)
        await trio.sleep(10)

    assert database.seqs() == list(range(1, 251))


async def test_an_outage_at_the_end_leaves_the_rows_for_the_next_start(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    database = FakeDatabase()
    database.is_away = True
    queue = make_queue(database, tmp_path)
    async with running(queue):
        put(queue, 250)
        await trio.sleep(5)
        put(queue, 50)
    queue._spill.close()  # as the end of its process would
    database.is_away = False
    successor = make_queue(database, tmp_path, run_id="next")
    async with running(successor):
        put(successor, 5)
        await trio.sleep(3)

    assert database.seqs() == list(range(1, 301))
    assert database.seqs("next") == [1, 2, 3, 4, 5]


async def test_when_disk_and_memory_are_full_the_newest_are_dropped_counted_and_said(
    tmp_path: Path, autojump_clock: MockClock, logged: list[MutableMapping[str, Any]]
) -> None:
    database = FakeDatabase()
    database.is_away = True
    queue = make_queue(database, tmp_path, bytes_max=50_000)
    async with running(queue):
        for _ in range(50):
            put(queue, 50)
            await trio.sleep(1)
        full = queue.stats()
        database.is_away = False
        await trio.sleep(30)
        put(queue, 1)
        await trio.sleep(2)

    kept = database.seqs()
    assert full.depth == LIMITS.capacity
    assert full.spill_bytes <= 50_000
    assert full.dropped > 0
    assert "is the most" in str(full.trouble)
    assert kept == [*range(1, 2_501 - full.dropped), 2_501]  # the oldest are kept, and the hole shows what is lost
    assert sum(line["rows"] for line in logged if line["event"] == "rows for the database were lost") == full.dropped
    assert sum(line["event"] == "rows for the database were lost" for line in logged) <= 2


async def test_a_row_that_is_refused_is_set_aside_and_blocks_nobody(
    tmp_path: Path, autojump_clock: MockClock, logged: list[MutableMapping[str, Any]]
) -> None:
    database = FakeDatabase()
    database.refused = frozenset({7, 150})
    queue = make_queue(database, tmp_path)
    async with running(queue):
        put(queue, 250)
        await trio.sleep(3)

    assert sorted(database.seqs()) == [seq for seq in range(1, 251) if seq not in database.refused]
    assert queue.stats().refused == 2
    assert [line["seq"] for line in logged if line["event"] == "a row was set aside"] == [7, 150]
    assert (tmp_path / "spill" / "refused.jsonl").read_text().count("is wrong") == 2


async def test_a_call_that_hangs_is_an_outage_and_is_cut_off_in_the_end(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    database = FakeDatabase()
    hanging = SlowRunner()
    runners = iter([on_the_spot(), hanging.make_hanging()])  # the disk's, then the database's
    queue = make_queue(database, tmp_path, blocking=runners.__next__)
    async with running(queue) as lifeline:
        hanging.lets_go = trio.Event()
        put(queue, 250)
        await trio.sleep(10)
        stuck = queue.stats()
        beats = lifeline.beats
        await trio.sleep(150)
        assert lifeline.beats > beats
        hanging.lets_go.set()
        await trio.sleep(5)

    assert stuck.trouble is not None
    assert "no answer for" in stuck.trouble
    assert (stuck.depth, stuck.spilled) == (0, 250)
    assert database.aborts > 0
    assert database.seqs() == list(range(1, 251))


async def test_a_disk_that_takes_no_spill_is_trouble_and_memory_holds_what_it_can(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    (tmp_path / "spill").write_text("a file in its place")
    database = FakeDatabase()
    database.is_away = True
    queue = make_queue(database, tmp_path)
    async with running(queue):
        put(queue, 300)
        await trio.sleep(10)
        during = queue.stats()
        database.is_away = False
        await trio.sleep(15)

    assert (during.depth, during.spilled, during.dropped) == (300, 0, 0)
    assert during.trouble is not None
    assert during.trouble.startswith("connection refused; the spill")
    assert database.seqs() == list(range(1, 301))


async def test_what_an_earlier_run_left_is_taken_over_once_the_disk_can_be_read(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Spill(tmp_path / "spill", "0-left")
    left.append(stored(transition(1), run_id="left"))
    left.close()
    database = FakeDatabase()
    queue = make_queue(database, tmp_path)

    def unreadable(_: object) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr(Spill, "adopt", unreadable)
        async with running(queue) as lifeline:
            put(queue, 1)
            await trio.sleep(5)
            during = queue.stats()
            lifeline.stopping.set()
    async with running(queue):
        await trio.sleep(5)

    assert "Input/output error" in str(during.trouble)
    assert during.written == 1
    assert database.seqs("left") == [1]
    assert queue.stats().trouble is None


async def test_what_waits_outlives_a_restart_of_the_actor(tmp_path: Path, autojump_clock: MockClock) -> None:
    database = FakeDatabase()
    database.is_away = True
    queue = make_queue(database, tmp_path)
    for _ in range(3):
        with trio.move_on_after(2):
            async with running(queue):
                put(queue, 40)
                await trio.sleep_forever()
    database.is_away = False
    async with running(queue):
        await trio.sleep(3)

    assert database.seqs() == list(range(1, 121))


async def simulate(seed: int, folder: Path) -> None:
    """Outages, lost answers, slow calls, a full spill, crashes of actor and process; then the world behaves."""
    rng = random.Random(seed)
    database = FakeDatabase()
    slow = SlowRunner(rng, most_s=rng.choice([0, 0.2, 5]))
    limits = QueueLimits(capacity=rng.choice([200, 1_000]))
    bytes_max = rng.choice([20_000, 1_000_000])
    crash, kill, outage, lost_answer = (rng.choice([0, 0.05]) for _ in range(4))
    expected: dict[str, list[int]] = {}

    def start(life: int) -> WriteQueue:
        return make_queue(
            database,
            folder,
            run_id=f"{life}",
            limits=limits,
            blocking=slow.make,
            bytes_max=bytes_max,
            seed=seed,
        )

    is_killed = True
    for life in range(4):
        queue, put_at = start(life), dict[int, float]()
        async with trio.open_nursery() as nursery:
            lifeline = Lifeline()
            nursery.start_soon(queue.run, lifeline)
            is_killed = False
            for _ in range(40):
                for _ in range(rng.randrange(30)):
                    if queue.put(transition(0)):
                        put_at[queue._seq] = trio.current_time()
                database.is_away = rng.random() < 0.3 if rng.random() < outage * 5 else database.is_away
                database.loses_answers += rng.random() < lost_answer
                await trio.sleep(rng.random())
                if rng.random() < kill:
                    is_killed = True
                    break
                if rng.random() < crash:
                    nursery.cancel_scope.cancel()
                    break
            if is_killed:  # the process dies: what is in memory goes with it, and no farewell is said
                lost_in_memory = {stored.seq for stored in queue._waiting}
                queue._waiting.clear()
                nursery.cancel_scope.cancel()
            else:
                lost_in_memory = set()
                lifeline.stopping.set()
        waiting = {stored.seq for stored in queue._waiting}
        is_slow = slow.most_s > limits.farewell_s
        assert not waiting or is_slow or "is the most" in str(queue.stats().trouble), (seed, life)
        queue._spill.close()
        expected[f"{life}"] = [seq for seq in put_at if seq not in lost_in_memory | waiting]
    database.is_away, database.loses_answers = False, 0
    last = make_queue(database, folder, run_id="last")
    async with running(last):
        await trio.sleep(60)

    for run_id, seqs in expected.items():
        assert set(database.seqs(run_id)) >= set(seqs), (seed, run_id)
    assert last.stats().spill_bytes == 0
    last._spill.close()


@settings(max_examples=2_000 if os.environ.get("V3_SOAK") == "1" else 40)
@given(seed=st.integers(0, 2**32))
def test_no_row_is_lost_and_none_is_there_twice_whatever_happens(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    trio.run(simulate, seed, tmp_path_factory.mktemp("queue"), clock=MockClock(autojump_threshold=0))
