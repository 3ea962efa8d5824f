"""The files of a journal: `<UTC start>-<number>.jsonl.zst`, each by itself a recording, the highest number the newest.

A segment takes text and keeps it compressed: what `write` returned from is in the kernel's hands and outlives the
process, what `sync` returned from outlives the machine. A `write` that fails is taken back, so that a second attempt
elsewhere repeats nothing. Sizes are compressed bytes. Blocking; for the writer's thread.
Never: a segment that existed before is written to; what a crash left is only read.
"""

import contextlib
import errno
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import zstandard

ENDING: Final = ".jsonl.zst"
# 16:1 on real sessions at 1.5 GB of text a second. Higher levels are slower and no smaller; so are, on lines that are
# nearly alike, tables and windows that do not stay in a processor's cache.
_PACKING: Final = {"window_log": 17, "hash_log": 12, "min_match": 7}
_LEVEL: Final = 1
_NAME: Final = re.compile(r"(\d{8}T\d{6}Z)-(\d{6,18})" + re.escape(ENDING))
_MOMENT: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """One segment as the directory shows it. `started_us` is its first second."""

    path: Path
    number: int
    started_us: int
    size: int


def list_segments(directory: Path) -> list[SegmentFile]:
    """Every segment of the directory, oldest first; none if there is no directory. Raises `OSError`."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as files:
        for file in files:
            if match := _NAME.fullmatch(file.name):
                started = datetime.strptime(match[1], _MOMENT).replace(tzinfo=UTC)
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    size = file.stat().st_size
                    found.append(SegmentFile(Path(file.path), int(match[2]), int(started.timestamp()) * 10**6, size))
    return sorted(found, key=lambda segment: (segment.number, segment.started_us))


def remove_oldest(segments: Iterable[SegmentFile], *, bytes_max: int) -> list[SegmentFile]:
    """Delete the oldest until the rest has no more than `bytes_max`; returns what was deleted. Raises `OSError`."""
    kept = list(segments)
    removed = []
    excess = sum(segment.size for segment in kept) - bytes_max
    for segment in kept:
        if excess <= 0:
            break
        segment.path.unlink(missing_ok=True)
        removed.append(segment)
        excess -= segment.size
    return removed


class Segment:
    """The segment that is being written. After an `OSError` it is good for `discard` only."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = 0
        self.has_entries = False
        self.is_spoiled = False  # what failed could not be taken back: some of it may be in the file
        self._descriptor = descriptor
        packing = zstandard.ZstdCompressionParameters.from_level(_LEVEL, write_checksum=True, **_PACKING)
        self._pack = zstandard.ZstdCompressor(compression_params=packing).compressobj()

    @classmethod
    def open(cls, directory: Path, number: int, header: bytes, *, started_us: int) -> Self:
        """A new file with its header, on the disk. Raises `OSError` and leaves none then."""
        directory.mkdir(parents=True, exist_ok=True)
        moment = datetime.fromtimestamp(started_us // 10**6, tz=UTC)
        path = directory / f"{moment:{_MOMENT}}-{number:06d}{ENDING}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        segment = cls(path, descriptor)
        try:
            segment._append(header)
            segment.sync()
            _sync_directory(directory)
        except OSError:
            segment.discard()
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return segment

    def write(self, lines: bytes) -> None:
        """Hand whole lines to the kernel, or raise `OSError` with none of them in the file (unless `is_spoiled`)."""
        self._append(lines)
        self.has_entries = True

    def sync(self) -> None:
        """Wait until everything is on the disk. Raises `OSError`, also if somebody deleted the file."""
        os.fsync(self._descriptor)
        if not os.fstat(self._descriptor).st_nlink:
            raise OSError(errno.ENOENT, "somebody deleted the segment", str(self.path))

    def close(self) -> None:
        """End the compressed stream and close the file. Raises `OSError`; closed it is in any case."""
        try:
            self._put(self._pack.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH))
            self.sync()
        finally:
            self.discard()

    def discard(self) -> None:
        """Close the file as it is, unless it is closed."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _append(self, text: bytes) -> None:
        packed = self._pack.compress(text)
        self._put(packed + self._pack.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))

    def _put(self, packed: bytes) -> None:
        rest = memoryview(packed)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self._take_back()
            raise
        self.size += len(packed)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self.size)
        except OSError:
            self.is_spoiled = True


def _sync_directory(directory: Path) -> None:
    """The name of a new file is on the disk only when its directory is."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
