#!/usr/bin/env python3
"""Simulates seed after seed in two processes until told to stop (Ctrl-C, --count, --minutes); keeps those that fail.

    scripts/soak.py --count 2000
    scripts/soak.py --minutes 30 --first 100000
    scripts/soak.py --strategy spread_maker       every world trades, by the shipped strategy
    scripts/soak.py --seeds data/simulation-failures.txt

The last line says how many seeds ran, how many virtual hours that was, and how many failed; the one before counts what risk
refused, by rule. A failing seed is printed with its first broken invariant and the command that tells its story, and added
to `--keep`. Exit code 1 if any failed.
"""

import argparse
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

PROCESSES = int(os.environ.get("V3_SIM_PROCESSES", "2"))
SAID_EVERY_S = 30.0


@dataclass
class Tally:
    """The account so far."""

    seeds: int = 0
    failed: int = 0
    virtual_s: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)  # by risk, by rule

    def __str__(self) -> str:
        return f"{self.seeds} seeds, {self.virtual_s / 3600:.2f} virtual hours, {self.failed} failed"


Result = tuple[str | None, float, dict[str, int]]


def simulated(seed: int, minutes: float | None, strategy: str | None) -> Result:
    """One seed: what is broken, or None, the virtual seconds, and what risk refused."""
    from traderv3.simulation.plan import FAULTS_S, draw_plan
    from traderv3.simulation.venture import draw_venture
    from traderv3.simulation.world import simulate

    venture = None if strategy is None else draw_venture(seed, strategy)
    outcome = simulate(draw_plan(seed, quiet_s=FAULTS_S if minutes is None else minutes * 60, venture=venture))
    return outcome.broken, outcome.virtual_s, outcome.facts.get("refused", {})


def wanted_seeds(args: argparse.Namespace) -> Iterator[int]:
    if args.seeds is not None:
        return iter(
            sorted({int(line.split()[0]) for line in Path(args.seeds).read_text().splitlines() if line.strip()})
        )
    seeds = itertools.count(args.first)
    return seeds if args.count is None else itertools.islice(seeds, args.count)


def note(done: Future[Result], seed: int, tally: Tally, args: argparse.Namespace) -> None:
    """Count one result; keep it if it failed. A run that raised is one that failed."""
    error = done.exception()
    broken, virtual_s, refused = done.result() if error is None else (f"the run itself raised {error!r}", 0.0, {})
    tally.refused.update(refused)
    tally.seeds += 1
    tally.virtual_s += virtual_s
    if broken is None:
        return
    tally.failed += 1
    strategy = "" if args.strategy is None else f" --strategy {args.strategy}"
    print(f"seed {seed}: {broken}\n    traderv3 simulate --seed {seed}{strategy}", flush=True)
    keep = Path(args.keep)
    keep.parent.mkdir(parents=True, exist_ok=True)
    with keep.open("a", encoding="utf-8") as file:
        file.write(f"{seed} {broken[:300]}\n".replace("\n", " ").rstrip() + "\n")


def soak(args: argparse.Namespace, tally: Tally) -> None:
    """Have `PROCESSES` seeds under way until there are no more, or time is up."""
    ends_at = time.monotonic() + args.minutes * 60 if args.minutes is not None else float("inf")
    said_at = time.monotonic()
    seeds = wanted_seeds(args)
    pending: dict[Future[Result], int] = {}
    with ProcessPoolExecutor(PROCESSES, max_tasks_per_child=200) as pool:
        while True:
            while (
                len(pending) < 2 * PROCESSES and time.monotonic() < ends_at and (seed := next(seeds, None)) is not None
            ):
                pending[pool.submit(simulated, seed, args.virtual_minutes, args.strategy)] = seed
            if not pending:
                return
            for done in wait(pending, return_when=FIRST_COMPLETED).done:
                note(done, pending.pop(done), tally, args)
            if args.first_failure and tally.failed:
                return
            if time.monotonic() - said_at >= SAID_EVERY_S:
                said_at = time.monotonic()
                print(f"... {tally}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    add = parser.add_argument
    add("--first", type=int, default=1, metavar="N", help="the first seed (1)")
    add("--count", type=int, metavar="N", help="how many")
    add("--minutes", type=float, metavar="M", help="stop after so long")
    add("--seeds", metavar="FILE", help="these instead: a number at the beginning of each line")
    add("--strategy", choices=("restless", "spread_maker"), help="every world trades, by this one")
    add("--virtual-minutes", type=float, metavar="M", help="how long faults go on in each (0.75)")
    add("--keep", default="data/simulation-failures.txt", metavar="FILE", help="where failing seeds are added")
    add("--first-failure", action="store_true", help="stop at the first that fails")
    args = parser.parse_args()
    tally = Tally()
    started = time.monotonic()
    try:
        soak(args, tally)
    except KeyboardInterrupt:
        print("told to stop", flush=True)
    if tally.refused:
        print("refused by risk: " + ", ".join(f"{rule} {count}" for rule, count in sorted(tally.refused.items())))
    print(f"{tally}, {time.monotonic() - started:.0f} s")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
