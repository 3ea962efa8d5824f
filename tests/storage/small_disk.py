"""A disk that can be filled and freed under a running trader: a small file system, or a limit on every file's size."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CHUNK: Final = bytes(64 << 10)


@contextmanager
def mounted(folder: Path, *, size: int) -> Iterator[bool]:
    """A file system of `size` bytes at `folder`; False where nobody may mount one (root and the right to are needed)."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    is_mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """`fill` leaves the process no room, `free` gives it back."""

    folder: Path
    is_mounted: bool

    def fill(self, pid: int) -> None:
        """No byte more is written, until `free`."""
        if not self.is_mounted:  # then a limit that each of its files has reached does the same: EFBIG for ENOSPC
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            return
        with (self.folder / "others").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(_CHUNK):
                pass
        assert not os.statvfs(self.folder).f_bavail

    def free(self, pid: int) -> None:
        """There is room again."""
        if self.is_mounted:
            (self.folder / "others").unlink()
        else:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path, *, size: int) -> Iterator[SmallDisk]:
    """A folder on a disk that can be filled."""
    with mounted(folder, size=size) as is_mounted:
        yield SmallDisk(folder, is_mounted)
