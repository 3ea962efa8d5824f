"""An append-only file of lines that rotates by size: `sim.jsonl`, `sim.jsonl.1` (younger) to `sim.jsonl.4` (older).

Notices when the file is renamed or removed under it (logrotate, a second process, a careless hand) and opens anew.
Never: half a line followed by another; after a short write (a full disk) the next line starts on a line of its own.
"""

import os
from pathlib import Path
from typing import Final

FILE_BYTES_MAX: Final = 10_000_000
FILES_KEPT: Final = 5  # the current one included: 50 MB an environment


def rotated(path: Path, index: int) -> Path:
    """The name of the file that was rotated away `index` times; 0 is the current one."""
    return path.with_name(f"{path.name}.{index}") if index else path


class LogFile:
    """One environment's file. Every method may raise `OSError`; the next call starts afresh."""

    def __init__(self, path: Path, *, bytes_max: int = FILE_BYTES_MAX, files_kept: int = FILES_KEPT) -> None:
        assert bytes_max > 0
        assert files_kept > 1
        self.path = path
        self._bytes_max = bytes_max
        self._files_kept = files_kept
        self._fd = -1
        self._size = 0
        self._is_torn = False

    def write(self, lines: bytes) -> None:
        """Append whole lines, or raise `OSError` with the rest not written."""
        assert lines.endswith(b"\n")
        self._open_if_needed()
        if self._size and self._size + len(lines) > self._bytes_max:
            self._rotate()
        if self._is_torn:
            lines = b"\n" + lines
        while lines:
            written = os.write(self._fd, lines)
            self._size += written
            self._is_torn = written < len(lines)
            lines = lines[written:]

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open_if_needed(self) -> None:
        if self._fd >= 0 and not self._is_current():
            self.close()
        if self._fd < 0:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(self._fd).st_size
            self._is_torn = self._size > 0 and os.pread(self._fd, 1, self._size - 1) != b"\n"  # by a process that died

    def _is_current(self) -> bool:
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(self._fd)
        self._size = ours.st_size
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def _rotate(self) -> None:
        self.close()
        for index in range(self._files_kept - 1, 0, -1):
            source = rotated(self.path, index - 1)
            if source.exists():
                source.replace(rotated(self.path, index))
        self._open_if_needed()
