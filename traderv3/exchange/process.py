"""The trader's own exchange in `sim`: the embedded exchange as a supervised child process, reached like the real one.

It runs in a session of its own (a terminal's Ctrl-C reaches the trader alone), keeps port and key over its restarts,
and ends with its parent, kill -9 included: it watches the pipe that is its standard input.
Dies: when the child process ends; the supervisor then starts both anew.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import trio

from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import ConnectivityError

log = structlog.get_logger(component="exchange")

ADDRESS_FILE: Final = "address.json"  # beside the exchange's key
LINE_MAX: Final = 1 << 20
STOP_S: Final = 1.5
LAST_WORDS_S: Final = 0.5  # to read what a child said before it ended


class Announcement(msgspec.Struct):
    """The first line on the exchange's stdout."""

    api_url: str
    ws_url: str
    key_id: str
    private_key_path: str


class ExchangeProcess:
    """Runs the child; `found` is told its addresses each time it listens. `arguments` are added to its command line."""

    name = "exchange"

    def __init__(
        self, data_dir: Path, found: Callable[[Announcement], None], *, arguments: Sequence[str] = (), port: int = 0
    ) -> None:
        self._data_dir = data_dir
        self._found = found
        self._arguments = tuple(arguments)
        self._port = port
        self._last_words = ""
        self._is_silent = trio.Event()

    async def run(self, lifeline: Lifeline) -> None:
        """Start the child, say where it listens, and live as long as it. Raises `ConnectivityError` when it ends."""
        process = await trio.lowlevel.open_process(
            [
                *(sys.executable, "-m", "traderv3", "exchange", "--port", str(self._port)),
                *("--data-dir", str(self._data_dir), "--until-stdin-closes", *self._arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._last_words, self._is_silent = "", trio.Event()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_announcements, process, lifeline)
                nursery.start_soon(self._relay_log, process)
                code = await process.wait()
                with trio.move_on_after(LAST_WORDS_S):
                    await self._is_silent.wait()
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await _end(process)
        msg = f"the exchange process ended with code {code}{f': {self._last_words}' if self._last_words else ''}"
        raise ConnectivityError(msg)

    async def _read_announcements(self, process: trio.Process, lifeline: Lifeline) -> None:
        async for line in _lines(process.stdout):
            if lifeline.is_started:
                log.info("exchange says", line=line[:500].decode("utf-8", "replace"))
                continue
            announcement = msgspec.json.decode(line, type=Announcement)
            self._port = int(announcement.api_url.rpartition(":")[2].partition("/")[0])
            self._write_down(line)
            self._found(announcement)
            log.info("exchange listens", api_url=announcement.api_url, pid=process.pid)
            lifeline.started()

    def _write_down(self, line: bytes) -> None:
        """Where it listens, for `traderv3 halt` from a process of its own."""
        try:
            (self._data_dir / "exchange" / ADDRESS_FILE).write_bytes(line + b"\n")
        except OSError as exc:
            log.warning("the exchange's address is not written down", error=str(exc))

    async def _relay_log(self, process: trio.Process) -> None:
        """What the child logs (JSON lines on stderr) goes into our log under its own level."""
        async for line in _lines(process.stderr):
            try:
                fields = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.MsgspecError:
                self._last_words = line[:500].decode("utf-8", "replace")
                log.warning("said on stderr", line=self._last_words)
                continue
            say = log.warning if fields.pop("level", "info") in ("warning", "error", "critical") else log.info
            event = str(fields.pop("event", "said"))
            say(event, **{name: value for name, value in fields.items() if name not in ("timestamp", "component")})
        self._is_silent.set()


async def _lines(stream: trio.abc.ReceiveStream | None) -> AsyncIterator[bytes]:
    assert stream is not None
    rest = bytearray()
    async for chunk in stream:
        rest += chunk
        *whole, tail = rest.split(b"\n")
        rest = bytearray(tail)
        assert len(rest) <= LINE_MAX, "the exchange sent a line without an end"
        for line in whole:
            yield bytes(line)


async def _end(process: trio.Process) -> None:
    """Ask, wait a little, kill."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        with trio.move_on_after(STOP_S):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            await pipe.aclose()
