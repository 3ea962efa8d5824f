"""Loopback socket to best bid and ask, against everyone: the same bytes from one venue, the same books at the end.

Ours is the live connector with sequence check and raw journal on (`benchmarks.ours`). Whole Kalshi clients are used as
their documentation shows; general WebSocket libraries carry the bytes, and decode, sequence check and book are ours. Every
candidate is a process of its own; rounds are interleaved and ratios taken round by round. Deltas are timed, without the
snapshots before them.
Run: python -m benchmarks.feed [--quick] [--messages 100000] [--only NAME …]
"""

import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.credentials import make_certificate, make_key
from benchmarks.peers.environment import PEERS, Candidate, candidates
from benchmarks.peers.work import Job
from benchmarks.rounds import Report, in_turns, parse, parser, ratio, spread
from benchmarks.venue import venue

OURS: Final = "ours"
BARE: Final = "ours, no journal"
RAW: Final = "raw socket"
OUR_MODULES: Final = {OURS: ("benchmarks.ours",), BARE: ("benchmarks.ours", "--no-journal")}
NOT_HERE: Final = ("nautilus_trader",)  # it has no connection to the venue
MESSAGES: Final = 100_000
QUICK_MESSAGES: Final = 20_000

# What must hold in the first course: our messages a second as a multiple of theirs.
MUST: Final[Mapping[str, float]] = {
    "trio-websocket": 10.0,
    "kalshi-sdk": 10.0,
    "pykalshi": 18.0,
    "picows on uvloop": 1.0,
}
GROWTH_MOST: Final = 1.2


class Course(NamedTuple):
    """One setting in which all candidates run."""

    name: str
    markets: int
    is_tls: bool


COURSES: Final = (
    Course("50 markets", 50, False),
    Course("1,000 markets", 1_000, False),
    Course("50 markets, TLS", 50, True),
)


class Files(NamedTuple):
    """What a job refers to."""

    certificate: Path
    key: Path


def run_course(report: Report, course: Course, running: Mapping[str, Candidate], files: Files, messages: int) -> None:
    """All candidates in turns, and their figures."""
    certificate = files.certificate if course.is_tls else None
    count = messages + 1 + course.markets
    with venue(count, markets=course.markets, certificate=certificate) as port:
        url = f"{'wss' if course.is_tls else 'ws'}://127.0.0.1:{port}/trade-api/ws/v2"
        job = Job(url, course.markets, count, str(certificate) if certificate else None, str(files.key), None)
        answers = in_turns({name: partial(each.do, job) for name, each in running.items()}, rounds=report.result.rounds)
    agree(answers)
    took = {name: [answer["wall_us"] for answer in each] for name, each in answers.items()}
    for name, each in took.items():
        loop_us = statistics.median(answer["loop_us"] for answer in answers[name])
        report.figure(f"{course.name}: {name}", spread(each), "us a message", note=f"{loop_us:.2f} us of its thread")
    for name, each in took.items():
        if name not in (OURS, BARE, RAW):
            must = MUST.get(name) if course is COURSES[0] else None
            report.figure(f"{course.name}: ours to {name}", ratio(each, took[OURS]), "times", at_least=must)


def agree(answers: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """All books are the same, or nothing that was measured counts."""
    books = {name: {answer["books"] for answer in each} for name, each in answers.items() if name != RAW}
    assert len(set().union(*books.values())) <= 1, f"the candidates disagree about the books: {books}"


def measure_growth(report: Report, ours: Candidate, files: Files, messages: int) -> None:
    """Ours alone: four times the messages, a hundred times the markets; the cost of one message must stay."""

    def once(markets: int, deltas: int) -> float:
        count = deltas + 1 + markets
        with venue(count, markets=markets) as port:
            url = f"ws://127.0.0.1:{port}/trade-api/ws/v2"
            return float(ours.do(Job(url, markets, count, None, str(files.key), None))["wall_us"])

    took = in_turns(
        {
            "base": partial(once, 50, messages),
            "messages": partial(once, 50, 4 * messages),
            "markets": partial(once, 5_000, messages),
        },
        rounds=report.result.rounds,
        warm_ups=0,
    )
    report.figure(
        "cost of a message, 4 times the messages", ratio(took["messages"], took["base"]), "times", at_most=GROWTH_MOST
    )
    report.figure(
        "cost of a message, 5,000 markets to 50", ratio(took["markets"], took["base"]), "times", at_most=GROWTH_MOST
    )


def say_who(report: Report, running: Iterable[Candidate], absent: Mapping[str, str]) -> None:
    """Versions, and who is missing."""
    for candidate in running:
        for package, version in candidate.versions.items():
            if package != "Python":
                report.version(package, version)
        if candidate.versions["Python"] != report.result.versions["Python"]:
            report.version(f"Python of {candidate.name}", candidate.versions["Python"])
    for name, why in absent.items():
        report.absent(name, why)


def main() -> int:
    made = parser(__doc__, rounds=5)
    made.add_argument("--messages", type=int, default=0, help=f"deltas a round; default {MESSAGES}")
    made.add_argument("--only", nargs="*", metavar="NAME", help=f"peers, of: {', '.join(PEERS)}")
    args = parse(made)
    messages = args.messages or (QUICK_MESSAGES if args.is_quick else MESSAGES)
    names = [name for name in PEERS if name not in NOT_HERE and (args.only is None or name in args.only)]
    report = Report("feed", args)
    with tempfile.TemporaryDirectory() as folder, candidates(names, OUR_MODULES) as (running, absent):
        files = Files(make_certificate(Path(folder)), make_key(Path(folder)))
        say_who(report, running.values(), absent)
        for course in COURSES:
            run_course(report, course, running, files, messages)
        measure_growth(report, running[OURS], files, messages)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
