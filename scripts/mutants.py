#!/usr/bin/env python3
"""Judges the simulator and the tests: applies each deliberate fault of mutants/mutants.toml to a copy of the tree.

    scripts/mutants.py                        all of them, 60 seeds each before its tests
    scripts/mutants.py --only "gap" --seeds 5 --list

First the simulation lives through seeds until one fails; only if none does, the mutant's own tests run. A survivor is a
missing invariant. Exit code 1 if any survived. Never: an edit of the work tree.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "mutants" / "mutants.toml"
COPIED = ("traderv3", "tests", "scripts", "pyproject.toml")
LIMIT_S = 240
SEEDS_AT_A_TIME = 20


@dataclass(frozen=True)
class Mutant:
    """One deliberate fault. `old` stands exactly once in `file`."""

    name: str
    file: str
    old: str
    new: str
    why: str
    tests: Sequence[str]

    def applied_to(self, text: str) -> str:
        """The faulty text. Raises `ValueError` unless `old` stands in it exactly once."""
        if text.count(self.old) != 1 or self.old == self.new:
            msg = f"{self.name}: its old text stands {text.count(self.old)} times in {self.file}"
            raise ValueError(msg)
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Verdict:
    """Who killed it, or nobody."""

    mutant: Mutant
    killer: str | None
    said: str
    took_s: float

    def __str__(self) -> str:
        who = f"killed by {self.killer}" if self.killer else "SURVIVED"
        return f"{who:<24} {self.mutant.name} ({self.took_s:.0f} s): {self.said}"


def read_mutants() -> list[Mutant]:
    """The committed list."""
    return [Mutant(**fields) for fields in tomllib.loads(LIST.read_text(encoding="utf-8"))["mutant"]]


def judged(mutant: Mutant, seeds: int) -> Verdict:
    """Apply it to a copy, and let simulation and tests look."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="traderv3-mutant-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("static", "__pycache__"))
            else:
                shutil.copy(source, copy / name)
        file = copy / mutant.file
        file.write_text(mutant.applied_to(file.read_text(encoding="utf-8")), encoding="utf-8")
        killer, said = look(copy, mutant, seeds)
    return Verdict(mutant, killer, said[:200], time.monotonic() - started)


def look(copy: Path, mutant: Mutant, seeds: int) -> tuple[str | None, str]:
    """Who notices, and what is said."""
    for first in range(1, seeds + 1, SEEDS_AT_A_TIME):
        count = min(SEEDS_AT_A_TIME, seeds + 1 - first)
        code, said = run(
            copy, "scripts/soak.py", "--first", str(first), "--count", str(count), "--first-failure", "--keep", "kept"
        )
        if code:
            return "the simulation", next((line for line in said.splitlines() if line.startswith("seed")), said[-200:])
    code, said = run(copy, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests)
    if code:
        return "its tests", next(
            (line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))), said[-200:]
        )
    return None, mutant.why


def run(copy: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a Python command in the copy; what takes too long is a failure, and is ended with its children."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "V3_SIM_PROCESSES": "1"}
    with (copy / "said").open("w+b") as said:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=copy,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return 1, f"seed unknown: took longer than {LIMIT_S} s"
        said.seek(0)
        return code, said.read().decode(errors="replace")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    add = parser.add_argument
    add("--only", default="", metavar="TEXT", help="those whose name holds this")
    add("--seeds", type=int, default=60, metavar="N", help="how many seeds each (60)")
    add("--list", action="store_true", help="say which there are, and end")
    args = parser.parse_args()
    mutants = [mutant for mutant in read_mutants() if args.only in mutant.name]
    if args.list:
        print(*(f"{mutant.name} ({mutant.file}): {mutant.why}" for mutant in mutants), sep="\n")
        return 0
    with ThreadPoolExecutor(2) as pool:
        verdicts = []
        for verdict in pool.map(partial(judged, seeds=args.seeds), mutants):
            print(verdict, flush=True)
            verdicts.append(verdict)
    survivors = [verdict for verdict in verdicts if verdict.killer is None]
    by_simulation = sum(verdict.killer == "the simulation" for verdict in verdicts)
    print(
        f"{len(verdicts)} mutants: {by_simulation} killed by the simulation, "
        f"{len(verdicts) - by_simulation - len(survivors)} by tests alone, {len(survivors)} survived"
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
