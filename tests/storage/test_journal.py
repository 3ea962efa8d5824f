"""The raw journal: every byte comes back, in order; segments are bounded; loss is recorded in its place."""

import json
import random
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.storage.journals import AT_US, QUICK, SMALL, Bench, eventually, exact, made, read, running
from traderv3.core.lifeline import Lifeline
from traderv3.protocol.recording import LOST, RecordingReader
from traderv3.storage.journal import Journal, journal_directory
from traderv3.storage.journal_queue import Item
from traderv3.storage.journal_reader import open_journal
from traderv3.storage.segments import list_segments

FRAME = b'{"type":"orderbook_delta","sid":1,"seq":%d}\n'
BATCHES = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.booleans(),
        st.lists(
            st.binary(max_size=40)
            | st.sampled_from([FRAME % 1, FRAME % 2, b"[1,\n2]", b" 1", b"2\n", b'"\xc3\xa9"\n']),
            min_size=1,
            max_size=6,
        ),
    ),
    max_size=12,
)


@given(batches=BATCHES)
@settings(max_examples=60)
def test_any_bytes_come_back_in_order_with_their_connection_and_direction(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[int, bool, list[bytes]]]
) -> None:
    bench = Bench(tmp_path_factory.mktemp("journal"), replace(SMALL, segment_bytes_max=300))
    for number, (conn, is_inbound, frames) in enumerate(batches):
        bench.put(*frames, conn=conn, at_us=AT_US + number, is_inbound=is_inbound)
        bench.round()
    bench.drain()
    if not batches:
        return
    entries, reader = read(bench.directory)

    assert [(entry.at_us, entry.conn, entry.is_inbound, entry.exact) for entry in entries] == [
        (AT_US + number, conn, is_inbound, frame)
        for number, (conn, is_inbound, frames) in enumerate(batches)
        for frame in frames
    ]
    assert reader.damages_found == 0


async def test_the_actor_writes_what_it_is_handed_and_says_so(tmp_path: Path) -> None:
    directory = journal_directory(tmp_path, "sim")
    journal = made(directory)
    async with running(journal):
        journal.event(1, AT_US, "open", url="wss://\udc80", tries=3)
        journal.frames(1, AT_US + 1, [b'{"id":1}'], is_inbound=False)
        journal.frames(1, AT_US + 2, [FRAME % 1, FRAME % 2], is_inbound=True, is_json=True)
        journal.frames(1, AT_US + 3, [], is_inbound=True)
        await eventually(lambda: journal.stats().frames_written == 3)
        during = journal.stats()
        journal.frames(2, AT_US + 4, [b"last"], is_inbound=True)
    entries, reader = read(directory)
    stats = journal.stats()

    assert during.segment == "20261122T150241Z-000001.jsonl.zst"
    assert (during.segments, during.oldest_us, during.trouble) == (1, AT_US, None)
    assert [entry.event for entry in entries] == ["open", None, None, None, None]
    assert exact(entries) == [b'{"id":1}', FRAME % 1, FRAME % 2, b"last"]
    assert [entry.is_inbound for entry in entries[1:]] == [False, True, True, True]
    assert reader.header is not None
    assert (reader.header.environment, reader.header.markets, reader.header.run) == ("sim", ["A", "B"], "r1")
    assert reader.damages_found == 0
    assert (stats.frames_written, stats.queued_frames, stats.queued_bytes, stats.lost_frames) == (4, 0, 0, 0)


async def test_each_line_is_json_and_each_segment_a_recording(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SMALL)
    for number in range(400):
        bench.put(FRAME % number, b"no json \xff %d" % (number * 7919))
        bench.round()
    bench.drain()
    segments = list_segments(tmp_path)

    assert len(segments) > 2
    for segment in segments:
        with segment.path.open("rb") as file:
            reader = RecordingReader(file, segment.path.name)
            lines = [json.loads(line) for line in reader._lines]

        assert lines
        assert reader.header.markets == ["A", "B"]
        assert all(line["dir"] == "in" and "frame" in line for line in lines)


def test_a_segment_ends_at_its_size_and_all_together_stay_within_the_bound(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SMALL)
    rng = random.Random(1)
    frames = [b'"%x"' % rng.getrandbits(64) for _ in range(3_000)]
    sizes = []
    for frame in frames:
        bench.put(frame)
        bench.round()
        sizes.append(sum(segment.size for segment in list_segments(tmp_path)))
    removed = list(bench.writer.removed)
    bench.drain()
    entries, reader = read(tmp_path)
    kept = list_segments(tmp_path)

    assert max(sizes) <= SMALL.total_bytes_max
    assert len(removed) > 3
    assert [segment.number for segment in (*removed, *kept)] == list(range(1, len(removed) + len(kept) + 1))
    assert all(segment.size < SMALL.segment_bytes_max + 200 for segment in kept)
    assert exact(entries) == frames[-len(entries) :]
    assert reader.damages_found == 0


def test_a_segment_ends_at_its_age_unless_it_is_empty(tmp_path: Path) -> None:
    now_s = [100.0]
    bench = Bench(tmp_path, replace(QUICK, segment_s_max=60.0), clock_s=lambda: now_s[0])
    for at_s, frames in ((0, 1), (59, 1), (61, 1), (200, 0), (500, 0), (501, 1)):
        now_s[0] = 100.0 + at_s
        if frames:
            bench.put(b"%d" % at_s)
        bench.round()
    bench.drain()
    held = [exact(open_journal(segment.path)) for segment in list_segments(tmp_path)]

    assert held == [[b"0", b"59"], [b"61"], [b"501"]]


def test_numbers_go_on_after_a_restart_and_a_start_without_a_frame_leaves_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for frame in (b"1", None, b"2"):
        if frame is not None:
            bench.put(frame)
        bench.round()
        bench.drain()

    assert [segment.path.name for segment in list_segments(tmp_path)] == [
        "20261122T150242Z-000001.jsonl.zst",
        "20261122T150242Z-000002.jsonl.zst",
    ]
    assert exact(read(tmp_path)[0]) == [b"1", b"2"]


def test_a_full_queue_loses_the_newest_and_the_journal_says_what_is_missing_where_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, replace(QUICK, queue_frames_max=4))
    bench.put(b"1", b"2", b"3")
    bench.put(b"44", b"55", conn=1, at_us=AT_US + 1)
    bench.put(b"666", b"7", conn=2, at_us=AT_US + 2)
    bench.put(b"88", b"9", conn=1, at_us=AT_US + 3)
    bench.round()
    bench.put(b"10", at_us=AT_US + 4)
    bench.drain()
    entries, _ = read(tmp_path)
    lost = [
        (entry.conn, entry.at_us, entry.lost_frames, entry.lost_bytes, entry.since_us)
        for entry in entries
        if entry.event == LOST
    ]

    assert [entry.event or entry.exact for entry in entries] == [b"1", b"2", b"3", LOST, LOST, b"10"]
    assert lost == [(2, AT_US + 2, 2, 4, AT_US + 2), (1, AT_US + 3, 4, 7, AT_US + 1)]
    assert (bench.queue.lost_frames, bench.queue.lost_bytes) == (6, 11)


def test_the_queue_is_bounded_in_bytes_too_and_in_how_many_connections_it_keeps_losses_of(tmp_path: Path) -> None:
    bench = Bench(tmp_path, replace(QUICK, queue_bytes_max=10_000, round_bytes_max=10_000))
    bench.put(b"x" * 10_000)
    for conn in range(1_000):
        bench.put(b"y", conn=conn)

    assert (bench.queue.frames, bench.queue.bytes, bench.queue.lost_frames) == (1, 10_000, 1_000)
    bench.drain()
    bench.queue.settle()
    bench.drain()

    assert sum(entry.lost_frames for entry in read(tmp_path)[0]) == 1_000
    assert len(bench.queue._losses) == 0


async def test_a_loss_is_recorded_though_nothing_comes_after_it(tmp_path: Path) -> None:
    journal = made(tmp_path, replace(QUICK, queue_frames_max=2))
    journal.frames(1, AT_US, [b"1", b"2", b"3"], is_inbound=True)
    async with running(journal):
        await eventually(lambda: not journal._queue._losses)
        journal.frames(1, AT_US, [b"4", b"5"], is_inbound=True)
        journal.frames(1, AT_US, [b"6"], is_inbound=True)  # and now the stop

    assert [entry.lost_frames or entry.exact for entry in read(tmp_path)[0]] == [3, b"4", b"5", 1]


async def test_a_bug_in_the_thread_ends_the_actor_and_the_next_start_records_what_it_cost(tmp_path: Path) -> None:
    is_ill = True

    def markets() -> list[str]:
        if is_ill:
            msg = "a bug"
            raise ValueError(msg)
        return ["A"]

    journal = Journal(tmp_path, environment="sim", run_id="r1", markets=markets, wall_us=lambda: AT_US)
    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="a bug")):
        await journal.run(Lifeline())
    journal.frames(1, AT_US, [b"1"], is_inbound=True)
    is_ill = False
    async with running(journal):
        pass

    assert exact(read(tmp_path)[0]) == [b"1"]


async def test_a_frame_that_the_thread_dies_of_is_not_tried_again(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal._queue.put(Item(AT_US, 1, 2, 10, "not bytes"))  # type: ignore[arg-type]  # the bug
    with pytest.RaisesGroup(TypeError):
        await journal.run(Lifeline())
    async with running(journal):
        journal.frames(1, AT_US + 1, [b"2"], is_inbound=True)
    entries, _ = read(tmp_path)

    assert [entry.event or entry.exact for entry in entries] == [LOST, b"2"]
    assert entries[0].lost_frames == 2


async def test_a_cancelled_actor_closes_its_segment(tmp_path: Path) -> None:
    journal = made(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run, Lifeline())
        await eventually(lambda: journal.stats().segment is not None)
        journal.frames(1, AT_US, [b"1"], is_inbound=True)
        nursery.cancel_scope.cancel()
    entries, reader = read(tmp_path)

    assert exact(entries) == [b"1"]
    assert reader.damages_found == 0


async def test_a_disk_that_hangs_is_left_behind_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go = threading.Event()
    hangs = threading.Event()

    def hang(_: int) -> None:
        hangs.set()
        may_go.wait(20)

    monkeypatch.setattr("traderv3.storage.segments.os.fsync", hang)
    monkeypatch.setattr("traderv3.storage.journal.STUCK_S", 0.0)
    journal = made(tmp_path, replace(QUICK, drain_s=0.05, hang_s=0.05))
    try:
        async with running(journal):
            await eventually(hangs.is_set)
            before_s = time.monotonic()
            journal.frames(1, AT_US, [b"1"], is_inbound=True)
            took_s = time.monotonic() - before_s
            said = journal.stats().trouble
    finally:
        may_go.set()

    assert took_s < 1
    assert said == "the disk does not answer"
    assert journal.stats().queued_frames == 1


def filled(directory: Path, times_us: list[list[int]]) -> None:
    """A segment for each list, named by its first second."""
    for times in times_us:
        bench = Bench(directory)
        bench.writer._wall_us = lambda times=times: times[0]  # type: ignore[misc]
        for at_us in times:
            bench.put(b"%d" % at_us, at_us=at_us)
        bench.drain()


def test_a_stretch_of_time_is_read_without_the_segments_outside_it(tmp_path: Path) -> None:
    day = 86_400 * 10**6
    filled(tmp_path, [[day, day + 1], [2 * day, 2 * day + 1], [3 * day], [4 * day]])
    whole = [int(frame) for frame in exact(open_journal(tmp_path))]
    reader = open_journal(tmp_path, since_us=2 * day + 1, until_us=3 * day)
    some = [int(frame) for frame in exact(reader)]

    assert whole == [day, day + 1, 2 * day, 2 * day + 1, 3 * day, 4 * day]
    assert some == [2 * day + 1, 3 * day]
    assert list(reader.markets) == ["A", "B"]
    assert reader.path is not None
    assert reader.path.name.endswith("-000004.jsonl.zst")  # its first entry said that we are beyond


def test_damage_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    filled(tmp_path, [[10**15 + number] for number in range(5)])
    segments = list_segments(tmp_path)
    segments[1].path.write_bytes(b"")
    segments[2].path.write_bytes(segments[2].path.read_bytes()[:-7])
    segments[3].path.write_bytes(b"no compressed data at all")
    told: list[str] = []
    reader = open_journal(tmp_path, report=told.append)
    segments[4].path.unlink()
    frames = [int(frame) - 10**15 for frame in exact(reader)]

    assert frames == [0, 2]
    assert [line.split(":")[0] for line in told] == [segment.path.name for segment in segments[1:]]
    assert reader.damages_found == 4


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")

    with pytest.raises(ValueError, match="no segment"):
        open_journal(tmp_path)
    with pytest.raises(ValueError, match="not a recording"):
        open_journal(tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError):
        open_journal(tmp_path / "nothing.jsonl")
