"""How fast `traderv3 replay --speed max` plays each recorded session, against the rates at which they were live.

For every file: messages a second (rounds of the command, console and actors included), and how many times its own average,
its own busiest second and the busiest second of all that is. Wanted are 50 times the last; sessions of fewer than `JUDGED`
frames are not judged, as they only show what a start costs.
Run: python -m benchmarks.replay [--quick] [RECORDING...]
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.rounds import Report, Spread, parse, parser, spread
from traderv3.protocol.recording import RecordingReader

RECORDINGS = Path(__file__).resolve().parent.parent.parent / "shared" / "recordings"
ROUNDS, QUICK_ROUNDS = 3, 1
BUSIEST = 825  # messages in the busiest second of all recorded sessions
WANTED = 50
JUDGED = 10_000


def live_rates(path: Path) -> tuple[float, int]:
    """Messages a second when it was live: on average, and in the busiest second."""
    with path.open("rb") as file:
        times_us = [entry.at_us for entry in RecordingReader(file, path.name) if entry.is_inbound]
    lasted_s = max(1.0, (max(times_us) - min(times_us)) / 1e6)
    return len(times_us) / lasted_s, max(Counter(at_us // 10**6 for at_us in times_us).values())


def play(path: Path) -> tuple[int, int]:
    """Frames, and messages a second, as the command says."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "traderv3", "replay", str(path), "--json", "--speed", "max"]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    said = json.loads(done.stdout)
    return said["frames"], said["messages_per_second"]


def main() -> int:
    made = parser(__doc__, rounds=ROUNDS, quick_rounds=QUICK_ROUNDS)
    made.add_argument(
        "recordings", nargs="*", type=Path, metavar="RECORDING", help=f"default: those in {RECORDINGS.name}"
    )
    args = parse(made)
    report = Report("replay", args)
    paths = args.recordings or sorted(RECORDINGS.glob("*.jsonl.zst"))
    if not paths:
        report.absent("recorded sessions", "they are no part of this repository")
    slowest: Spread | None = None
    for path in paths:
        average, peak = live_rates(path)
        runs = [play(path) for _ in range(args.rounds)]
        frames, rates = runs[0][0], spread([rate for _, rate in runs])
        note = (
            f"{frames:,} frames; {rates.median / average:,.0f} times its average, {rates.median / peak:,.0f} its peak"
        )
        report.figure(f"replay of {path.name.partition('.')[0]}", rates, "messages/s", note=note)
        if frames >= JUDGED and (slowest is None or rates.median < slowest.median):
            slowest = rates
    if slowest is not None:
        times = Spread(*(value / BUSIEST for value in (slowest.median, slowest.low, slowest.high)))
        note = f"of the sessions of {JUDGED:,} frames or more; {BUSIEST} messages"
        report.figure("the slowest, to the busiest second ever recorded", times, "times", at_least=WANTED, note=note)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
