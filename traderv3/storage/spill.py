"""Rows that wait on disk while the database is away: JSON Lines in segments, oldest first, each line on disk when told so.

A folder per environment, in it segments of this run and those that dead runs left behind. A segment is locked (flock)
as long as its run lives, so two traders of one environment do not take each other's rows, and what a killed one left is
taken over by whoever starts next. A segment is deleted once the database has all of it; whoever crashes in between
hands rows over again, which the database knows by their identity.
What cannot be read back, and rows that the database refuses, go to `refused.jsonl` with the reason, for a person.
Everything here blocks and belongs into a worker thread, one call at a time.
Never: more than `SpillLimits.bytes_max` in segments; a line appended behind a torn one.
"""

import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from traderv3.config.limits import SPILL, SpillLimits
from traderv3.protocol.wire import UNDECODABLE
from traderv3.storage.rows import Stored

_CHUNK: Final = 256 << 10

log = structlog.get_logger(component="spill")

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(Stored).decode


class SpillFull(Exception):
    """The bound is reached; nothing was appended."""


class _Segment:
    """One open and locked file; `done` is how far the database has it, `read` how far it was read."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = os.lseek(descriptor, 0, os.SEEK_END)
        self.done = self.read = 0
        self.is_sealed = False  # nothing is appended any more
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: Path, flags: int) -> "_Segment | None":
        """Open and lock; None if a live run has it. Raises `OSError`."""
        descriptor = os.open(path, flags | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(path, descriptor)
        except OSError as cause:
            os.close(descriptor)
            if isinstance(cause, BlockingIOError):
                return None
            raise

    def append(self, lines: bytes) -> None:
        """Have the lines on disk, or raise `OSError` and be as before; sealed, if that cannot be."""
        try:
            written = 0
            while written < len(lines):
                written += os.pwrite(self._descriptor, lines[written:], self.size + written)
            os.fsync(self._descriptor)
        except OSError:
            self.is_sealed = True  # a further line must not follow half a one
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
                self.is_sealed = False
            raise
        self.size += len(lines)

    def lines(self, most: int) -> list[bytes]:
        """Up to `most` lines from `done` on, moving `read` behind them; the last is without a newline if it is torn."""
        span = _CHUNK
        while True:
            data = os.pread(self._descriptor, min(span, self.size - self.done), self.done)
            is_end = len(data) < span
            whole = data.count(b"\n")
            if whole or is_end:
                break
            span *= 2  # one line that is longer than all that
        lines = data.splitlines(keepends=True) if is_end else data[: data.rindex(b"\n") + 1].splitlines(keepends=True)
        taken = lines[:most]
        self.read = self.done + sum(map(len, taken))
        if not data:  # it became shorter by another's hand
            self.size = self.read = self.done
        return taken

    def delete(self) -> None:
        """Nothing in it is wanted any more."""
        with contextlib.suppress(OSError):
            self.path.unlink()  # while it is still locked: nobody adopts a file that is about to go
        self.close()

    def close(self) -> None:
        """Unlock it, for the next run to adopt."""
        os.close(self._descriptor)


class Spill:
    """The segments of one environment. `name` begins this run's files: sortable by start, and no other run's."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        limits: SpillLimits = SPILL,
    ) -> None:
        self.folder = folder
        self._name = name
        self._limits = limits
        self._segments: deque[_Segment] = deque()  # oldest first; the last may be the one that is appended to
        self._made = 0
        # Plain numbers, as they are read from another thread:
        self.size = 0  # bytes on disk, those of rows that the database has already included
        self.waiting_bytes = 0
        self.refused = 0  # rows set aside

    def adopt(self) -> int:
        """Take over what dead runs left; returns its bytes. Raises `OSError` if the folder cannot be read."""
        taken: list[_Segment] = []
        for path in sorted(self.folder.glob("*-*.jsonl")):
            with contextlib.suppress(FileNotFoundError):  # its run is done with it
                segment = _Segment.open(path, 0)
                if segment is not None and segment.size:
                    segment.is_sealed = True  # it may end in half a line
                    taken.append(segment)
                elif segment is not None:
                    segment.delete()
        self._segments.extendleft(reversed(taken))
        self._count()
        return sum(segment.size for segment in taken)

    def append(self, batch: Sequence[Stored]) -> None:
        """Have the rows on disk. Raises `OSError` or `SpillFull`, and then has none of them.

        A row that cannot be written as JSON is set aside.
        """
        lines: list[bytes] = []
        for stored in batch:
            try:
                lines.append(_ENCODE(stored) + b"\n")
            except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as cause:
                self.set_aside(stored, f"cannot be written: {cause}")
        data = b"".join(lines)
        if not data:
            return
        if self.size + len(data) > self._limits.bytes_max:
            msg = f"{self.size} bytes wait, and {self._limits.bytes_max} is the most"
            raise SpillFull(msg)
        self._segment_to_append().append(data)
        self._count()

    def read(self, most: int) -> list[Stored]:
        """The oldest rows that `done` was not yet called for, up to `most`; the same again until it is. Raises `OSError`."""
        while self._segments:
            batch = [stored for line in self._segments[0].lines(most) if (stored := self._decode(line)) is not None]
            if batch:
                return batch
            self.done()  # nothing readable there
        return []

    def done(self) -> None:
        """The database has what `read` gave last; a segment that it has whole is deleted."""
        segment = self._segments[0]
        segment.done = segment.read
        if segment.done >= segment.size:
            self._segments.popleft()
            segment.delete()
        self._count()

    def set_aside(self, stored: Stored, error: str) -> None:
        """Keep a row that nobody takes for a person to look at. Never raises."""
        try:
            line = _ENCODE({"error": error, "stored": stored})
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError):
            line = _ENCODE({"error": error, "stored": ascii(stored)})
        self.refused += 1
        self._to_refused(line)
        log.error("a row was set aside", error=error, table=stored.row.table, seq=stored.seq, run=stored.run_id)

    def close(self) -> None:
        """Let go of the files; what waits in them is adopted by the next run."""
        for segment in self._segments:
            if segment.size:
                segment.close()
            else:
                segment.delete()
        self._segments.clear()

    def _count(self) -> None:
        self.size = sum(segment.size for segment in self._segments)
        self.waiting_bytes = self.size - sum(segment.done for segment in self._segments)

    def _segment_to_append(self) -> _Segment:
        last = self._segments[-1] if self._segments else None
        if last is not None and not last.is_sealed and last.size < self._limits.segment_bytes:
            return last
        self.folder.mkdir(parents=True, exist_ok=True)
        self._made += 1
        path = self.folder / f"{self._name}-{self._made:06d}.jsonl"
        segment = _Segment.open(path, os.O_CREAT | os.O_EXCL)
        assert segment is not None, "a file that was made just now is nobody else's"
        _sync_folder(self.folder)
        self._segments.append(segment)
        return segment

    def _decode(self, line: bytes) -> Stored | None:
        try:
            return _DECODE(line)
        except UNDECODABLE as cause:
            self._damaged(line, str(cause))
            return None

    def _damaged(self, line: bytes, error: str) -> None:
        """A line torn by a crash of the machine, or by another program's hand."""
        self.refused += 1
        self._to_refused(_ENCODE({"error": error, "line": line[:4096].decode("utf-8", "replace")}))
        log.error("a line of the spill cannot be read", error=error, folder=str(self.folder))

    def _to_refused(self, line: bytes) -> None:
        path = self.folder / "refused.jsonl"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                if file.tell() + len(line) <= self._limits.refused_bytes_max:
                    file.write(line + b"\n")
        except OSError as cause:
            log.error("what was refused cannot be kept either", error=str(cause))


def _sync_folder(folder: Path) -> None:
    """Have the new file's name on disk as well."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
