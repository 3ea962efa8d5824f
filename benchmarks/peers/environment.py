"""The peers' environments, made when they are wanted: `.cache/bench/…` of the checkout, one for each kind of interpreter.

An environment is made anew when its requirements change. A package that cannot be had is left out, and its peers are
absent; everything else goes on.
"""

import hashlib
import json
import select
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.peers.work import Job

ROOT: Final = Path(__file__).resolve().parents[2]
HOME: Final = ROOT / ".cache" / "bench"
HERE: Final = Path(__file__).parent
INSTALL_S: Final = 600
ANSWER_S: Final = 120
END_S: Final = 5
_STAMP: Final = "made-from"


class Absent(Exception):
    """A peer that cannot take part, and why."""


@dataclass(frozen=True)
class Peer:
    """One peer: the module that is it, the package it is about, and the environment it runs in."""

    module: str
    package: str
    environment: str = "requirements"


PEERS: Final[Mapping[str, Peer]] = {
    "raw socket": Peer("raw_socket", "msgspec"),
    "trio-websocket": Peer("plain_trio_websocket", "trio-websocket"),
    "websockets on Trio": Peer("websockets_trio", "websockets"),
    "websockets on asyncio": Peer("websockets_asyncio", "websockets"),
    "aiohttp on uvloop": Peer("aiohttp_uvloop", "aiohttp"),
    "picows on uvloop": Peer("picows_uvloop", "picows"),
    "kalshi-sdk": Peer("kalshi_sdk_client", "kalshi-sdk", "requirements-newer"),
    "pykalshi": Peer("pykalshi_client", "pykalshi"),
    "nautilus_trader": Peer("nautilus_book", "nautilus_trader"),
}


def interpreter(environment: str) -> Path:
    """The environment's Python, made and filled if need be. Raises `Absent`."""
    wanted = (HERE / f"{environment}.txt").read_text()
    packages = [line for line in wanted.splitlines() if line and not line.startswith("#")]
    home = HOME / environment
    python = home / "bin" / "python"
    stamp = hashlib.sha256(wanted.encode()).hexdigest()
    if python.exists() and (home / _STAMP).exists() and (home / _STAMP).read_text() == stamp:
        return python
    base = sys.executable if environment == "requirements" else _newer_python()
    print(f"making the environment {home.relative_to(ROOT)} ({len(packages)} packages)", file=sys.stderr, flush=True)
    subprocess.run([base, "-m", "venv", "--clear", str(home)], check=True, capture_output=True)
    for package in packages:  # one by one: what cannot be had must not take the others with it
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", package], check=False, capture_output=True, timeout=INSTALL_S
        )
    (home / _STAMP).write_text(stamp)
    return python


def _newer_python() -> str:
    """A Python of at least 3.12 on this machine: on the path, or beside ours as version managers lay them."""
    beside = sorted(Path(sys.base_prefix).parent.glob("3.1[2-9]*/bin/python3"))
    for candidate in (*(shutil.which(f"python3.{minor}") for minor in range(12, 16)), *map(str, beside)):
        if (
            candidate
            and not subprocess.run([candidate, "-c", "import venv"], check=False, capture_output=True).returncode
        ):
            return candidate
    msg = "it needs Python 3.12 or newer, and this machine has none"
    raise Absent(msg)


class Candidate:
    """A running peer process, or ours: one job at a time."""

    def __init__(self, name: str, python: Path | str, *module: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [str(python), "-m", *module],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            self.versions: dict[str, str] = self._read()
        except Absent:
            self.close()
            raise

    def do(self, job: Job) -> dict[str, Any]:
        """The answer to one job. Raises `Absent` if the process ends instead."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # then it has ended, and said why
            self._process.stdin.write(json.dumps(asdict(job)) + "\n")
            self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        is_silent = not select.select([self._process.stdout], [], [], ANSWER_S)[0]
        if is_silent:
            self._process.kill()
            msg = f"no answer in {ANSWER_S} s"
            raise Absent(msg)
        line = self._process.stdout.readline()
        if not line:
            said = self._process.stderr.read().strip().splitlines() or ["it ended without a word"]
            raise Absent(said[-1])
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def candidates(
    names: Iterable[str], ours: Mapping[str, Sequence[str]]
) -> Iterator[tuple[dict[str, Candidate], dict[str, str]]]:
    """Processes for ours (name to module and arguments) and for peers by name; whoever is absent, with the reason."""
    running: dict[str, Candidate] = {}
    absent: dict[str, str] = {}
    with ExitStack() as stack:
        for name, module in ours.items():
            running[name] = Candidate(name, sys.executable, *module)
            stack.callback(running[name].close)
        for name in names:
            peer = PEERS[name]
            try:
                running[name] = Candidate(name, interpreter(peer.environment), f"benchmarks.peers.{peer.module}")
            except Absent as why:
                absent[name] = str(why)
            else:
                stack.callback(running[name].close)
        yield running, absent
