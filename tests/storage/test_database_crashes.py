"""The write queue against real databases on the wall clock: killed processes, and a server that goes away under load."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.storage.making import AT_US, files_of_at_most, numbers, read, transition
from tests.storage.postgres_server import PostgresServer, free_port
from traderv3.config.limits import QueueLimits
from traderv3.core.clock import wall_us
from traderv3.core.lifeline import Lifeline
from traderv3.storage.database import open_database
from traderv3.storage.spill import Spill
from traderv3.storage.write_queue import WriteQueue

IS_SOAK = os.environ.get("V3_SOAK") == "1"
SEEDS = range(50 if IS_SOAK else 3)
OUTAGE_S = 60.0 if IS_SOAK else 1.5
ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.process


def make_queue(url: str, folder: Path, run_id: str, limits: QueueLimits | None = None) -> WriteQueue:
    spill = Spill(folder, f"{time.time_ns():020d}-{run_id}")
    return WriteQueue(
        lambda: open_database(url, wall_us=wall_us),
        spill,
        run_id=run_id,
        wall_us=lambda: AT_US,
        rng=random.Random(1),
        limits=limits or QueueLimits(batch_s=0.2),
    )


async def until(is_so: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait for a condition of the real world."""
    with trio.fail_after(within_s):
        while not is_so():  # noqa: ASYNC110 - the real world sets no event
            await trio.sleep(0.02)


async def start_next(url: str, folder: Path) -> None:
    """The next start of a trader, until it has written what was left."""
    queue = make_queue(url, folder, "next")
    async with trio.open_nursery() as nursery:
        lifeline = Lifeline()
        nursery.start_soon(queue.run, lifeline)
        queue.put(transition(1))
        await until(lambda: queue.stats().written >= 1 and queue.stats().spill_bytes == 0)
        lifeline.stopping.set()
    queue._spill.close()


def kill_while_writing(url: str, folder: Path, seed: int) -> tuple[int, int, int]:
    """Let a child write and kill it; what it said last: rows put, written, spilled."""
    rng = random.Random(seed)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.storage.writing_child", url, str(folder), "killed", str(seed)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        said: list[bytes] = []
        try:
            deadline = time.monotonic() + 30
            while not said or sum(map(int, said[-1].split()[1:])) == 0:
                said.append(child.stdout.readline())
                assert time.monotonic() < deadline
            kill_at = time.monotonic() + rng.random() * 1.5
            while time.monotonic() < kill_at:
                said.append(child.stdout.readline())
        finally:
            child.kill()
        said += child.stdout.read().splitlines(keepends=True)
    put, written, spilled = map(int, [line for line in said if line.endswith(b"\n")][-1].split())
    return put, written, spilled


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_killed_process_loses_nothing_that_was_acknowledged(url: str, tmp_path: Path, seed: int) -> None:
    put, written, _ = await trio.to_thread.run_sync(kill_while_writing, url, tmp_path / "spill", seed)

    await start_next(url, tmp_path / "spill")

    found = numbers(url, "killed")
    assert found == list(range(1, len(found) + 1))  # no hole, none twice
    assert written <= len(found) <= put + 40
    assert len(found) >= put - 400  # the last moment's are all that can be missing
    assert numbers(url, "next") == [1]


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_process_killed_during_an_outage_leaves_its_rows_on_disk(
    postgres: PostgresServer, tmp_path: Path, seed: int
) -> None:
    nowhere = f"postgresql://trader@127.0.0.1:{free_port()}/x"
    put, written, spilled = await trio.to_thread.run_sync(kill_while_writing, nowhere, tmp_path / "spill", seed)
    url = postgres.new_database()

    await start_next(url, tmp_path / "spill")

    found = numbers(url, "killed")
    assert written == 0
    assert found == list(range(1, len(found) + 1))
    assert max(spilled, put - 400) <= len(found)


def p99(values: list[float]) -> float:
    """All but the worst hundredth are at most this."""
    return sorted(values)[len(values) * 99 // 100]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_server_that_goes_away_under_load_costs_no_row(
    postgres: PostgresServer, tmp_path: Path, how: signal.Signals
) -> None:
    url = postgres.new_database()
    queue = make_queue(url, tmp_path / "spill", "run", QueueLimits(capacity=5_000))
    is_loaded = True
    late_s: list[float] = []  # how late the loop's tasks wake

    async def load() -> None:
        number = 0
        while is_loaded:
            for _ in range(40):
                number += 1
                queue.put(transition(number))
            asleep_at = trio.current_time()
            await trio.sleep(0.02)
            late_s.append(trio.current_time() - asleep_at - 0.02)

    async with trio.open_nursery() as nursery:
        lifeline = Lifeline()
        nursery.start_soon(queue.run, lifeline)
        nursery.start_soon(load)
        await until(lambda: queue.stats().written > 3_000)
        late_before_s = p99(late_s)
        late_s.clear()
        await trio.to_thread.run_sync(postgres.stop, how)
        await until(lambda: queue.stats().trouble is not None)
        await trio.sleep(OUTAGE_S)
        during = queue.stats()
        late_during_s = p99(late_s)
        await trio.to_thread.run_sync(postgres.start)
        await until(lambda: queue.stats().trouble is None and queue.stats().spill_bytes == 0, 60)
        is_loaded = False
        await trio.sleep(0.1)
        lifeline.stopping.set()
    stats = queue.stats()
    queue._spill.close()

    assert during.spilled > 1_000
    assert stats.dropped == stats.refused == 0
    assert numbers(url) == list(range(1, queue._seq + 1))
    assert late_during_s < 3 * late_before_s + 0.05  # the loop is not held up; on a busy machine both are late


async def test_a_full_disk_is_said_and_costs_no_row_once_there_is_room(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'trader.db'}"
    queue = make_queue(url, tmp_path / "spill", "run")
    async with trio.open_nursery() as nursery:
        lifeline = Lifeline()
        nursery.start_soon(queue.run, lifeline)
        queue.put(transition(1))
        await until(lambda: queue.stats().written == 1)
        with files_of_at_most(150_000):
            for number in range(8_000):
                queue.put(transition(number))
            await until(lambda: "cannot be used" in str(queue.stats().trouble))
            during = queue.stats()
        await until(lambda: queue.stats().written == 8_001)
        after = queue.stats()
        lifeline.stopping.set()
    queue._spill.close()

    assert during.depth > 0
    assert (after.dropped, after.trouble) == (0, None)
    assert numbers(url) == list(range(1, 8_002))


async def test_a_frozen_server_is_noticed_and_costs_no_row(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    queue = make_queue(url, tmp_path / "spill", "run", QueueLimits(batch_s=0.1, hang_s=0.3, call_s=1.0))
    async with trio.open_nursery() as nursery:
        lifeline = Lifeline()
        nursery.start_soon(queue.run, lifeline)
        queue.put(transition(1))
        await until(lambda: queue.stats().written == 1)
        postgres.freeze()
        try:
            for number in range(50):
                queue.put(transition(number))
            await until(lambda: "no answer" in str(queue.stats().trouble))
            await until(lambda: queue.stats().depth == 0)
            spilled = queue.stats().spilled
            await trio.sleep(1.5)  # beyond `call_s`
        finally:
            postgres.thaw()
        await until(lambda: queue.stats().trouble is None and queue.stats().spill_bytes == 0)
        lifeline.stopping.set()
    queue._spill.close()

    assert spilled == 50
    assert numbers(url) == list(range(1, 52))


async def test_two_traders_share_a_server_and_one_spill_folder(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    queues = [make_queue(url, tmp_path / "spill", run_id) for run_id in ("one", "two")]
    async with trio.open_nursery() as nursery:
        lifelines = [Lifeline(), Lifeline()]
        for queue, lifeline in zip(queues, lifelines, strict=True):
            nursery.start_soon(queue.run, lifeline)
        for step in range(20):
            if step == 5:
                await trio.to_thread.run_sync(postgres.stop)
            if step == 15:
                await trio.to_thread.run_sync(postgres.start)
            for queue in queues:
                for number in range(30):
                    queue.put(transition(number))
            await trio.sleep(0.1)
        await until(lambda: all(q.stats().trouble is None and q.stats().written == 600 for q in queues))
        for lifeline in lifelines:
            lifeline.stopping.set()

    assert numbers(url, "one") == numbers(url, "two") == list(range(1, 601))
    assert read(url, "SELECT count(DISTINCT run_id) FROM transitions") == [(2,)]
