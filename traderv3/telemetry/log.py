"""The structured log: JSON lines in `<data_dir>/logs/<environment>.jsonl`, readable lines on the terminal (stderr).

A line has `timestamp` (RFC 3339, UTC, milliseconds), `level`, `component`, `event` (a short name) and fields. Loggers
are `structlog.get_logger(component="…")`; the standard library's loggers and warnings come in under their own names.
Emitting costs the emitter a snapshot of the fields and one queue entry; one thread writes (see `log_writer`).
Never: a secret (see `log_redaction`); an exception or a wait for whoever logs.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

import structlog

from traderv3.config.environment import Environment
from traderv3.domain.timestamps import rfc3339
from traderv3.telemetry.log_file import LogFile
from traderv3.telemetry.log_redaction import Plain, Redactor
from traderv3.telemetry.log_text import LEVELS
from traderv3.telemetry.log_writer import Line, LogStatistics, LogWriter

Tap = Callable[[str, str, str, str, dict[str, Plain]], None]

COMPONENT_DEFAULT: Final = "trader"
_NOISY: Final = ("httpx2", "httpcore2", "hpack", "h2", "trio_websocket")  # below warning they log every request
_LIBRARY_NAMES: Final = {"py": "python"}  # warnings arrive from the logger "py.warnings"


def open_log(
    environment: Environment | str,
    data_dir: Path | None,
    level: str = "info",
    tap: Tap | None = None,
    *,
    secrets: Iterable[str] = (),
    terminal: TextIO | None = None,
) -> "Log":
    """Route structlog, `logging` and warnings into one log until it is closed.

    Without a `data_dir` lines go to the terminal only; `terminal` is stderr unless another stream is given.
    """
    file = LogFile(data_dir / "logs" / f"{environment}.jsonl") if data_dir is not None else None
    return Log(file, terminal or sys.stderr, level, tap=tap, secrets=secrets)


class Log:
    """The open log. `tap`, which may be set at any time, is called by the emitting thread with each line's parts:
    level, timestamp, component, event, fields. It must be cheap, and it must not log.
    """

    def __init__(
        self,
        file: LogFile | None,
        terminal: TextIO | None,
        level: str,
        *,
        tap: Tap | None = None,
        secrets: Iterable[str] = (),
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
        capacity: int | None = None,
    ) -> None:
        assert level in LEVELS, level
        self.tap = tap
        self.path = file.path if file is not None else None
        self._redactor = Redactor(secrets)
        self._now_us = now_us
        bounds = {} if capacity is None else {"capacity": capacity}
        self._writer = LogWriter(file, terminal, self._own_line, **bounds)
        self._handler = _StandardHandler(self)
        self._levels_before: dict[str, int] = {}
        self._is_open = True
        self._uncaught: BaseException | None = None
        self._configure_structlog(level)
        self._capture_standard(level)

    def hide(self, secret: str) -> None:
        """Mask this text in every line from now on."""
        self._redactor.register(secret)

    def emit(self, level: str, component: str, event: str, fields: MutableMapping[str, Any]) -> None:
        """Take one line. `exc_info` among the fields (an exception or True) becomes a traceback."""
        error = _exception_of(fields.pop("exc_info", None))
        timestamp = rfc3339(self._now_us())
        plain = self._redactor.fields(fields)
        if error is not None:
            plain["exception"] = self._redactor.traceback(error)
        event = self._redactor.text(event)
        own: Line = {"timestamp": timestamp, "level": level, "component": component, "event": event}
        for name in own.keys() & plain.keys():
            plain[f"{name}_"] = plain.pop(name)
        self._writer.put({**own, **plain})
        if self.tap is not None:
            self.tap(level, timestamp, component, event, plain)

    def flush(self, timeout_s: float = 1.0) -> bool:
        """Wait until what was logged is written; False if that took too long. For the last moment before an exit."""
        return self._writer.flush(timeout_s)

    def statistics(self) -> LogStatistics:
        return self._writer.statistics()

    def close(self) -> None:
        """Write everything and give structlog, `logging` and warnings back. Safe to call twice."""
        if not self._is_open:
            return
        self._is_open = False
        self._release_standard()
        structlog.reset_defaults()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, Exception):
            self.tell_uncaught(type(error), error, at)
        self.close()

    def tell_uncaught(self, kind: type[BaseException], error: BaseException | None, at: TracebackType | None) -> None:
        """For `sys.excepthook`: the last words of a bug, once and without secrets, in the log while it is open."""
        if error is None or error is self._uncaught:
            return
        self._uncaught = error
        if self._is_open:
            self.emit("critical", COMPONENT_DEFAULT, "uncaught error", {"exc_info": error})
        else:
            sys.stderr.write(self._redactor.traceback(error))

    def _own_line(self, level: str, event: str, fields: dict[str, Plain]) -> Line:
        at = rfc3339(self._now_us())
        return {"timestamp": at, "level": level, "component": "log", "event": event, **fields}

    def _configure_structlog(self, level: str) -> None:
        structlog.configure(
            processors=[_hand_over],
            wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
            logger_factory=lambda *_: _Door(self),
            cache_logger_on_first_use=False,  # loggers are made at import, before the log is open
        )

    def _capture_standard(self, level: str) -> None:
        for name in ("", *_NOISY):
            self._levels_before[name] = logging.getLogger(name).level
        logging.getLogger().setLevel(max(LEVELS[level], logging.INFO))
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger().addHandler(self._handler)
        logging.captureWarnings(True)

    def _release_standard(self) -> None:
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(self._handler)
        for name, level in self._levels_before.items():
            logging.getLogger(name).setLevel(level)


class _Door:
    """What structlog takes for its underlying logger: every level's method hands over to the log."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def _take(self, level: str, event: MutableMapping[str, Any]) -> None:
        name = event.pop("event", "")
        component = str(event.pop("component", COMPONENT_DEFAULT))
        self._log.emit(level, component, str(name), event)

    debug = info = warning = error = critical = _take


def _hand_over(_: object, level: str, event: MutableMapping[str, Any]) -> tuple[tuple[str, Any], dict[str, Any]]:
    """The only processor: level and fields as positional arguments, so that no field name can collide."""
    return (level, event), {}


class _StandardHandler(logging.Handler):
    """Lines of libraries: the first part of the logger's name is the component."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        head = record.name.partition(".")[0]
        level = next((name for name, value in reversed(LEVELS.items()) if record.levelno >= value), "debug")
        fields: dict[str, Any] = {}
        if record.exc_info and record.exc_info[1] is not None:
            fields["exc_info"] = record.exc_info[1]
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # a library's format that does not fit its arguments
            message = str(record.msg)
        self._log.emit(level, _LIBRARY_NAMES.get(head, head), message.strip(), fields)


def _exception_of(given: object) -> BaseException | None:
    """What structlog's `exc_info` may be: an exception, the triple, or true for the one being handled."""
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return next((part for part in given if isinstance(part, BaseException)), None)
    return sys.exc_info()[1] if given else None
