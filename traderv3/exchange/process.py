"""The trader's own exchange in `sim`: the embedded exchange as a supervised child process, reached like the real one.

It runs in a session of its own (a terminal's Ctrl-C reaches the trader alone), keeps port and key over its restarts,
and ends with its parent, kill -9 included: it watches the pipe that is its standard input.
Dies: when the child process ends; the supervisor then starts both anew.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog
import trio

from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import ConnectivityError

log = structlog.get_logger(component="exchange")

LINE_MAX: Final = 1 << 20
STOP_S: Final = 1.5


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
        self.pid: int | None = None

    async def run(self, lifeline: Lifeline) -> None:
        """Start the child, say where it listens, and live as long as it. Raises `ConnectivityError` when it ends."""
        process = await trio.lowlevel.open_process(
            [
                *(sys.executable, "-m", "traderv3", "exchange", "--port", str(self._port)),
                *("--data-dir", str(self._data_dir), "--until-stdin-closes", *self._arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.pid = process.pid
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_announcements, process, lifeline)
                code = await process.wait()
                nursery.cancel_scope.cancel()
        finally:
            self.pid = None
            with trio.CancelScope(shield=True):
                await _end(process)
        msg = f"the exchange process ended with code {code}"
        raise ConnectivityError(msg)

    async def _read_announcements(self, process: trio.Process, lifeline: Lifeline) -> None:
        assert process.stdout is not None
        buffer = bytearray()
        async for chunk in process.stdout:
            buffer += chunk
            while b"\n" in buffer:
                line, _, rest = buffer.partition(b"\n")
                buffer = bytearray(rest)
                if not lifeline.is_started:
                    announcement = msgspec.json.decode(line, type=Announcement)
                    self._port = int(announcement.api_url.rpartition(":")[2].partition("/")[0])
                    self._found(announcement)
                    log.info("exchange listens", api_url=announcement.api_url, pid=process.pid)
                    lifeline.started()
                else:
                    log.info("exchange says", line=line[:500].decode("utf-8", "replace"))
            assert len(buffer) <= LINE_MAX, "the exchange sent a line without an end"


async def _end(process: trio.Process) -> None:
    """Ask, wait a little, kill."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        with trio.move_on_after(STOP_S):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            await pipe.aclose()
