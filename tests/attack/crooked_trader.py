"""`python -m tests.attack.crooked_trader FAULT run sim …`: the real command with one thing in it that is out of order."""

import ctypes
import dataclasses
import json
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

from traderv3 import cli, coordinator, outside, run
from traderv3.clients import account_connector, doors
from traderv3.config.limits import LIMITS
from traderv3.console import hub
from traderv3.console.past import Past
from traderv3.core.clock import wall_us
from traderv3.core.lifeline import Lifeline
from traderv3.protocol import wire
from traderv3.telemetry.metrics_aggregator import MetricsAggregator
from traderv3.trading import own_orders, portfolio, reconciliation

STALL_S = 3.0
SILENCE_S = 2.0
BLOCK_FILE = trio.Path("block")  # in the working directory: its appearance blocks the loop
CRASH_FILE = trio.Path("crash")  # its text is raised
HELD_FILE = Path("held.json")
LEAKED_A_SECOND = 100  # one small object for every thirtieth message of full load
KEPT = 512  # fills, or orders that are over: minutes of full load
HOUR_US = 3_600_000_000
SAY, FORWARD, BACK = (signal.SIGRTMIN + number for number in range(3))  # SIGUSR1 is the trader's own


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
    _put(outside, "LIMITS", dataclasses.replace(LIMITS, stall_s=STALL_S))


def crashing() -> None:
    """An actor that raises what it is told to."""
    _put(MetricsAggregator, "run", _instead(_crash_on_request))


def bursting() -> None:
    """A bug outside of every actor: what nobody catches."""

    async def run_crooked(self: object) -> None:
        await _crash_on_request()

    _put(coordinator.Trader, "run", run_crooked)


def clock() -> None:
    """A wall clock that `FORWARD` puts an hour forward and `BACK` an hour back."""
    offset_us = 0

    def step(number: int, _: object) -> None:
        nonlocal offset_us
        offset_us += HOUR_US if number == FORWARD else -HOUR_US

    signal.signal(FORWARD, step)
    signal.signal(BACK, step)
    _put(run, "wall_us", lambda: wall_us() + offset_us)


def impatient() -> None:
    """A trader that takes a socket for dead after two seconds."""
    _put(doors, "LIMITS", dataclasses.replace(LIMITS, ping_s=SILENCE_S / 4, silence_s=SILENCE_S))


class _Tasks(trio.abc.Instrument):
    """How many tasks live."""

    def __init__(self) -> None:
        self.count = 0

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.count += 1

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self.count -= 1


class _Allocated(ctypes.Structure):
    """`struct mallinfo2` of glibc: what all of its arenas have given out, in bytes."""

    _fields_ = [(f"_{number}", ctypes.c_size_t) for number in range(4)] + [
        ("mapped", ctypes.c_size_t),
        *((f"_{number}", ctypes.c_size_t) for number in range(5, 7)),
        ("used", ctypes.c_size_t),
        *((f"_{number}", ctypes.c_size_t) for number in range(8, 10)),
    ]


def counted() -> None:
    """Nothing is out of order; `SAY` makes it write into a file what it holds: tasks, objects, bytes of the C heap.

    What is kept up to a bound is kept small, so that it is full in a minute and not in hours.
    """
    tasks, run_as_ever = _Tasks(), trio.run
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _Allocated
    _put(hub, "Past", partial(Past, bytes_max=256 << 10))
    _put(wire.COUNTS, "_capacity", 2_000)
    for module in (portfolio, reconciliation):
        _put(module, "FILLS_KEPT", KEPT)
    _put(account_connector, "SEEN_MAX", KEPT)
    _put(own_orders, "OVER_KEPT", KEPT)

    def write(*_: object) -> None:
        heap = mallinfo()
        held = {"tasks": tasks.count, "objects": sys.getallocatedblocks(), "heap_bytes": heap.used + heap.mapped}
        new = HELD_FILE.with_suffix(".new")
        new.write_text(json.dumps(held))
        new.replace(HELD_FILE)

    signal.signal(SAY, write)
    _put(trio, "run", partial(run_as_ever, instruments=[tasks]))


def leaking() -> None:
    """Counted, and a list that grows by `LEAKED_A_SECOND` short texts."""
    counted()
    kept: list[str] = []

    async def leak() -> None:
        while True:
            kept.extend(f"{number} of {len(kept)}" for number in range(LEAKED_A_SECOND // 10))
            await trio.sleep(0.1)

    _put(MetricsAggregator, "run", _instead(leak))


FAULTS = {
    fault.__name__: fault for fault in (shielded, blocking, crashing, bursting, clock, impatient, counted, leaking)
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.exit(cli.main(sys.argv[2:]))
