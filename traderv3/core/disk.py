"""The disk as actors need it: work that blocks is handed over, and a file is replaced whole or not at all.

What is written here is synced before anybody is told; after a power cut the old file or the new one is there.
Blocks, all of it but `Blocking` itself. Never: a torn file under its own name; a file that others may read.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

T = TypeVar("T")


class Blocking(Protocol):
    """Runs work that blocks, one piece at a time: in a worker thread live, on the spot in a simulation."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` in place of what the file holds; its folder is made if need be. Raises `OSError`."""
    os.close(open_replaced(path, data))


def open_replaced(path: Path, data: bytes) -> int:
    """As `replace_file`; the descriptor of the new file, at its end, for whoever goes on writing. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    file = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(file, 0o600)  # also where an earlier process left one that others may read
        write_all(file, data)
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError:
        os.close(file)
        raise
    return file


def write_all(file: int, data: bytes) -> None:
    """Write behind what was written last, and sync. Raises `OSError`; how much is there is not known then."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
    os.fsync(file)
