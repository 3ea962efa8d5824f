"""`traderv3 logs`: shows the structured log of a run, and with `-f` goes on as it grows, across rotations.

Everything kept is shown (rotated files included, oldest first) as far as it passes the filters; `--tail N` limits that
to the last N. With `--json` lines come out byte for byte. A line that is not ours (torn by a crash, written by another
program) passes through as it is, unless `--grep` is given and does not match; how many there were is said at the end.
Never: a crash on any content of the file; a process that goes on after its reader left.
"""

import argparse
import contextlib
import os
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from traderv3.config.environment import Environment, UnknownEnvironment, parse_environment
from traderv3.config.settings import find_data_dir
from traderv3.domain.timestamps import TIME_FORMS, TimeUnreadable, parse_time, rfc3339
from traderv3.telemetry.log_tail import LogTail, follow
from traderv3.telemetry.log_text import LEVELS, printable, render

EXIT_OK: Final = 0
EXIT_ARGUMENTS: Final = 2


class LogsProblem(ValueError):
    """An argument that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which lines pass. Times are compared as RFC 3339 text of one form, which sorts as time does."""

    level: int = 0
    components: frozenset[str] = frozenset()
    since: str = ""
    pattern: re.Pattern[str] | None = None

    def accept(self, raw: str, line: dict[str, object] | None) -> bool:
        """Whether the line passes; `line` is None where it is not one of ours."""
        if line is not None:
            if LEVELS.get(str(line.get("level")), 0) < self.level:
                return False
            if self.components and line.get("component") not in self.components:
                return False
            if str(line.get("timestamp", "")) < self.since:
                return False
        if self.pattern is None or self.pattern.search(raw):
            return True
        return line is not None and self.pattern.search(render(line, is_coloured=False)) is not None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `traderv3 logs`."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on as the log grows")
    parser.add_argument("--level", metavar="L", help=f"this level and worse: {', '.join(LEVELS)}")
    parser.add_argument("--component", metavar="C", action="append", default=[], help="only this one (may be repeated)")
    parser.add_argument("--since", metavar="T", help=TIME_FORMS)
    parser.add_argument("--grep", metavar="RE", help="only lines in which this regular expression is found")
    parser.add_argument("--tail", metavar="N", type=_parse_count, help="of what is there already only the last N lines")
    parser.add_argument("--json", action="store_true", help="lines as they are in the file")
    parser.add_argument("--environment", metavar="E", help="default: whose log was written last")
    parser.add_argument("--data-dir", metavar="D", type=Path, help="default: V3_DATA_DIR, else data")


def main(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    try:
        filters = Filters(
            level=_parse_level(args.level),
            components=frozenset(args.component),
            since=rfc3339(parse_time(args.since, datetime.now(UTC))) if args.since else "",
            pattern=_parse_pattern(args.grep),
        )
        path = find_log(args.environment, args.data_dir, is_awaited=args.follow)
    except (LogsProblem, TimeUnreadable) as cause:
        _tell(str(cause))
        return EXIT_ARGUMENTS
    printer = Printer(sys.stdout.buffer, filters, is_json=args.json, is_coloured=_is_colour_wanted())
    try:
        _show(path, printer, last=args.tail, is_followed=args.follow)
    except KeyboardInterrupt:
        pass  # asked to stop
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
    printer.report()
    return EXIT_OK


def _show(path: Path, printer: "Printer", *, last: int | None, is_followed: bool) -> None:
    if is_followed and not path.exists():
        _tell(f"waiting for {path}")
    with contextlib.closing(LogTail(path)) as tail:
        printer.show(tail.lines(), last)
        if is_followed:
            for raw in follow(tail):
                printer.show([raw])
        elif rest := tail.rest():
            printer.show([rest])


class Printer:
    """Writes the lines that pass the filters, and counts those that are not ours."""

    def __init__(self, out: BinaryIO, filters: Filters, *, is_json: bool, is_coloured: bool) -> None:
        self._out = out
        self._filters = filters
        self._is_json = is_json
        self._is_coloured = is_coloured
        self.foreign = 0

    def show(self, lines: Iterable[bytes], last: int | None = None) -> None:
        """Print the lines that pass, or the `last` of them."""
        passed = self._passing(lines)
        for line in passed if last is None else deque(passed, maxlen=last):
            self._out.write(line + b"\n")
        self._out.flush()

    def report(self) -> None:
        """Say how many lines were not ours, if any."""
        if self.foreign:
            _tell(f"{self.foreign} line(s) torn or not ours, shown as they are")

    def _passing(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for raw in lines:
            if not raw.strip():
                continue
            line = parse_line(raw)
            text = raw.decode("utf-8", "replace")
            if not self._filters.accept(text, line):
                continue
            if line is None:
                self.foreign += 1
            if self._is_json:
                yield raw
            else:
                shown = printable(text) if line is None else render(line, is_coloured=self._is_coloured)
                yield shown.encode("utf-8", "replace")


def parse_line(raw: bytes) -> dict[str, object] | None:
    """The line's fields, or None if it is not one of ours."""
    try:
        line = msgspec.json.decode(raw, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        return None
    return line if isinstance(line.get("timestamp"), str) and isinstance(line.get("event"), str) else None


def _parse_count(text: str) -> int:
    if not text.isdecimal():
        msg = f"{text[:20]!r} is not a number of lines"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _parse_level(text: str | None) -> int:
    if text is None:
        return 0
    level = text.lower()
    if level not in LEVELS:
        msg = f"--level {text[:20]!r} is none of {', '.join(LEVELS)}"
        raise LogsProblem(msg)
    return LEVELS[level]


def _parse_pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        return re.compile(text)
    except re.error as cause:
        msg = f"--grep {text[:60]!r} is not a regular expression: {cause}"
        raise LogsProblem(msg) from None


def _tell(text: str) -> None:
    """To the person, not into what a program may be reading."""
    sys.stderr.write(f"traderv3 logs: {text}\n")


def _is_colour_wanted() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def find_log(environment: str | None, data_dir: Path | None, *, is_awaited: bool) -> Path:
    """The environment's log, or the one written last. It must exist unless it `is_awaited`. Raises `LogsProblem`."""
    try:
        chosen = parse_environment(environment) if environment else None
    except UnknownEnvironment as cause:
        raise LogsProblem(str(cause)) from None
    folder = (data_dir or find_data_dir(environment, os.environ, Path.cwd())) / "logs"
    if chosen is not None:
        path = folder / f"{chosen}.jsonl"
        if is_awaited or path.exists():
            return path
    else:
        candidates = [folder / f"{name}.jsonl" for name in Environment]
        found = [(path.stat().st_mtime, path) for path in candidates if path.exists()]
        if found:
            return max(found)[1]
    msg = f"there is no log in {folder}; start a trader there, or name another place with --data-dir or --environment"
    raise LogsProblem(msg)
