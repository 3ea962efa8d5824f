"""A trader with its own exchange as real processes, for tests that do not run on Trio themselves or share one."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.running import COMMAND, CONSOLE_LINE, START_S, clean_environment


@dataclass(frozen=True)
class Served:
    """Where a running trader's console is, and its token."""

    url: str
    token: str
    process: subprocess.Popen[bytes]
    said: Path

    @property
    def exchange_pid(self) -> int:
        """The process id of the trader's own exchange that listens now."""
        return int(re.findall(rb"exchange listens .*?pid=(\d+)", self.said.read_bytes())[-1])

    @property
    def address(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@contextmanager
def serving(
    cwd: Path, *arguments: str, port: int = 0, command: Sequence[str] = ("run", "sim"), **variables: str
) -> Iterator[Served]:
    """A trader in `sim` (or another `command` with a console) for the block; a free port unless one is named."""
    said = cwd / "stderr.txt"
    with said.open("wb") as err:
        process = subprocess.Popen(
            [*COMMAND, *command, "--port", str(port), *arguments],
            cwd=cwd,
            env=clean_environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    try:
        deadline = time.monotonic() + START_S
        while (found := re.search(CONSOLE_LINE, said.read_bytes())) is None:
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.02)
        yield Served(found[1].decode(), (found[2] or b"").decode(), process, said)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(15)
