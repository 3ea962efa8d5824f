"""Minutes of full load on real processes: memory that does not grow, and no file, thread or task more than at the start.

Full load is an exchange many times busier than usual on which the trader trades all the time, several consoles of which
one reads nothing, and a visitor that asks for everything. What is kept up to a bound fills first: the first third is not
judged, and what would take longer (the console's past, 16 MB in a hundred minutes; the counts already read, 6 MB; fills and
orders that are over, half an hour and longer) has small bounds here.
"""

import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import msgspec
import pytest
import trio
import trio_websocket

from tests.attack.crooked_trader import HELD_FILE, LEAKED_A_SECOND, SAY
from tests.attack.footprint import OWN_FILES, Footprint, footprint
from tests.attack.raw import open_socket
from tests.attack.test_processes import Crooked, crooked
from tests.integration.desk import account_of, resting, said, trading_at, until_both_agree, until_filled
from tests.running import RunningTrader, eventually, running_exchange

__all__ = ["crooked"]  # a fixture

MINUTES = float(os.environ.get("V3_SOAK_MINUTES", "20"))
LEAK_MINUTES = min(MINUTES, 6.0)
SAMPLE_S = 2.0
NO_SLOPE = 0.01  # of what there is, an hour: pages come in steps, and one small step is no slope
BATCHES = 12
T_95 = 2.228  # Student's t, two-sided, for BATCHES - 2 degrees of freedom
CONSOLES = 5


@dataclass(frozen=True)
class Slope:
    """A straight line's rise with its 95 % interval, in the samples' units per hour, and its mean."""

    per_hour: float
    half_width: float
    level: float

    @property
    def is_rising(self) -> bool:
        return self.per_hour - self.half_width > NO_SLOPE * self.level


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
    return Slope(rise, T_95 * math.sqrt(rest / (BATCHES - 2) / spread), mid_y)


def test_a_line_that_rises_is_told_from_one_that_only_wavers() -> None:
    wavering = [(float(at), 80_000.0 + 500 * math.sin(at / 7) + 300 * math.sin(at / 31)) for at in range(0, 1200, 2)]
    rising = [(at, value + 5_000 * at / 3600) for at, value in wavering]

    assert not slope_of(wavering).is_rising
    assert slope_of(rising).is_rising
    assert abs(slope_of(rising).per_hour - 5_000) < 1_500


@dataclass(frozen=True)
class Held:
    """What the trader says that it holds: tasks, Python objects, and bytes of the C heap. These fall again; RSS hardly does."""

    tasks: int
    objects: int
    heap_bytes: int


async def held(trader: RunningTrader, cwd: Path) -> Held:
    """What it holds now."""
    file = trio.Path(cwd / HELD_FILE)
    await file.unlink(missing_ok=True)
    trader.child.process.send_signal(SAY)
    await eventually(file.exists, "what it holds")
    return msgspec.json.decode(await file.read_bytes(), type=Held)


@dataclass(frozen=True)
class Sample:
    """One look at it, `at_s` after the load began."""

    at_s: float
    footprint: Footprint
    held: Held


@asynccontextmanager
async def loaded(trader: RunningTrader) -> AsyncIterator[None]:
    """Consoles that read, one that does not, and visitors."""
    leaving = trio.Event()
    async with await open_socket(trader.port, buffer_bytes=4096), trio.open_nursery() as readers:
        for number in range(CONSOLES):
            readers.start_soon(_read_on, trader, f"?batch_ms={50 * number}")
        readers.start_soon(_ask_on, trader)
        async with trio.open_nursery() as visitors:
            visitors.start_soon(_come_and_go, trader, leaving)
            try:
                yield
            finally:
                leaving.set()  # nobody is torn out of a handshake
        readers.cancel_scope.cancel()


async def watch(trader: RunningTrader, cwd: Path, minutes: float) -> list[Sample]:
    """Look at it every `SAMPLE_S` for so long; without the first third, in which everything with a bound fills."""
    samples: list[Sample] = []
    began = trio.current_time()
    while (at_s := trio.current_time() - began) < 60 * minutes:
        samples.append(Sample(at_s, footprint(trader.child.process.pid), await held(trader, cwd)))
        await trio.sleep(SAMPLE_S)
    return [sample for sample in samples if sample.at_s > 20 * minutes]


def slopes_of(samples: list[Sample]) -> dict[str, Slope]:
    """How each of what must not grow grew."""
    values: dict[str, list[float]] = {
        "RSS, kB": [sample.footprint.rss_kb for sample in samples],
        "C heap, kB": [sample.held.heap_bytes / 1024 for sample in samples],
        "objects": [sample.held.objects for sample in samples],
        "files": [sample.footprint.files for sample in samples],
    }
    return {
        name: slope_of([(at.at_s, value) for at, value in zip(samples, row, strict=True)])
        for name, row in values.items()
    }


@asynccontextmanager
async def trader_of_many(cwd: Path, variables: dict[str, str]) -> AsyncIterator[RunningTrader]:
    """A trader of 40 markets at an exchange that is 20 times as busy as usual."""
    async with (
        running_exchange(cwd, "--activity", "20", "--markets-count", "40") as exchange,
        account_of(exchange) as account,
        trading_at(exchange, cwd, "--markets", "auto:40", **variables) as trader,
    ):
        await trader.until_ready()
        await until_filled(trader)
        yield trader
        await said(cwd, "halt", "sim")
        await until_both_agree(trader, account, within_s=60.0)
        assert await trader.child.end() == 0
        assert resting(await account.snapshot(0)) == {}


@pytest.mark.process
@pytest.mark.soak
async def test_minutes_of_full_load_leave_no_trace(tmp_path: Path, crooked: Crooked) -> None:
    async with trader_of_many(tmp_path, crooked("counted")) as trader:
        before = await trader.until_ready()
        pid = trader.child.process.pid
        quiet, tasks = footprint(pid), (await held(trader, tmp_path)).tasks
        async with loaded(trader):
            samples = await watch(trader, tmp_path, MINUTES)
        after = await trader.until_ready()

        async def is_empty() -> bool:
            return (await held(trader, tmp_path)).tasks <= tasks

        await eventually(is_empty, "no task is left over", 30.0)
        end = footprint(pid)

    slopes = slopes_of(samples)
    rate = (after["metrics"]["deltas_received"] - before["metrics"]["deltas_received"]) / (60 * MINUTES)
    traded = sum(bool(float(line["position"])) for line in after["trading"]["positions"])
    print(f"\n{MINUTES:g} min, {rate:.0f} deltas/s, positions in {traded} markets, {quiet}, {end}")
    for name, slope in slopes.items():
        print(f"  {name}: {slope.level:.0f}, {slope.per_hour:+.0f} ± {slope.half_width:.0f} an hour")
    assert [name for name, slope in slopes.items() if slope.is_rising] == [], slopes
    assert end.files <= quiet.files + OWN_FILES
    assert end.threads <= quiet.threads
    assert {name for name, node in after["components"].items() if node["restarts"]} == set()
    assert rate > 100


@pytest.mark.process
@pytest.mark.soak
async def test_a_leak_is_seen_within_minutes(tmp_path: Path, crooked: Crooked) -> None:
    """The judge itself: an object kept for every thirtieth message or so, 6 kB a second."""
    async with trader_of_many(tmp_path, crooked("leaking")) as trader, loaded(trader):
        objects = slopes_of(await watch(trader, tmp_path, LEAK_MINUTES))["objects"]

    leaked = 3600 * LEAKED_A_SECOND
    print(
        f"\n{LEAK_MINUTES:g} min: {objects.per_hour:+.0f} ± {objects.half_width:.0f} objects an hour, of which {leaked} leaked"
    )
    assert objects.is_rising
    assert abs(objects.per_hour - leaked) < leaked / 2


async def _read_on(trader: RunningTrader, query: str) -> None:
    async with trader.console(query) as browser:
        while True:
            await browser.receive()


async def _ask_on(trader: RunningTrader) -> None:
    while True:
        for path in ("/v3/status", "/v3/markets", "/v3/metrics", "/v3/events?after=0", "/v3-trader"):
            await trader.http.get(trader.url + path)
        await trio.sleep(1.0)


async def _come_and_go(trader: RunningTrader, leaving: trio.Event) -> None:
    while not leaving.is_set():
        try:
            async with trader.console() as browser:
                for _ in range(20):
                    await browser.receive()
        except trio_websocket.ConnectionClosed:
            pass
        await trio.sleep(0.5)
