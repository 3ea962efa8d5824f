"""`python -m tests.attack.crooked_trader FAULT run sim …`: the real command with one thing in it that is out of order."""

import dataclasses
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

from traderv3 import cli, coordinator, run
from traderv3.clients import doors
from traderv3.config.limits import LIMITS
from traderv3.core.clock import wall_us
from traderv3.core.lifeline import Lifeline
from traderv3.telemetry.metrics_aggregator import MetricsAggregator

STALL_S = 3.0
SILENCE_S = 2.0
BLOCK_FILE = trio.Path("block")  # in the working directory: its appearance blocks the loop
CRASH_FILE = trio.Path("crash")  # its text is raised
TASKS_FILE = Path("tasks")
HOUR_US = 3_600_000_000


def _put(owner: object, name: str, value: object) -> None:
    setattr(owner, name, value)


def _instead(act: Callable[[], Any]) -> Callable[[MetricsAggregator, Lifeline], Any]:
    """An actor that is well until it is cancelled or its file appears."""
    well = MetricsAggregator.run

    async def run_crooked(self: MetricsAggregator, lifeline: Lifeline) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(well, self, lifeline)
            await act()

    return run_crooked


async def _never_let_go() -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep_forever()


async def _block_on_request() -> None:
    await _appearance(BLOCK_FILE)
    time.sleep(600)  # noqa: ASYNC251 - the fault


async def _crash_on_request() -> None:
    await _appearance(CRASH_FILE)
    words = await CRASH_FILE.read_text()
    await CRASH_FILE.unlink()
    raise ValueError(words)


async def _appearance(file: trio.Path) -> None:
    while not await file.exists():  # noqa: ASYNC110 - another process makes it
        await trio.sleep(0.05)


def shielded() -> None:
    """An actor that does not let itself be cancelled."""
    _put(MetricsAggregator, "run", _instead(_never_let_go))


def blocking() -> None:
    """An actor that blocks the loop; the watchdog's bound is short."""
    _put(MetricsAggregator, "run", _instead(_block_on_request))
    _put(coordinator, "LIMITS", dataclasses.replace(LIMITS, stall_s=STALL_S))


def crashing() -> None:
    """An actor that raises what it is told to."""
    _put(MetricsAggregator, "run", _instead(_crash_on_request))


def bursting() -> None:
    """A bug outside of every actor: what nobody catches."""

    async def run_crooked(self: object) -> None:
        await _crash_on_request()

    _put(coordinator.Trader, "run", run_crooked)


def clock() -> None:
    """A wall clock that SIGUSR1 puts an hour forward and SIGUSR2 an hour back."""
    offset_us = 0

    def step(number: int, _: object) -> None:
        nonlocal offset_us
        offset_us += HOUR_US if number == signal.SIGUSR1 else -HOUR_US

    signal.signal(signal.SIGUSR1, step)
    signal.signal(signal.SIGUSR2, step)
    _put(run, "wall_us", lambda: wall_us() + offset_us)


def impatient() -> None:
    """A trader that takes a socket for dead after two seconds."""
    _put(doors, "LIMITS", dataclasses.replace(LIMITS, ping_s=SILENCE_S / 4, silence_s=SILENCE_S))


class _Census(trio.abc.Instrument):
    """How many tasks live."""

    def __init__(self) -> None:
        self.tasks = 0

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.tasks += 1

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self.tasks -= 1


def counted() -> None:
    """Nothing is out of order; SIGUSR1 makes it write the number of its tasks into a file."""
    census, run_as_ever = _Census(), trio.run

    def write(*_: object) -> None:
        new = TASKS_FILE.with_suffix(".new")
        new.write_text(str(census.tasks))
        new.replace(TASKS_FILE)

    signal.signal(signal.SIGUSR1, write)
    _put(trio, "run", partial(run_as_ever, instruments=[census]))


FAULTS = {fault.__name__: fault for fault in (shielded, blocking, crashing, bursting, clock, impatient, counted)}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.exit(cli.main(sys.argv[2:]))
