"""Resident memory of the trader with 0, 100, 1,000 and 10,000 markets of 30 levels a side.

Each trader is a process as `traderv3 run` starts it, with journal, database, console and trading on and 1,000 messages a
second; the exchange plays a made day to it from another process. Sizes are as in the recorded sessions: mostly whole
contracts, one in eleven with a fraction. A figure is the kernel's (`/proc/PID/statm`) once the trader has been live for
`SETTLED_S`.
The slope is of an hour of virtual time in the simulator's world without faults: trader, exchange and witnesses in one process,
journal and database on a real disk. At full load in real time `tests/attack/test_soak.py` looks at it, for 20 minutes.
Run: python -m benchmarks.memory [--quick]
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import trio
import zstandard

from benchmarks.rounds import Report, arguments, one, spread
from tests.running import COMMAND, clean_environment, running_exchange, running_trader

SIZES: Final = (0, 100, 1_000, 10_000)
QUICK_SIZES: Final = (0, 100, 1_000)
RATE: Final = 1_000  # messages a second, over all markets
SETTLED_S, QUICK_SETTLED_S = 30.0, 10.0
ROUNDS, QUICK_ROUNDS = 2, 1
READY_S: Final = 60.0
PRICES: Final = range(20, 50)  # cents, YES and NO below half a dollar: no book ever crosses
FRACTIONAL: Final = 0.09
STARTED_US: Final = 1_790_000_000_000_000
UNDISTURBED: Final = 25  # a seed whose world strikes nobody
NOBODY: Final = "KXNOTHING-26NOV22-X"


def ticker(number: int) -> str:
    """A name as long as real ones."""
    return f"KXMEMORY-26NOV22-T{number:05d}"


def size(rng: random.Random) -> int:
    """What a level holds, in hundredths of a contract."""
    contracts = min(max(1.0, rng.lognormvariate(5.5, 1.8)), 50_000.0)
    return int(contracts * 100) if rng.random() < FRACTIONAL else int(contracts) * 100


def printed(hundredths: int) -> str:
    """As the venue prints a count."""
    sign = "-" if hundredths < 0 else ""
    return f"{sign}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"


def write_day(path: Path, markets: int, seconds: float) -> None:
    """A recording: a snapshot of each market, then deltas that add, or take back what one has added."""
    rng = random.Random(1)
    names = [ticker(number) for number in range(markets)]
    header = {"recording": 1, "environment": "sim", "markets": names, "started_us": STARTED_US}
    with zstandard.open(path, "wb") as file:
        file.write(msgspec.json.encode(header) + b"\n")
        for number, name in enumerate(names):
            sides = [[[f"0.{cents}00", printed(size(rng))] for cents in PRICES] for _ in range(2)]
            book = {"market_ticker": name, "yes_dollars_fp": sides[0], "no_dollars_fp": sides[1]}
            _write(file, STARTED_US, "orderbook_snapshot", number + 1, book)
        added: dict[tuple[str, int, str], int] = {}
        for number in range(int(RATE * seconds)):
            at_us = STARTED_US + number * 1_000_000 // RATE
            level = (rng.choice(names), rng.choice(PRICES), rng.choice(("yes", "no")))
            change = -added.pop(level) if level in added else size(rng)
            if change > 0:
                added[level] = change
            body = {
                "market_ticker": level[0],
                "price_dollars": f"0.{level[1]}00",
                "delta_fp": printed(change),
                "side": level[2],
                "ts_ms": at_us // 1000,
            }
            _write(file, at_us, "orderbook_delta", len(names) + number + 1, body)


def _write(file: BinaryIO, at_us: int, kind: str, seq: int, body: Mapping[str, object]) -> None:
    frame = {"type": kind, "sid": 1, "seq": seq, "msg": body}
    file.write(msgspec.json.encode({"at_us": at_us, "conn": 1, "dir": "in", "frame": frame}) + b"\n")


def rss_mib(process_id: int) -> float:
    """Resident memory, in MiB."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def measure(folder: Path, markets: int, settled_s: float) -> float:
    """Resident memory of a trader with so many markets, in MiB, once all are live and have been so for a while."""
    day = folder / f"day-{markets}.jsonl.zst"
    if not day.exists():
        write_day(day, max(markets, 1), settled_s + READY_S)
    wanted = f"auto:{markets}" if markets else NOBODY
    variables = {"V3_DATA_DIR": str(folder / f"data-{markets}"), "V3_ENABLE_TRADING": "true"}
    async with (
        running_exchange(folder, "--recording", str(day), "--data-dir", variables["V3_DATA_DIR"]) as exchange,
        running_trader(folder, "--markets", wanted, **exchange.variables, **variables) as trader,
    ):
        with trio.fail_after(READY_S):
            while markets and "→ ready".encode() not in trader.child.err:  # noqa: ASYNC110 - a child sets no event
                await trio.sleep(0.1)
        await trio.sleep(settled_s)
        assert b"gap" not in trader.child.err or not markets, "the trader could not follow"
        return rss_mib(trader.child.process.pid)


def slope() -> tuple[float, float]:
    """MiB an hour of virtual time, by the second half of one; and MiB at its end."""
    command = [*COMMAND, "simulate", "--seed", str(UNDISTURBED), "--minutes", "60", "--quiet"]
    samples: list[tuple[float, float]] = []
    began_s = time.monotonic()
    with subprocess.Popen(command, env=clean_environment(), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(1.0)
            mib = rss_mib(process.pid)
            if mib:  # 0 of one that has ended and was not waited for
                samples.append((time.monotonic() - began_s, mib))
    assert process.returncode == 0, "the simulated hour did not end well"
    took_s = samples[-1][0]
    hours, mibs = zip(*((at_s / took_s, mib) for at_s, mib in samples if at_s > took_s / 2), strict=True)
    return statistics.linear_regression(hours, mibs).slope, mibs[-1]


def main() -> int:
    args = arguments(__doc__, rounds=ROUNDS, quick_rounds=QUICK_ROUNDS)
    report = Report("memory", args)
    numbers = QUICK_SIZES if args.is_quick else SIZES
    settled_s = QUICK_SETTLED_S if args.is_quick else SETTLED_S
    found: dict[int, list[float]] = {markets: [] for markets in numbers}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(args.rounds):
            for markets, rounds in found.items():
                rounds.append(trio.run(measure, Path(name), markets, settled_s))
    for markets, rounds in found.items():
        report.figure(
            f"resident, {markets:,} markets", spread(rounds), "MiB", at_most=100.0 if markets == 100 else None
        )
    for markets in numbers[1:]:
        more = [full - empty for full, empty in zip(found[markets], found[0], strict=True)]
        bound = 80.0 if markets == 10_000 else None
        each = f"{statistics.median(more) * 1024 / markets:.1f} KiB a market"
        report.figure(f"{markets:,} markets over none", spread(more), "MiB", at_most=bound, note=each)
    if not args.is_quick:
        grows, last = slope()
        report.figure("slope of an hour of virtual time", one(grows), "MiB an hour", note=f"{last:.0f} MiB at its end")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
