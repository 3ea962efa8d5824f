"""A journal read back as one stream: every entry in the order in which it was written, over the borders of segments.

Torn ends (a crash), unreadable lines and segments, and files that vanish while we read are told and passed over.
Units: times in microseconds since the epoch. Never: an entry twice, or damage passed over in silence.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Final

from traderv3.protocol.recording import Entry, Header, RecordingProblem, RecordingReader
from traderv3.storage.segments import SegmentFile, list_segments

DAMAGES_MAX: Final = 1000  # kept; beyond that only counted
CLOCK_SLACK_US: Final = 60_000_000  # by so much the wall clock may have been set back between two segments


def open_journal(
    path: Path, *, since_us: int | None = None, until_us: int | None = None, report: Callable[[str], None] | None = None
) -> "JournalReader":
    """The journal in a directory, or one file (a segment or any other recording).

    `report` is told each damage as it is found. Raises `OSError`, and `RecordingProblem` if there is no recording.
    """
    if path.is_dir():
        files = [segment.path for segment in _since(list_segments(path), since_us)]
        if not files:
            raise RecordingProblem(1, f"no segment of a journal in {path}")
    else:
        with path.open("rb") as file:
            RecordingReader(file, path.name)
        files = [path]
    return JournalReader(files, since_us=since_us, until_us=until_us, report=report)


class JournalReader:
    """Iterates over the entries from `since_us` to `until_us`, both included.

    `header` and `path` are those of the segment read last: another `run` there is another process, whose connections
    have numbers of their own. `markets` are all that headers named so far.
    """

    def __init__(
        self, files: list[Path], *, since_us: int | None, until_us: int | None, report: Callable[[str], None] | None
    ) -> None:
        self.path: Path | None = None
        self.header: Header | None = None
        self.markets: dict[str, None] = {}
        self.damages: deque[str] = deque(maxlen=DAMAGES_MAX)
        self.damages_found = 0
        self._report = report
        self._since_us = since_us
        self._until_us = until_us
        self._entries = self._read(files)

    def __iter__(self) -> Iterator[Entry]:
        return self

    def __next__(self) -> Entry:
        return next(self._entries)

    def close(self) -> None:
        """Close the file that is being read; for whoever stops early."""
        self._entries.close()

    def _read(self, files: list[Path]) -> Generator[Entry, None, None]:
        for path in files:
            try:
                with path.open("rb") as file:
                    reader = RecordingReader(file, path.name)
                    self.path, self.header = path, reader.header
                    self.markets.update(dict.fromkeys(reader.header.markets))
                    is_first = True
                    for entry in self._entries_of(reader):
                        if is_first and self._until_us is not None and entry.at_us > self._until_us + CLOCK_SLACK_US:
                            return
                        is_first = False
                        if self._is_wanted(entry):
                            yield entry
            except (OSError, RecordingProblem) as cause:
                self._on_damage(path, cause)

    def _entries_of(self, reader: RecordingReader) -> Iterator[Entry]:
        assert self.path is not None
        while True:
            try:
                yield next(reader)
            except StopIteration:
                break
            except RecordingProblem as cause:
                self._on_damage(self.path, cause)
        if reader.torn is not None:
            self._on_damage(self.path, reader.torn)

    def _is_wanted(self, entry: Entry) -> bool:
        return (self._since_us is None or entry.at_us >= self._since_us) and (
            self._until_us is None or entry.at_us <= self._until_us
        )

    def _on_damage(self, path: Path, what: object) -> None:
        damage = f"{path.name}: {what}"
        self.damages.append(damage)
        self.damages_found += 1
        if self._report is not None:
            self._report(damage)


def _since(segments: list[SegmentFile], since_us: int | None) -> list[SegmentFile]:
    """Without those that were over, because the next one had begun, before that time."""
    if since_us is None:
        return segments
    first = 0
    for number, segment in enumerate(segments):
        if segment.started_us + CLOCK_SLACK_US <= since_us:
            first = number
    return segments[first:]
