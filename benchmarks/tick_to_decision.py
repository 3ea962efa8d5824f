"""From the venue's `send` to the reader's call with the book applied: how late a decision is made, at many rates.

The venue says each message at its own moment and notes when (CLOCK_MONOTONIC, before the system call); a candidate notes
when the message was in its book and its reader was called: for ours `Feed.wake`, which wakes the strategy's task, with the
journal on. What the kernel needs for both ends is in it for everyone: the raw reader's figure shows how much.
"One at a time" is 500 messages a second, so that each comes alone; "a burst" is ten times the rate in the first tenth of
each second.
Run: python -m benchmarks.tick_to_decision [--quick] [--only NAME …]
"""

import array
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.credentials import make_key
from benchmarks.feed import agree, say_who
from benchmarks.peers.environment import Candidate, candidates
from benchmarks.peers.work import Job
from benchmarks.rounds import Report, in_turns, parse, parser, percentile, ratio, spread
from benchmarks.venue import venue

MARKETS: Final = 50
OURS: Final = "ours"
PICOWS: Final = "picows on uvloop"
PLAIN: Final = "trio-websocket"
PEERS: Final = ("raw socket", PICOWS, PLAIN)
SHARES: Final = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
MUST: Final[Mapping[str, float]] = {PICOWS: 1.6, PLAIN: 0.6}


class Pace(NamedTuple):
    """How fast the venue speaks, and for how long."""

    name: str
    rate: int
    seconds: float
    bursts: bool = False


PACES: Final = (
    Pace("100/s", 100, 5.0),
    Pace("one at a time", 500, 4.0),
    Pace("5,000/s", 5_000, 4.0),
    Pace("50,000/s", 50_000, 3.0),
    Pace("5,000/s with bursts", 5_000, 4.0, bursts=True),
)
QUICK_SECONDS: Final = 1.0


class Late(NamedTuple):
    """One round of one candidate: how late, in microseconds."""

    p50: float
    p99: float
    p999: float


def run_pace(report: Report, pace: Pace, running: Mapping[str, Candidate], folder: Path, seconds: float) -> None:
    """All candidates in turns at one pace."""
    count = 1 + MARKETS + int(pace.rate * seconds)
    said, done = folder / "said", folder / "done"
    key = make_key(folder)
    with venue(count, pace.rate, markets=MARKETS, moments=said, bursts=pace.bursts) as port:
        job = Job(f"ws://127.0.0.1:{port}/trade-api/ws/v2", MARKETS, count, None, str(key), str(done))

        def once(candidate: Candidate) -> Late:
            said.unlink(missing_ok=True)
            agree({candidate.name: [candidate.do(job)]})
            while not said.exists():  # the last message was read before the venue came to write
                time.sleep(0.01)
            return _late(said, done)

        turns = {name: partial(once, each) for name, each in running.items()}
        found = in_turns(turns, rounds=report.result.rounds, warm_ups=0)
    for name, rounds in found.items():
        for place, share in enumerate(SHARES):
            report.figure(f"{pace.name}: {name}, {share}", spread([each[place] for each in rounds]), "us")
    for name, most in MUST.items():
        if name in found and pace.name == "one at a time":
            ours, theirs = ([each.p50 for each in found[who]] for who in (OURS, name))
            report.figure(f"{pace.name}: p50 of ours to {name}", ratio(ours, theirs), "times", at_most=most)


def _late(said: Path, done: Path) -> Late:
    """Delta by delta."""
    began, ended = (array.array("q", path.read_bytes()) for path in (said, done))
    deltas = len(began) - MARKETS
    took = [(end - begin) / 1000 for begin, end in zip(began[MARKETS:], ended[-deltas:], strict=True)]
    return Late(*(percentile(took, share) for share in SHARES.values()))


def main() -> int:
    made = parser(__doc__, rounds=3, quick_rounds=1)
    made.add_argument("--only", nargs="*", metavar="NAME", help=f"peers, of: {', '.join(PEERS)}")
    args = parse(made)
    report = Report("tick_to_decision", args)
    names = [name for name in PEERS if args.only is None or name in args.only]
    with (
        tempfile.TemporaryDirectory() as folder,
        candidates(names, {OURS: ("benchmarks.ours",)}) as (running, absent),
    ):
        say_who(report, running.values(), absent)
        for pace in PACES:
            run_pace(report, pace, running, Path(folder), QUICK_SECONDS if args.is_quick else pace.seconds)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
