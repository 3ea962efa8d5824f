"""Where a running trader can be reached, written by itself at its start; and how a command finds it again.

`<data dir>/<environment>/console.json` has process id, host and port; `control-token` lies beside it. A command needs no
sound configuration for that: whoever wants to halt must not be held up by a typing error in a file.
`trader.lock` is locked (flock) by the one trader of the folder for as long as it lives, and names its process: that a trader
is there does not hang on a file that anybody may overwrite.
Never: two traders with one latch, token, intent log and journal.
"""

import fcntl
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from traderv3.config.environment import DEFAULT, Environment
from traderv3.config.problems import Findings
from traderv3.config.settings import DATA_DIR_DEFAULT, PORT_DEFAULT
from traderv3.config.sources import open_sources
from traderv3.config.values import ValueProblem, expand, parse_port

CONSOLE_FILE: Final = "console.json"
LOCK_FILE: Final = "trader.lock"
LOCK_S: Final = 2.0  # a predecessor that was killed is still being taken apart by the kernel
LOCK_LOOK_S: Final = 0.02
TOKEN_FILE: Final = "control-token"  # noqa: S105  # the file's name
WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104  # listened on everywhere: reached on loopback


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """One environment's trader. `folder` is where it keeps its state; `pid` None: none that is known has started there."""

    environment: Environment
    data_dir: Path
    host: str
    port: int
    pid: int | None

    @property
    def folder(self) -> Path:
        """Token, latch, kill file, intent log lie here."""
        return self.data_dir / self.environment

    @property
    def token(self) -> str | None:
        """The control token of the run that started last; None if it cannot be read."""
        try:
            return (self.folder / TOKEN_FILE).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None

    @property
    def is_running(self) -> bool:
        """Whether a trader holds the folder; a lock that cannot be looked at is taken for held."""
        return _is_held(self.folder / LOCK_FILE)


class FolderTaken(Exception):
    """Another trader runs in this folder; the message says which process."""


def hold_folder(folder: Path) -> int:
    """Be the one trader of a folder until the process ends, or the descriptor that is returned is closed.

    Waits up to `LOCK_S` (it blocks) for a predecessor that is just ending. Raises `FolderTaken`, `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    ends_at = time.monotonic() + LOCK_S
    while not _try_lock(lock, fcntl.LOCK_EX):
        if time.monotonic() >= ends_at:
            os.close(lock)
            raise FolderTaken(f"process {_holder(folder) or 'unknown'}")
        time.sleep(LOCK_LOOK_S)
    os.truncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def _try_lock(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_held(file: Path) -> bool:
    try:
        lock = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        return not _try_lock(lock, fcntl.LOCK_SH)
    except OSError:
        return True
    finally:
        os.close(lock)


def _holder(folder: Path) -> int | None:
    """The process that holds a folder, or held it last."""
    with suppress(OSError, ValueError):
        return int((folder / LOCK_FILE).read_text(encoding="ascii"))
    return None


def write_console(folder: Path, host: str, port: int) -> None:
    """Say where this process serves its console. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"pid": os.getpid(), "host": host, "port": port})
    (folder / CONSOLE_FILE).write_text(text + "\n", encoding="ascii")


def find_trader(environment: str | None, process: Mapping[str, str], directory: Path, port: str | None) -> Whereabouts:
    """Where the trader with these sources is, or would be. Raises `ConfigurationProblems` for environment and port only."""
    findings, asked = Findings(), Findings()
    chosen, sources = open_sources(environment, {}, process, directory, findings)
    asked.problems += [problem for problem in findings.problems if problem.variable == "ENVIRONMENT"]
    usual = PORT_DEFAULT
    for variable, text in (("V3_PORT", sources.get("V3_PORT")), ("--port", port)):
        try:
            usual = parse_port(text) if text else usual
        except ValueProblem as cause:
            asked.problem(variable, str(cause), f"The usual value is {PORT_DEFAULT}")
    asked.raise_if_any()
    data_dir = expand(directory.absolute(), sources.get("V3_DATA_DIR") or DATA_DIR_DEFAULT)
    named = chosen or DEFAULT
    pid, host, known = _read_console(data_dir / named / CONSOLE_FILE)
    reached = "127.0.0.1" if host is None or host in WILDCARDS else host
    holder = _holder(data_dir / named)
    return Whereabouts(named, data_dir, reached, usual if port or known is None else known, holder or pid)


def _read_console(path: Path) -> tuple[int | None, str | None, int | None]:
    """Process id, host and port as written; None for what cannot be read."""
    try:
        said = json.loads(path.read_text(encoding="ascii"))
        return int(said["pid"]), str(said["host"]), int(said["port"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None, None, None
