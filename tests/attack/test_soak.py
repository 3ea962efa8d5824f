"""Minutes of full load on real processes: memory that does not grow, and no file, thread or task more than at the start.

Full load is an exchange many times busier than usual, several consoles of which one reads nothing, and a visitor that asks
for everything. What is kept up to a bound (history, moments) fills first: the first third is not judged.
"""

import math
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import pytest
import trio
import trio_websocket

from tests.attack.crooked_trader import TASKS_FILE
from tests.attack.footprint import OWN_FILES, Footprint, footprint
from tests.attack.raw import open_socket
from tests.attack.test_processes import Crooked, crooked
from tests.running import RunningTrader, eventually, running_exchange, running_trader

__all__ = ["crooked"]  # a fixture

MINUTES = float(os.environ.get("V3_SOAK_MINUTES", "20"))
SAMPLE_S = 2.0
BATCHES = 12
T_95 = 2.228  # Student's t, two-sided, for BATCHES - 2 degrees of freedom
CONSOLES = 5


@dataclass(frozen=True)
class Slope:
    """A straight line's rise with its 95 % interval, in the samples' units per hour."""

    per_hour: float
    half_width: float

    @property
    def is_rising(self) -> bool:
        return self.per_hour - self.half_width > 0


def slope_of(samples: list[tuple[float, float]]) -> Slope:
    """Fit a line through the means of `BATCHES` equal stretches: neighbours in time are no independent measurements."""
    size = len(samples) // BATCHES
    assert size >= 1
    batches = [samples[index * size : (index + 1) * size] for index in range(BATCHES)]
    points = [(fmean(at for at, _ in batch) / 3600, fmean(value for _, value in batch)) for batch in batches]
    mid_x, mid_y = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - mid_x) ** 2 for x, _ in points)
    rise = sum((x - mid_x) * (y - mid_y) for x, y in points) / spread
    rest = sum((y - mid_y - rise * (x - mid_x)) ** 2 for x, y in points)
    return Slope(rise, T_95 * math.sqrt(rest / (BATCHES - 2) / spread))


def test_a_line_that_rises_is_told_from_one_that_only_wavers() -> None:
    wavering = [(float(at), 80_000.0 + 500 * math.sin(at / 7) + 300 * math.sin(at / 31)) for at in range(0, 1200, 2)]
    rising = [(at, value + 4_000 * at / 3600) for at, value in wavering]

    assert not slope_of(wavering).is_rising
    assert slope_of(rising).is_rising
    assert abs(slope_of(rising).per_hour - 4_000) < 1_500


async def tasks_of(trader: RunningTrader, cwd: Path) -> int:
    """How many tasks live in it."""
    file = trio.Path(cwd / TASKS_FILE)
    await file.unlink(missing_ok=True)
    trader.child.process.send_signal(signal.SIGUSR1)
    await eventually(file.exists, "the number of tasks")
    return int(await file.read_text())


@pytest.mark.process
@pytest.mark.soak
async def test_minutes_of_full_load_leave_no_trace(tmp_path: Path, crooked: Crooked) -> None:
    samples: list[tuple[float, Footprint]] = []
    async with running_exchange(tmp_path, "--activity", "20", "--markets-count", "40") as exchange:
        variables = crooked("counted") | exchange.variables
        async with running_trader(tmp_path, "--markets", "auto:40", **variables) as trader:
            before = await trader.until_ready()
            pid = trader.child.process.pid
            await trio.sleep(2.0)
            quiet, tasks = footprint(pid), await tasks_of(trader, tmp_path)
            async with trio.open_nursery() as nursery:
                for number in range(CONSOLES):
                    nursery.start_soon(_read_on, trader, f"?batch_ms={50 * number}")
                nursery.start_soon(_ask_on, trader)
                nursery.start_soon(_come_and_go, trader)
                stuck = await open_socket(trader.port, buffer_bytes=4096)
                began = trio.current_time()
                while (at := trio.current_time() - began) < 60 * MINUTES:
                    samples.append((at, footprint(pid)))
                    await trio.sleep(SAMPLE_S)
                nursery.cancel_scope.cancel()
            await stuck.aclose()
            after = await trader.until_ready()

            async def is_empty() -> bool:
                return await tasks_of(trader, tmp_path) <= tasks

            await eventually(is_empty, "no task is left over", 30.0)
            end = footprint(pid)
            assert await trader.child.end() == 0

    settled = [(at, sample) for at, sample in samples if at > 20 * MINUTES]
    memory = slope_of([(at, float(sample.rss_kb)) for at, sample in settled])
    rate = (after["metrics"]["deltas_received"] - before["metrics"]["deltas_received"]) / (60 * MINUTES)
    print(
        f"\n{MINUTES:g} min, {rate:.0f} deltas/s, RSS {memory.per_hour:.0f} ± {memory.half_width:.0f} kB/h, {quiet}, {end}"
    )
    assert not memory.is_rising, memory
    assert not slope_of([(at, float(sample.files)) for at, sample in settled]).is_rising
    assert end.files <= quiet.files + OWN_FILES
    assert end.threads <= quiet.threads
    assert {name for name, node in after["components"].items() if node["restarts"]} == set()
    assert rate > 100


async def _read_on(trader: RunningTrader, query: str) -> None:
    async with trader.console(query) as browser:
        while True:
            await browser.receive()


async def _ask_on(trader: RunningTrader) -> None:
    while True:
        for path in ("/v3/status", "/v3/markets", "/v3/metrics", "/v3/events?after=0", "/v3-trader"):
            await trader.http.get(trader.url + path)
        await trio.sleep(1.0)


async def _come_and_go(trader: RunningTrader) -> None:
    while True:
        try:
            async with trader.console() as browser:
                for _ in range(20):
                    await browser.receive()
        except trio_websocket.ConnectionClosed:
            pass
        await trio.sleep(0.5)
