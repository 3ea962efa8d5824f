"""One trader with its own exchange for a whole module: real processes, started once."""

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.running import COMMAND, CONSOLE_LINE, START_S, clean_environment


@dataclass(frozen=True)
class Served:
    """Where a running trader's console is, and its token."""

    url: str
    token: str
    pid: int

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def serve(cwd: Path, *arguments: str, **variables: str) -> Iterator[Served]:
    """A trader in `sim` on a free port until the iterator is closed."""
    said = cwd / "stderr.txt"
    with said.open("wb") as err:
        process = subprocess.Popen(
            [*COMMAND, "run", "sim", "--port", "0", *arguments],
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
        yield Served(found[1].decode(), found[2].decode(), process.pid)
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A trader in `sim` that serves its console."""
    yield from serve(tmp_path_factory.mktemp("trader"))
