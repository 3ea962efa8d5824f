"""Rows that wait on disk: all of them, in order, across crashes, and never more than the bound."""

import os
import shutil
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.storage.making import ONE_OF_EACH, stored, transition
from traderv3.config.limits import SpillLimits
from traderv3.storage.rows import Stored
from traderv3.storage.spill import Spill, SpillFull


def drain(spill: Spill, most: int = 7) -> list[Stored]:
    """Read everything and say that it is safe."""
    drained: list[Stored] = []
    while batch := spill.read(most):
        drained += batch
        spill.done()
    return drained


def many(count: int, first: int = 1) -> list[Stored]:
    return stored(*(transition(number) for number in range(first, first + count)), first=first)


def segments(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*-*.jsonl"))


def test_every_kind_of_row_comes_back_as_it_went_in(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "spill", "1-run")
    rows = stored(*ONE_OF_EACH)

    spill.append(rows)

    assert drain(spill) == rows


def test_rows_come_back_in_order_over_segments_which_are_deleted_one_by_one(tmp_path: Path) -> None:
    spill = Spill(tmp_path, "1-run", limits=SpillLimits(segment_bytes=1_000))
    for first in range(1, 101, 10):
        spill.append(many(10, first))
    made = segments(tmp_path)

    assert len(made) > 3
    assert spill.read(3) == many(3)
    assert spill.read(3) == many(3)  # the same again until they are safe
    spill.done()
    assert drain(spill) == many(97, 4)
    assert segments(tmp_path) == []
    assert (spill.size, spill.waiting_bytes) == (0, 0)


def test_it_goes_on_after_it_was_emptied(tmp_path: Path) -> None:
    spill = Spill(tmp_path, "1-run")
    spill.append(many(5))
    drain(spill)

    spill.append(many(5, 6))

    assert drain(spill) == many(5, 6)


def test_what_is_appended_while_others_are_read_comes_after_them(tmp_path: Path) -> None:
    spill = Spill(tmp_path, "1-run")
    spill.append(many(5))

    batch = spill.read(100)
    spill.append(many(5, 6))
    spill.done()

    assert batch == many(5)
    assert drain(spill) == many(5, 6)


def test_the_next_run_takes_over_what_was_left_and_writes_behind_it(tmp_path: Path) -> None:
    dead = Spill(tmp_path, "1-dead", limits=SpillLimits(segment_bytes=500))
    for first in range(1, 31, 10):
        dead.append(many(10, first))
    dead.read(5)
    dead.done()
    dead.close()  # as the end of its process would

    spill = Spill(tmp_path, "2-next")
    adopted = spill.adopt()
    spill.append(many(5, 31))

    assert adopted > 0
    assert drain(spill) == many(35)  # those that were safe come again: the database knows them
    assert segments(tmp_path) == []


def test_what_was_left_comes_before_what_is_there_already(tmp_path: Path) -> None:
    dead = Spill(tmp_path, "1-dead")
    dead.append(many(5))
    dead.close()
    spill = Spill(tmp_path, "2-next")
    spill.append(many(5, 6))

    spill.adopt()

    assert drain(spill) == many(10)


def test_a_run_that_lives_is_not_taken_from(tmp_path: Path) -> None:
    alive = Spill(tmp_path, "1-alive")
    alive.append(many(5))
    spill = Spill(tmp_path, "2-next")

    assert spill.adopt() == 0
    assert alive.adopt() == 0  # nor from itself
    assert drain(alive) == many(5)


def test_a_last_line_torn_by_a_crash_is_set_aside_and_the_rest_is_there(
    tmp_path: Path, logged: list[MutableMapping[str, Any]]
) -> None:
    dead = Spill(tmp_path, "1-dead")
    dead.append(many(10))
    dead.close()
    path = tmp_path / segments(tmp_path)[0]
    os.truncate(path, path.stat().st_size - 20)

    spill = Spill(tmp_path, "2-next")
    spill.adopt()
    spill.append(many(5, 11))

    assert drain(spill) == many(9) + many(5, 11)
    assert spill.refused == 1
    assert [line["event"] for line in logged] == ["a line of the spill cannot be read"]
    assert b'"line"' in (tmp_path / "refused.jsonl").read_bytes()


@given(garbage=st.binary(max_size=300), at=st.integers(0, 2_000))
def test_garbage_anywhere_costs_the_lines_it_hits_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes, at: int
) -> None:
    folder = tmp_path_factory.mktemp("spill")
    dead = Spill(folder, "1-dead")
    dead.append(many(20))
    dead.close()
    path = folder / segments(folder)[0]
    data = path.read_bytes()
    at = min(at, len(data))
    path.write_bytes(data[:at] + garbage + data[at:])

    spill = Spill(folder, "2-next")
    spill.adopt()
    drained = drain(spill)

    unhurt = [it for it in drained if it in many(20)]
    assert len(unhurt) >= 19
    assert unhurt == [it for it in many(20) if it in unhurt]  # in order, none twice
    shutil.rmtree(folder)


def test_a_line_longer_than_any_chunk_is_read(tmp_path: Path) -> None:
    spill = Spill(tmp_path, "1-run")
    long = stored(msgspec.structs.replace(transition(1), context="x" * 3_000_000))

    spill.append([*long, *many(1, 2)])

    assert drain(spill) == [*long, *many(1, 2)]


def test_the_bound_holds_and_says_so(tmp_path: Path) -> None:
    spill = Spill(tmp_path, "1-run", limits=SpillLimits(bytes_max=2_000, segment_bytes=1_000))
    for number in range(1, 16):
        spill.append(many(1, number))

    with pytest.raises(SpillFull, match="2000 is the most"):
        spill.append(many(5, 16))
    assert spill.size <= 2_000
    assert drain(spill) == many(15)
    spill.append(many(5, 16))
    assert drain(spill) == many(5, 16)


def test_a_disk_that_is_full_takes_nothing_and_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spill = Spill(tmp_path, "1-run")
    spill.append(many(5))
    pwrite = os.pwrite

    def half(descriptor: int, data: bytes, offset: int) -> int:
        if offset > before:
            raise OSError(28, "No space left on device")
        return pwrite(descriptor, data[:30], offset)

    before = spill.size
    monkeypatch.setattr(os, "pwrite", half)
    with pytest.raises(OSError, match="No space"):
        spill.append(many(5, 6))
    monkeypatch.undo()
    spill.append(many(5, 6))

    assert drain(spill) == many(10)


def test_a_folder_that_cannot_be_made_is_an_os_error_each_time(tmp_path: Path) -> None:
    (tmp_path / "spill").write_text("a file in its place")
    spill = Spill(tmp_path / "spill", "1-run")

    for _ in range(2):
        with pytest.raises(OSError, match=r"exists|directory"):
            spill.append(many(1))
    (tmp_path / "spill").unlink()
    spill.append(many(1))

    assert drain(spill) == many(1)


def test_a_row_that_cannot_be_written_is_set_aside_and_the_others_are_there(tmp_path: Path) -> None:
    spill = Spill(tmp_path, "1-run")
    wrong = stored(msgspec.structs.replace(transition(2), context="\ud800"), first=2)

    spill.append([*many(1), *wrong, *many(1, 3)])

    assert drain(spill) == [*many(1), *many(1, 3)]
    assert spill.refused == 1
    assert b"ud800" in (tmp_path / "refused.jsonl").read_bytes()
