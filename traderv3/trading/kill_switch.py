"""The kill switch that needs neither console nor network: a file, and a signal.

    touch <data dir>/<environment>/HALT       the first line of the file, if any, is the reason
    kill -USR1 <pid of the trader>

Either halts trading through the latch. While the file lies there nobody can lift the halt (`read_kill_file` says so to
whoever tries); a `resume` that slips through is undone at the next look, `LOOK_S` later at the most. A file that cannot be
looked at, though something is there, is a halt too.
Units: seconds of Trio's clock.
Never: a way to let trading go on.
"""

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final, NoReturn

import structlog
import trio

from traderv3.core.lifeline import Lifeline
from traderv3.domain.permission import Latch, Mode, NotKept

log = structlog.get_logger(component="trading")

KILL_FILE: Final = "HALT"
KILL_SIGNAL: Final = signal.SIGUSR1
LOOK_S: Final = 0.05  # of the 250 ms from a halt's input to the last cancel
REASON_BYTES_MAX: Final = 200

Signals = AbstractContextManager[AsyncIterator[int]]


_early: Final[list[int]] = []  # a process has one of each signal, and one place for what came while nobody heard


def keep_early_signals() -> None:
    """From now on the signal does not end the process, as it would by default: it waits for the switch."""
    signal.signal(KILL_SIGNAL, lambda number, _: _early.append(number))


@contextmanager
def hear_signals() -> Iterator[AsyncIterator[int]]:
    """The signal, as it comes; in the main thread alone. One that came before is told now."""
    with trio.open_signal_receiver(KILL_SIGNAL) as signals:
        while _early:
            signal.raise_signal(_early.pop())
        yield signals


def read_kill_file(file: Path) -> str | None:
    """Why there is to be a halt, or None. A look costs microseconds: the file is on the disk that holds our state."""
    try:
        with file.open("rb") as content:
            first = content.read(REASON_BYTES_MAX).partition(b"\n")[0].decode("utf-8", "replace").strip()
    except OSError as exc:
        if isinstance(exc, FileNotFoundError) and not file.is_symlink():
            return None
        return f"{file} cannot be read: {exc.strerror or exc}"
    return first or f"{file} is there; remove it before `resume`"


class KillSwitch:
    """Watches both. `hear` is None where signals are not ours to hear (a simulation)."""

    name = "kill_switch"

    def __init__(self, latch: Latch, file: Path, *, hear: Callable[[], Signals] | None = hear_signals) -> None:
        self._latch = latch
        self._file = file
        self._hear = hear

    async def run(self, lifeline: Lifeline) -> None:
        """Watch until cancelled. The first look is over before anybody who waits for `started` may trade."""
        await self._look()
        with self._hear() if self._hear is not None else nullcontext() as signals:
            async with trio.open_nursery() as nursery:
                if signals is not None:
                    nursery.start_soon(self._heed_signals, signals)
                lifeline.started()
                await self._watch(lifeline)

    async def _watch(self, lifeline: Lifeline) -> NoReturn:
        while True:
            lifeline.beat()
            await trio.sleep(LOOK_S)
            await self._look()

    async def _look(self) -> None:
        reason = read_kill_file(self._file)
        if reason is not None and self._latch.stand.mode is not Mode.HALTED:
            await self._halt(f"the file {self._file.name}", reason)

    async def _heed_signals(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            await self._halt(f"signal {signal.Signals(number).name}", "a signal asked for it")

    async def _halt(self, by: str, reason: str) -> None:
        try:
            await self._latch.set(Mode.HALTED, by=by, reason=reason)
        except NotKept as exc:
            log.error("a halt holds, but only until a restart", why=str(exc))
