"""From the command to a trader that is ready: `traderv3 run sim`, set-up done, until it says `ready`, and `trading_ready`.

The trader starts its own exchange, with 18 markets; journal, database, console and trading are on. `first` has an empty
data folder (the exchange's key and the database are made), the others find one that an earlier run left. `imported` is the
same interpreter importing what the trader consists of, and nothing more.
Run: python -m benchmarks.command_to_ready [--quick]
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.rounds import Report, arguments, in_turns, one, spread
from tests.running import COMMAND, clean_environment

READY: Final = "→ ready"
TRADING: Final = "→ trading_ready"  # the account was read, twice a second apart, and agrees
CONSOLE: Final = "console: "
STOP_S: Final = 15.0
ROUNDS, QUICK_ROUNDS = 9, 2


@contextmanager
def started(folder: Path, *arguments_: str, **variables: str) -> Iterator[tuple["subprocess.Popen[str]", float]]:
    """`traderv3 run sim` in `folder`, and when it was started (`time.monotonic`); stopped at the end if it still runs."""
    command = [*COMMAND, "run", "sim", "--port", "0", *arguments_]
    began_s = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=clean_environment(**{"V3_ENABLE_TRADING": "true"} | variables),  # as `traderv3 run sim` is
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process, began_s
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=STOP_S)


def wait_for(process: "subprocess.Popen[str]", word: str) -> float:
    """When the trader said a line with that word (`time.monotonic`)."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if word in line:
            return time.monotonic()
    msg = f"the trader never said {word!r}: {''.join(said)[-1000:]}"
    raise AssertionError(msg)


def ready_s(folder: Path) -> dict[str, float]:
    """Seconds until the console was offered, until the trader was ready, and until it was ready to trade."""
    words = {"console": CONSOLE, "ready": READY, "trading": TRADING}
    with started(folder) as (process, began_s):
        return {name: wait_for(process, word) - began_s for name, word in words.items()}


def imported_s() -> dict[str, float]:
    """Seconds for an interpreter to import the trader and end."""
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", "import traderv3.cli, traderv3.run"], check=True)
    return {"imported": time.monotonic() - began_s}


def main() -> int:
    args = arguments(__doc__, rounds=ROUNDS, quick_rounds=QUICK_ROUNDS)
    report = Report("command_to_ready", args)
    with tempfile.TemporaryDirectory() as name:
        first = ready_s(Path(name))
        candidates: dict[str, Callable[[], dict[str, float]]] = {
            "run": lambda: ready_s(Path(name)),
            "import": imported_s,
        }
        found = in_turns(candidates, rounds=args.rounds)
    report.figure("command to ready", spread([each["ready"] for each in found["run"]]), "s", at_most=3.0)
    report.figure("command to ready, empty data folder", one(first["ready"]), "s", at_most=3.0)
    report.figure("command to ready to trade", spread([each["trading"] for each in found["run"]]), "s")
    report.figure("command to console", spread([each["console"] for each in found["run"]]), "s")
    report.figure("importing the trader", spread([each["imported"] for each in found["import"]]), "s")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
