"""The journal and its disk: killed processes, full and vanished disks, files that cannot be taken back. Wall clock."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.storage import journalling_child
from tests.storage.journals import AT_US, QUICK, Bench, eventually, exact, made, read, running
from tests.storage.small_disk import mounted
from traderv3.protocol.recording import LOST
from traderv3.storage.segments import list_segments

SEEDS = [pytest.param(seed, marks=pytest.mark.soak if seed >= 3 else ()) for seed in range(50)]
DISK_BYTES = 512 << 10


def numbers(directory: Path) -> list[int]:
    return [json.loads(frame)["number"] for frame in exact(read(directory)[0])]


def start_child(directory: Path, first: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", journalling_child.__name__, str(directory), str(first)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0, cwd=Path(__file__).parents[2])


def kill(child: "subprocess.Popen[bytes]") -> tuple[float, list[tuple[int, float]]]:
    """When it was killed, and what it said until then."""
    killed_s = time.monotonic()
    child.kill()
    out, _ = child.communicate(timeout=20)
    lines = [line.split() for line in out.decode().splitlines(keepends=True) if line.endswith("\n")]
    return killed_s, [(int(number), float(at_s)) for number, at_s in lines]


@pytest.mark.process
@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_process_loses_less_than_a_second_and_the_next_one_goes_on(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    first = 0
    must_be_there: list[int] = []
    ended = []
    for _ in range(2):
        child = start_child(tmp_path, first)
        assert child.stdout is not None
        child.stdout.readline()  # it lives
        time.sleep(1.1 + rng.random())
        killed_s, said = kill(child)
        assert said
        must_be_there += range(first, max(number for number, at_s in said if at_s <= killed_s - 1.0) + 1)
        ended.append(numbers(tmp_path)[-1])
        first = said[-1][0] + 1000  # beyond whatever it did after its last word
    found = numbers(tmp_path)
    _, reader = read(tmp_path)

    assert set(must_be_there) <= set(found)
    assert found == sorted(set(found))
    assert ended[0] in found
    assert len(list_segments(tmp_path)) == 2
    assert 1 <= reader.damages_found <= 2  # the torn ends


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of `DISK_BYTES`."""
    with mounted(tmp_path / "disk", size=DISK_BYTES) as is_mounted:
        if not is_mounted:
            pytest.skip("a small file system cannot be mounted here (root and the right to mount are needed)")
        yield tmp_path / "disk"


@pytest.mark.process
async def test_a_full_disk_is_said_delays_nobody_and_costs_only_what_the_queue_cannot_hold(small_disk: Path) -> None:
    rng = random.Random(1)
    others = small_disk / "others"
    others.write_bytes(bytes(DISK_BYTES - (64 << 10)))
    journal = made(small_disk / "journal", replace(QUICK, queue_frames_max=200))
    sent: list[bytes] = []
    longest_s = 0.0

    def send() -> None:
        nonlocal longest_s
        sent.append(b'{"number":%d,"x":"%s"}\n' % (len(sent), rng.randbytes(500).hex().encode()))
        before_s = time.perf_counter()
        journal.frames(1, AT_US + len(sent), [sent[-1]], is_inbound=True)
        longest_s = max(longest_s, time.perf_counter() - before_s)

    def is_full() -> bool:
        send()
        return journal.stats().trouble is not None and journal.stats().lost_frames > 100

    async with running(journal):
        await eventually(lambda: journal.stats().segment is not None)
        await eventually(is_full)
        full = journal.stats()
        others.unlink()
        await eventually(lambda: journal.stats().trouble is None and not journal.stats().queued_frames)
        send()
    entries, _ = read(small_disk / "journal")
    losses = [entry for entry in entries if entry.event == LOST]
    found = exact(entries)

    assert full.trouble == "No space left on device (ENOSPC)"
    assert longest_s < 0.2
    assert sum(entry.lost_frames for entry in losses) == journal.stats().lost_frames == len(sent) - len(found)
    assert found == [frame for frame in sent if frame in set(found)]
    assert found[-1] == sent[-1]


async def test_a_directory_that_cannot_be_made_is_trouble_until_it_can_and_nothing_is_lost(tmp_path: Path) -> None:
    in_the_way = tmp_path / "journal"
    in_the_way.write_text("a file")
    journal = made(in_the_way)
    async with running(journal):
        journal.frames(1, AT_US, [b"1"], is_inbound=True)
        await eventually(lambda: journal.stats().trouble is not None)
        during = journal.stats()
        in_the_way.unlink()
        await eventually(lambda: journal.stats().frames_written == 1)

    assert during.trouble == "Not a directory (ENOTDIR)"
    assert (during.segment, during.queued_frames + during.frames_written, during.lost_frames) == (None, 1, 0)
    assert exact(read(in_the_way)[0]) == [b"1"]


async def test_a_directory_that_somebody_deletes_is_noticed_and_made_anew(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    journal = made(directory)
    async with running(journal):
        journal.frames(1, AT_US, [b"1"], is_inbound=True)
        await eventually(lambda: journal.stats().frames_written == 1)
        shutil.rmtree(directory)
        journal.frames(1, AT_US, [b"2"], is_inbound=True)
        await eventually(directory.exists)
        journal.frames(1, AT_US, [b"3"], is_inbound=True)

    assert exact(read(directory)[0])[-1] == b"3"


def test_what_failed_is_written_once_in_the_next_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.put(b"1")
    bench.round()
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr("traderv3.storage.segments.os.write", broken)
        return write(descriptor, data[: len(data) // 2])

    def broken(_: int, __: bytes) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("traderv3.storage.segments.os.write", half)
    bench.put(b"2", b"3")
    bench.round()
    trouble = bench.written.trouble
    bench.put(b"4")
    bench.round()
    monkeypatch.undo()
    bench.drain()

    assert trouble == "Input/output error (EIO)"
    assert exact(read(tmp_path)[0]) == [b"1", b"2", b"3", b"4"]
    assert len(list_segments(tmp_path)) == 2


async def test_what_cannot_be_taken_back_is_recorded_as_lost_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = made(tmp_path)
    real = os.write
    broken: list[int] = []

    def write(descriptor: int, data: bytes) -> int:
        if broken:
            raise OSError(5, "Input/output error")
        return real(descriptor, data)

    def truncate(_: int, __: int) -> None:
        broken.clear()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("traderv3.storage.segments.os.write", write)
    monkeypatch.setattr("traderv3.storage.segments.os.ftruncate", truncate)
    async with running(journal):
        journal.frames(1, AT_US, [b"1"], is_inbound=True)
        await eventually(lambda: journal.stats().frames_written == 1)
        broken.append(1)
        journal.frames(1, AT_US, [b"22", b"3"], is_inbound=True)
        await eventually(lambda: journal.stats().lost_frames == 2)
        journal.frames(1, AT_US, [b"4"], is_inbound=True)
    entries, _ = read(tmp_path)

    assert [entry.event or entry.exact for entry in entries] == [b"1", LOST, b"4"]
    assert (entries[1].lost_frames, entries[1].lost_bytes) == (2, 3)
