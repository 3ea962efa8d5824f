"""A file that is replaced whole: one of the two is there, ours alone, and going on behind it is possible."""

import os
import stat
from pathlib import Path

import pytest

from traderv3.core import disk


def test_a_file_is_replaced_whole_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(b"a longer one, that others may read")
    path.with_suffix(".new").write_bytes(b"what an earlier process left")
    path.with_suffix(".new").chmod(0o644)
    disk.replace_file(path, b"new")

    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["kept.json"]


def test_a_disk_that_refuses_leaves_the_old_file_and_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept.json"
    disk.replace_file(path, b"old")
    before = len(list(Path("/proc/self/fd").iterdir()))

    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", refuse)
    with pytest.raises(OSError, match="No space"):
        disk.replace_file(path, b"new")
    monkeypatch.undo()

    assert path.read_bytes() == b"old"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_whoever_goes_on_writing_writes_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "kept.log"
    file = disk.open_replaced(path, b"first\n")
    disk.write_all(file, b"second\n")
    os.close(file)

    assert path.read_bytes() == b"first\nsecond\n"
