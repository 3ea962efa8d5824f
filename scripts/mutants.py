#!/usr/bin/env python3
"""Judges the simulator and the tests: applies each deliberate fault of mutants/mutants.toml to a copy of the tree.

    scripts/mutants.py                        all of them, 60 seeds each before its tests
    scripts/mutants.py --only "gap" --seeds 5 --list

First the simulation lives through seeds until one fails; only if none does, the mutant's own tests run. A survivor is a
missing invariant. A time limit of ours is a killer of its own and said as such, since a busy machine may be one too.
Exit code 1 if any survived, or if any look was ended from outside, which judges nothing.
Never: an edit of the work tree.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "mutants" / "mutants.toml"
COPIED = ("traderv3", "tests", "scripts", "pyproject.toml")
PROCESSES = int(os.environ.get("V3_SIM_PROCESSES", "2"))
LIMIT_S = 240
SEEDS_AT_A_TIME = 20
SIMULATION, TESTS, CLOCK, NOBODY = "the simulation", "its tests", "the time limit", "nobody"  # who killed it
FAILED = 1  # the exit code of those that found something; pytest's others are about pytest
BROKEN_POOL = "BrokenProcessPool"  # a process of soak.py's was ended


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
        who = {None: "SURVIVED", NOBODY: "NOT JUDGED"}.get(self.killer, f"killed by {self.killer}")
        return f"{who:<24} {self.mutant.name} ({self.took_s:.0f} s): {self.said}"


class Interrupted(Exception):
    """A look that was ended from outside."""


@dataclass(frozen=True)
class Look:
    """What came of one command: its exit code, None if it took longer than `LIMIT_S`, and what it said."""

    code: int | None
    said: str

    def first_line(self, *starts: str) -> str:
        return next((line for line in self.said.splitlines() if line.startswith(starts)), self.said[-200:])


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
        try:
            killer, said = look(copy, mutant, seeds)
        except Interrupted as interrupted:
            killer, said = NOBODY, str(interrupted)
    return Verdict(mutant, killer, said[:200], time.monotonic() - started)


def look(copy: Path, mutant: Mutant, seeds: int) -> tuple[str | None, str]:
    """Who notices, and what is said. Raises `Interrupted`."""
    was_slow = False
    for first in range(1, seeds + 1, SEEDS_AT_A_TIME):
        count = min(SEEDS_AT_A_TIME, seeds + 1 - first)
        soak = run(
            copy, "scripts/soak.py", "--first", str(first), "--count", str(count), "--first-failure", "--keep", "kept"
        )
        if soak.code == FAILED:
            return SIMULATION, soak.first_line("seed")
        if soak.code is None:
            was_slow = True
            break
    tests = run(copy, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests)
    if tests.code == FAILED:
        return TESTS, tests.first_line("FAILED", "ERROR")
    if was_slow or tests.code is None:
        return CLOCK, f"longer than {LIMIT_S} s in {'the simulation' if was_slow else 'its tests'}"
    return None, mutant.why


def run(copy: Path, *arguments: str) -> Look:
    """A Python command in the copy; what takes too long is ended with its children. Raises `Interrupted`."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "V3_SIM_PROCESSES": "1"}
    with (copy / "said").open("w+b") as file:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=copy,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code: int | None = None
        try:
            code = process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        file.seek(0)
        said = file.read().decode(errors="replace")
    if BROKEN_POOL in said or code not in (None, 0, FAILED):
        msg = f"{arguments[0]} {arguments[1]} ended with code {code}: {said[-120:]}".replace("\n", " ")
        raise Interrupted(msg)
    return Look(code, said)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    add = parser.add_argument
    add("--only", default="", metavar="PATTERN", help="those whose name has this")
    add("--seeds", type=int, default=60, metavar="N", help="how many seeds each (60)")
    add("--list", action="store_true", help="say which there are, and end")
    args = parser.parse_args()
    mutants = [mutant for mutant in read_mutants() if re.search(args.only, mutant.name)]
    if args.list:
        print(*(f"{mutant.name} ({mutant.file}): {mutant.why}" for mutant in mutants), sep="\n")
        return 0
    with ThreadPoolExecutor(PROCESSES) as pool:
        verdicts = []
        for verdict in pool.map(partial(judged, seeds=args.seeds), mutants):
            print(verdict, flush=True)
            verdicts.append(verdict)
    count = Counter(verdict.killer for verdict in verdicts)
    print(
        f"{len(verdicts)} mutants: {count[SIMULATION]} killed by the simulation, {count[TESTS]} by tests alone, "
        f"{count[CLOCK]} by the time limit; {count[None]} survived, {count[NOBODY]} not judged"
    )
    return 1 if count[None] or count[NOBODY] else 0


if __name__ == "__main__":
    sys.exit(main())
