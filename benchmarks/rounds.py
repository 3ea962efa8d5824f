"""Rounds in turns, medians, ratios, and the result that a benchmark hands to the runner. Every benchmark uses it.

    args = arguments(__doc__)                                   # --quick, --rounds, --json
    took = in_turns({"ours": ours, "theirs": theirs}, rounds=args.rounds)   # a warm-up, then rounds; callables give numbers
    report = Report("feed", args)
    report.figure("ours", spread(took["ours"]), "us a message")
    report.figure("plain trio-websocket to ours", ratio(took["theirs"], took["ours"]), "times", at_least=10.0)
    report.version("trio-websocket", "0.12.2")
    report.absent("picows", "no wheel for this machine")
    sys.exit(report.finish())

Ratios are taken round by round and the median of them is the figure: what else the machine did in a round hits both sides.
Never: a mean where a median is meant; a figure without its unit.
"""

import argparse
import math
import platform
import random
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

ROUNDS: Final = 7
QUICK_ROUNDS: Final = 2
EXIT_MISSED: Final = 1

T = TypeVar("T")


class Spread(msgspec.Struct, frozen=True):
    """The median of the rounds, and the least and most of them."""

    median: float
    low: float
    high: float


class Figure(msgspec.Struct, frozen=True):
    """One line of the table. With `at_least` or `at_most` it is a promise."""

    name: str
    value: Spread
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the median keeps the promise; true without one."""
        above = self.at_least is None or self.value.median >= self.at_least
        return above and (self.at_most is None or self.value.median <= self.at_most)

    @property
    def goal(self) -> str:
        """The promise as a table shows it."""
        words = [f"≥ {self.at_least:g}"] if self.at_least is not None else []
        return " ".join(words + ([f"≤ {self.at_most:g}"] if self.at_most is not None else []))


class Result(msgspec.Struct):
    """What one run of one benchmark found; the runner reads it as JSON. `absent` maps a peer to why it is not there."""

    benchmark: str
    is_quick: bool
    figures: list[Figure] = msgspec.field(default_factory=list)
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    absent: dict[str, str] = msgspec.field(default_factory=dict)
    rounds: int = 0


class Arguments(argparse.Namespace):
    """What every benchmark can be told."""

    is_quick: bool
    rounds: int
    json: Path | None


def parser(doc: str | None, *, rounds: int = ROUNDS, quick_rounds: int = QUICK_ROUNDS) -> argparse.ArgumentParser:
    """The common arguments; add your own, then `parse` it."""
    made = argparse.ArgumentParser(description=(doc or "").split("\n", maxsplit=1)[0])
    made.add_argument("--quick", action="store_true", dest="is_quick", help="few and short rounds: an indication only")
    made.add_argument("--rounds", type=int, default=0, help=f"default {rounds}; {quick_rounds} with --quick")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    made.set_defaults(_rounds=(rounds, quick_rounds))
    return made


def parse(made: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> Arguments:
    """The arguments as given, with the number of rounds settled."""
    args = made.parse_args(argv, namespace=Arguments())
    args.rounds = args.rounds or args._rounds[args.is_quick]
    return args


def arguments(doc: str | None, *, rounds: int = ROUNDS, quick_rounds: int = QUICK_ROUNDS) -> Arguments:
    """The common arguments alone."""
    return parse(parser(doc, rounds=rounds, quick_rounds=quick_rounds))


def in_turns(candidates: Mapping[str, Callable[[], T]], *, rounds: int, warm_ups: int = 1) -> dict[str, list[T]]:
    """Run every candidate once a round, in an order drawn anew; what each gave, by name. Warm-ups are not counted."""
    found: dict[str, list[T]] = {name: [] for name in candidates}
    rng = random.Random(1)
    for number in range(-warm_ups, rounds):
        for name in rng.sample(list(candidates), len(candidates)):
            gave = candidates[name]()
            if number >= 0:
                found[name].append(gave)
    return found


def spread(values: Sequence[float]) -> Spread:
    """Median, least and most of the rounds."""
    return Spread(statistics.median(values), min(values), max(values))


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """`over` by `under`, round by round."""
    return spread([a / b for a, b in zip(over, under, strict=True)])


def one(value: float) -> Spread:
    """A figure that was taken once."""
    return Spread(value, value, value)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0.99) of all are not above, by nearest rank."""
    ascending = sorted(values)
    return ascending[max(0, math.ceil(len(ascending) * share) - 1)]


class Report:
    """Collects the figures of one benchmark, prints each as it comes, and writes them where the runner wants them."""

    def __init__(self, benchmark: str, args: Arguments) -> None:
        self.result = Result(benchmark, args.is_quick, rounds=args.rounds)
        self._json = args.json
        self.version("Python", platform.python_version())

    def figure(
        self,
        name: str,
        value: Spread,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        note: str = "",
    ) -> Figure:
        """Add a line. With a bound it is a promise, and `finish` says whether all were kept."""
        figure = Figure(name, value, unit, at_least, at_most, note)
        self.result.figures.append(figure)
        print(said(figure), flush=True)
        return figure

    def version(self, name: str, version: str) -> None:
        """What took part."""
        self.result.versions[name] = version

    def absent(self, name: str, why: str) -> None:
        """What should have taken part and could not."""
        self.result.absent[name] = why
        print(f"{name}: absent: {why}", flush=True)

    def finish(self) -> int:
        """Write the result; the exit code: 0, or `EXIT_MISSED` if a promise was not kept (never so of a quick run)."""
        if self._json is not None:
            self._json.write_bytes(msgspec.json.format(msgspec.json.encode(self.result)))
        missed = [figure.name for figure in self.result.figures if not figure.is_met]
        if missed and not self.result.is_quick:
            print(f"missed: {', '.join(missed)}", file=sys.stderr)
            return EXIT_MISSED
        return 0


def said(figure: Figure) -> str:
    """The line that a person reads."""
    value = figure.value
    rounds = "" if value.low == value.high else f" (rounds {number(value.low)} to {number(value.high)})"
    goal = f"; goal {figure.goal}{'' if figure.is_met else ', MISSED'}" if figure.goal else ""
    return (
        f"{figure.name}: {number(value.median)} {figure.unit}{rounds}{goal}{'; ' if figure.note else ''}{figure.note}"
    )


def number(value: float) -> str:
    """A figure with the digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 20 else f"{value:.2f}"
