"""The intent log over crashes, torn writes and full disks: what was kept is there, and no id ever comes twice."""

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.execution import Amend, Cancel, CancelAll, Create, Decrease
from traderv3.domain.orders import Approved, Change, Draft, TimeInForce
from traderv3.domain.units import Price, Qty
from traderv3.storage import intent_log
from traderv3.storage.intent_log import SESSION, IntentFile, kept_groups
from traderv3.storage.write_queue import in_thread, on_the_spot

DRAFT = Draft(
    strategy="s",
    ticker="KX-1",
    is_bid=False,
    price=Price(3000),
    count=Qty(150),
    time_in_force=TimeInForce.IOC,
    ttl_s=2.5,
)


def create(client_order_id: str) -> Create:
    return Create(client_order_id, Approved(DRAFT, 7))


def log_in(folder: Path, seed: int = 1) -> IntentFile:
    return IntentFile(folder / "intents.jsonl", rng=random.Random(seed), blocking=on_the_spot())


async def started(folder: Path, seed: int = 1) -> IntentFile:
    log = log_in(folder, seed)
    await log.start()
    return log


def ids(log: IntentFile) -> list[str]:
    return [kept.client_order_id for kept in log.open]


async def test_what_was_kept_is_there_after_a_crash(tmp_path: Path) -> None:
    first = await started(tmp_path)
    known, over, unknown = (first.next_id() for _ in range(3))
    await first.keep([create(known), create(over), create(unknown)], 11)
    first.note(known, order_id="at-the-venue")
    first.note(over, is_over=True)
    await first.keep([Cancel(known, "at-the-venue", "KX-1")], 12)  # carries the notes
    first.close()
    second = await started(tmp_path, seed=2)

    assert sorted(ids(second)) == sorted([known, unknown])
    kept = {kept.client_order_id: kept for kept in second.open}
    assert kept[unknown].draft == DRAFT
    assert kept[unknown].at_us == 11
    assert (kept[known].order_id, kept[unknown].order_id) == ("at-the-venue", None)
    second.close()


async def test_every_kind_of_request_can_be_kept(tmp_path: Path) -> None:
    log = await started(tmp_path)
    change = Change(client_order_id="a", price=Price(1), count=Qty(2))
    await log.keep(
        [
            Cancel("a", "b", "c"),
            Decrease("a", "b", "c", Qty(1)),
            CancelAll("why"),
            Amend("b", "c", True, Qty(2), Approved(change, 1)),
        ],
        1,
    )
    log.close()
    again = await started(tmp_path)

    assert ids(again) == []
    again.close()


async def test_no_id_comes_twice(tmp_path: Path) -> None:
    given_out: list[str] = []
    for seed in range(4):
        log = await started(tmp_path, seed)
        given_out += [log.next_id() for _ in range(5)]
        assert all(each.startswith(log.prefix) for each in given_out)
        log.close()

    assert len(set(given_out)) == 20
    assert given_out[0].endswith(f"-{SESSION + 1}")


async def test_two_traders_never_share_a_log(tmp_path: Path) -> None:
    first = await started(tmp_path)
    second = log_in(tmp_path)
    with pytest.raises(OSError, match="another trader"):
        await second.start()
    first.close()
    await second.start()
    second.close()


async def test_nothing_is_given_out_or_kept_before_the_start(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    with pytest.raises(AssertionError):
        log.next_id()
    with pytest.raises(OSError, match="not open"):
        await log.keep([create("a-1")], 1)


async def test_a_write_torn_at_any_byte_loses_that_write_alone(tmp_path: Path) -> None:
    log = await started(tmp_path)
    await log.keep([create("kept-1")], 1)
    path = tmp_path / "intents.jsonl"
    before = len(path.read_bytes())
    await log.keep([create("torn-2")], 2)
    whole = path.read_bytes()
    log.close()
    for end in range(before, len(whole) + 1):
        path.write_bytes(whole[:end])
        again = await started(tmp_path)
        expected = ["kept-1", "torn-2"] if end == len(whole) else ["kept-1"]

        assert ids(again) == expected
        again.close()


async def test_a_disk_that_wrote_its_blocks_in_another_order_loses_the_last_line_alone(tmp_path: Path) -> None:
    log = await started(tmp_path)
    await log.keep([create("kept-1")], 1)
    path = tmp_path / "intents.jsonl"
    before = len(path.read_bytes())
    await log.keep([create("torn-2")], 2)
    log.close()
    data = bytearray(path.read_bytes())
    data[before : before + 20] = bytes(20)
    path.write_bytes(data)
    again = await started(tmp_path)

    assert ids(again) == ["kept-1"]
    again.close()


async def test_damage_before_the_end_is_for_a_person(tmp_path: Path) -> None:
    log = await started(tmp_path)
    await log.keep([create("a-1")], 1)
    await log.keep([create("a-2")], 2)
    log.close()
    path = tmp_path / "intents.jsonl"
    data = bytearray(path.read_bytes())
    data[data.index(b"a-1")] ^= 1
    path.write_bytes(data)
    again = log_in(tmp_path)

    with pytest.raises(OSError, match=r"damaged in line 2 of 3.*compare the orders at the venue"):
        await again.start()
    assert path.read_bytes() == data, "a person shall find it as it was"
    again.close()


async def test_a_full_disk_says_so_and_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = await started(tmp_path)
    await log.keep([create("a-1")], 1)
    write = os.write

    def half(file: int, data: bytes) -> int:
        write(file, bytes(data)[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        await log.keep([create("a-2")], 2)
    with pytest.raises(OSError, match="No space"):
        await log.keep([create("a-3")], 3)
    monkeypatch.undo()
    await log.keep([create("a-4")], 4)
    log.close()
    again = await started(tmp_path)

    assert ids(again) == ["a-1", "a-4"]
    again.close()


async def test_whoever_is_cancelled_while_the_disk_hangs_leaves_the_log_whole(tmp_path: Path) -> None:
    blocking = in_thread()
    going = trio.Event()

    async def slow(work: Callable[[], Any]) -> Any:
        if not going.is_set():
            await going.wait()
        return await blocking(work)

    log = IntentFile(tmp_path / "intents.jsonl", rng=random.Random(1), blocking=blocking)
    await log.start()
    log._blocking = slow
    with trio.move_on_after(0.01):
        await log.keep([create("a-1")], 1)
    going.set()
    await log.keep([create("a-2")], 2)
    log.close()
    again = await started(tmp_path)

    assert "a-2" in ids(again)
    again.close()


async def test_a_log_that_has_grown_is_written_anew_with_what_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intent_log, "COMPACT_BYTES", 5_000)
    log = await started(tmp_path)
    await log.keep_group("group-1", 2)
    await log.keep([create("stays")], 1)
    for number in range(200):
        await log.keep([create(f"a-{number}")], number)
        log.note(f"a-{number}", is_over=True)
    size = (tmp_path / "intents.jsonl").stat().st_size
    session = log.next_id()
    log.close()
    again = await started(tmp_path)

    assert size < 6_000
    assert set(ids(again)) - {"stays"} <= {"a-199"}
    assert "stays" in ids(again)
    assert again.groups == [("group-1", 2)]
    assert again.next_id() != session
    again.close()


async def test_groups_can_be_read_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "intents.jsonl"
    none = kept_groups(path)
    log = await started(tmp_path)
    await log.keep_group("group-1", 0)
    await log.keep_group("group-2", 1)
    log.forget_group("group-1")
    await log.keep([create("a-1")], 1)

    assert none == []
    assert kept_groups(path) == [("group-2", 1)] == log.groups
    log.close()


OPERATIONS = st.lists(
    st.sampled_from(["keep", "two", "know", "over", "group", "ungroup", "crash", "torn", "full"]), max_size=40
)


@given(operations=OPERATIONS, seed=st.integers(0, 2**32))
def test_whatever_happens_an_open_order_is_never_forgotten(operations: list[str], seed: int) -> None:
    async def live(folder: Path) -> None:
        rng = random.Random(seed)
        log = await started(folder, seed)
        path = folder / "intents.jsonl"
        must: set[str] = set()  # kept, and not said to be over
        may: set[str] = set()  # kept, and said to be over: that may be forgotten
        given_out: list[str] = []
        groups: set[str] = set()
        for operation in operations:
            match operation:
                case "keep" | "two":
                    fresh = [log.next_id() for _ in range(2 if operation == "two" else 1)]
                    given_out += fresh
                    await log.keep([create(each) for each in fresh], 1)
                    must.update(fresh)
                case "full":
                    fresh = [log.next_id()]
                    given_out += fresh
                    log._disk.is_sound = False  # as after an error
                case "know" if must:
                    log.note(rng.choice(sorted(must)), order_id="known")
                case "over" if must:
                    gone = rng.choice(sorted(must))
                    log.note(gone, is_over=True)
                    must.discard(gone)
                    may.add(gone)
                case "group":
                    await log.keep_group(f"g{len(groups)}", 0)
                    groups.add(f"g{len(groups)}")
                case "crash" | "torn":
                    log.close()
                    if operation == "torn":  # a write that was under way
                        with path.open("ab") as file:
                            file.write(b'0123abcd {"type":"create"')
                    log = await started(folder, seed + 1)
                    assert must <= set(ids(log)) <= must | may
                    assert {group for group, _ in log.groups} == groups
        log.close()

        assert len(given_out) == len(set(given_out))

    with TemporaryDirectory() as folder:
        trio.run(live, Path(folder))
