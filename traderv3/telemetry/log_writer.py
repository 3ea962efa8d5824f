"""The one thread that writes the log, to file and terminal, behind a bounded queue that never makes anybody wait.

Full queue: the newest line is dropped (the first lines of a storm tell its cause), counted, and the loss is said in
the log as soon as there is room. Disk full or directory unwritable: said once on the terminal, counted, tried again
every `RETRY_S`; when it works again the log says how many lines it lacks.
Never: an exception into the caller; a wait in `put`.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

import msgspec

from traderv3.telemetry.log_file import LogFile
from traderv3.telemetry.log_redaction import Plain
from traderv3.telemetry.log_text import render

QUEUE_LINES_MAX: Final = 10_000  # at the worst lines of 4 kB some 40 MB, in practice 2 MB
BATCH_LINES_MAX: Final = 500
RETRY_S: Final = 5.0
CLOSE_S: Final = 2.0  # a terminal that is held (Ctrl-S) must not hold up the end of the process

Line = Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class LogStatistics:
    """What became of the lines so far."""

    written: int
    dropped: int  # the queue was full
    unwritten: int  # the file could not be written
    waiting: int


class LogWriter:
    """Takes finished lines from any thread. `say` makes a line of the writer's own."""

    def __init__(
        self,
        file: LogFile | None,
        terminal: TextIO | None,
        say: Callable[[str, str, dict[str, Plain]], Line],
        *,
        capacity: int = QUEUE_LINES_MAX,
        retry_s: float = RETRY_S,
    ) -> None:
        self._file = file
        self._terminal = terminal
        self._is_coloured = terminal is not None and _is_colour_wanted(terminal)
        self._say = say
        self._capacity = capacity
        self._retry_s = retry_s
        self._queue: queue.SimpleQueue[Line | threading.Event | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._written = 0
        self._dropped = self._dropped_said = 0
        self._unwritten = self._unwritten_said = 0
        self._next_try = 0.0
        self._encoder = msgspec.json.Encoder()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def put(self, line: Line) -> None:
        """Queue one line, or count it as dropped. Never waits."""
        if self._queue.qsize() < self._capacity:
            self._queue.put(line)
        else:
            with self._lock:
                self._dropped += 1

    def flush(self, timeout_s: float = CLOSE_S) -> bool:
        """Wait until everything queued before is written; False if that took too long."""
        done = threading.Event()
        self._queue.put(done)
        return done.wait(timeout_s)

    def close(self, timeout_s: float = CLOSE_S) -> bool:
        """Write what is queued and end the thread; False if it is stuck (then it ends with the process)."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def statistics(self) -> LogStatistics:
        return LogStatistics(self._written, self._dropped, self._unwritten, self._queue.qsize())

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch, marks, is_open = self._take()
            self._write(batch)
            self._say_losses()
            for mark in marks:
                mark.set()
        if self._file is not None:
            self._file.close()

    def _take(self) -> tuple[list[Line], list[threading.Event], bool]:
        """Wait for one item and take what else is there; the last value is False at the end."""
        batch: list[Line] = []
        marks: list[threading.Event] = []
        item = self._queue.get()
        while True:
            if item is None:
                return batch, marks, False
            if isinstance(item, threading.Event):
                marks.append(item)
            else:
                batch.append(item)
            if len(batch) >= BATCH_LINES_MAX:
                return batch, marks, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, marks, True

    def _write(self, batch: Sequence[Line]) -> None:
        if not batch:
            return
        self._to_terminal("".join(render(line, is_coloured=self._is_coloured) + "\n" for line in batch))
        if self._to_file(b"".join(self._encoder.encode(line) + b"\n" for line in batch)):
            self._written += len(batch)
        else:
            self._unwritten += len(batch)

    def _to_file(self, lines: bytes) -> bool:
        if self._file is None:
            return True
        if time.monotonic() < self._next_try:
            return False
        try:
            self._file.write(lines)
        except OSError as cause:
            if not self._next_try:
                how = "lines are shown here only until it can be written again"
                self._to_terminal(f"traderv3: the log {self._file.path} cannot be written ({cause.strerror}); {how}\n")
            self._file.close()
            self._next_try = time.monotonic() + self._retry_s
            return False
        self._next_try = 0.0
        return True

    def _say_losses(self) -> None:
        """One line for what the queue refused, one for what the file missed, once each is over."""
        if self._dropped > self._dropped_said and self._queue.qsize() <= self._capacity // 2:
            lost, self._dropped_said = self._dropped - self._dropped_said, self._dropped
            self._write([self._say("warning", "log_lines_dropped", {"count": lost, "reason": "queue full"})])
        if self._unwritten > self._unwritten_said and not self._next_try:
            lost, self._unwritten_said = self._unwritten - self._unwritten_said, self._unwritten
            self._write([self._say("warning", "log_lines_unwritten", {"count": lost, "reason": "file unwritable"})])

    def _to_terminal(self, text: str) -> None:
        if self._terminal is None:
            return
        try:
            self._terminal.write(text)
            self._terminal.flush()
        except (OSError, ValueError):  # hung up or closed: the file goes on
            self._terminal = None


def _is_colour_wanted(terminal: TextIO) -> bool:
    return not terminal.closed and terminal.isatty() and not os.environ.get("NO_COLOR")
