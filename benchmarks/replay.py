"""How fast `traderv3 replay --speed max` plays each recorded session, against the rates at which they were live.

For every file: messages a second (the median of `ROUNDS` runs of the command, console and actors included), how many
times its own average and its own busiest second that is, and how many times the busiest second of all. Wanted are 50
times that; exit code 1 if a session of `JUDGED` frames or more falls short, shorter ones only show what a start costs.
Run: python -m benchmarks.replay [RECORDING...]
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from traderv3.protocol.recording import RecordingReader

RECORDINGS = Path(__file__).resolve().parent.parent.parent / "shared" / "recordings"
ROUNDS = 3
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


def main(paths: list[Path]) -> int:
    if not paths:
        print(f"skipped: there are no recordings in {RECORDINGS}")
        return 0
    worst = float("inf")
    for path in paths:
        average, peak = live_rates(path)
        runs = [play(path) for _ in range(ROUNDS)]
        frames, rate = runs[0][0], statistics.median(rate for _, rate in runs)
        times = rate / BUSIEST
        print(
            f"{path.name}: {frames} frames at {rate:.0f} messages/s; {rate / average:.0f} times its average "
            f"({average:.1f}/s), {rate / peak:.0f} times its peak ({peak}/s), {times:.0f} times the busiest ({BUSIEST}/s)",
            flush=True,
        )
        if frames >= JUDGED:
            worst = min(worst, times)
    print(
        f"the slowest of those with {JUDGED} frames or more: {worst:.0f} times the busiest live rate, wanted {WANTED}"
    )
    return 0 if worst >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]] or sorted(RECORDINGS.glob("*.jsonl.zst"))))
