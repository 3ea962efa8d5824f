"""Where a running trader can be reached, written by itself at its start; and how a command finds it again.

`<data dir>/<environment>/console.json` has process id, host and port; `control-token` lies beside it. A command needs no
sound configuration for that: whoever wants to halt must not be held up by a typing error in a file.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from traderv3.config.environment import DEFAULT, Environment
from traderv3.config.problems import Findings
from traderv3.config.settings import DATA_DIR_DEFAULT, PORT_DEFAULT
from traderv3.config.sources import open_sources
from traderv3.config.values import ValueProblem, expand, parse_port

CONSOLE_FILE: Final = "console.json"
TOKEN_FILE: Final = "control-token"  # noqa: S105  # the file's name
WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104  # listened on everywhere: reached on loopback


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """One environment's trader. `folder` is where it keeps its state; `pid` None: none has started there."""

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
    def is_process_alive(self) -> bool:
        """Whether a process of that number exists; it may be another's by now."""
        if self.pid is None:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True


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
    return Whereabouts(named, data_dir, reached, usual if port or known is None else known, pid)


def _read_console(path: Path) -> tuple[int | None, str | None, int | None]:
    """Process id, host and port as written; None for what cannot be read."""
    try:
        said = json.loads(path.read_text(encoding="ascii"))
        return int(said["pid"]), str(said["host"]), int(said["port"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None, None, None
