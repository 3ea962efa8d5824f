"""Reads a rotating log: everything kept, oldest first, and then what is appended, whatever is renamed meanwhile.

A rotation renames the file that is open here; its rest is read to the end before the younger files follow. Where more
rotations went by than files are kept, what is gone is gone, and reading goes on with the oldest file that is left.
Never: a line twice; half a line while its other half is being written.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from traderv3.telemetry.log_file import FILES_KEPT, rotated

POLL_S: Final = 0.2  # as far behind as a person notices at most
_CHUNK_BYTES: Final = 65_536


class LogTail:
    """A reader's place in the log. `lines` yields what is new and returns; call it again later."""

    def __init__(self, path: Path, files_kept: int = FILES_KEPT) -> None:
        self._path = path
        self._files_kept = files_kept
        self._file: BinaryIO | None = None
        self._partial = b""

    def lines(self) -> Iterator[bytes]:
        """The whole lines since the last call."""
        while True:
            if self._file is None:
                self._file = self._open_next(None)
                if self._file is None:
                    return
            # Looked for before reading: whatever was written before the rename is then read before moving on.
            younger = self._open_next(self._file)
            yield from self._read_lines(self._file)
            if younger is None:
                return
            if self._partial:  # torn by the rotation; it will not be finished
                yield self.rest()
            self._file.close()
            self._file = younger

    def rest(self) -> bytes:
        """What stands after the last newline, taken out."""
        rest, self._partial = self._partial, b""
        return rest

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read_lines(self, file: BinaryIO) -> Iterator[bytes]:
        while chunk := file.read(_CHUNK_BYTES):
            *whole, self._partial = (self._partial + chunk).split(b"\n")
            yield from whole

    def _open_next(self, current: BinaryIO | None) -> BinaryIO | None:
        """The file that follows the `current` one: the oldest kept if there is none, None if it is the youngest."""
        names = [rotated(self._path, index) for index in range(self._files_kept - 1, -1, -1)]
        if current is not None:
            place = _place_of(current, names)
            if place is not None:
                names = names[place + 1 :]
        for name in names:
            try:
                return name.open("rb", buffering=0)
            except FileNotFoundError:
                continue
        return None


def _place_of(file: BinaryIO, names: list[Path]) -> int | None:
    """Which of the names is this open file now; None if none."""
    ours = os.fstat(file.fileno())
    for place, name in enumerate(names):
        try:
            there = name.stat()
        except FileNotFoundError:
            continue
        if (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev):
            return place
    return None


def follow(tail: LogTail, sleep: Callable[[float], None] = time.sleep) -> Iterator[bytes]:
    """What is appended from now on, for ever."""
    while True:
        yield from tail.lines()
        sleep(POLL_S)
