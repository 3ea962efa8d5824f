"""Wall-clock time as an argument: actors are given one of these functions, never a module to ask."""

import time
from collections.abc import Callable

WallClock = Callable[[], int]  # microseconds since the epoch


def wall_us() -> int:
    """The machine's own time, microseconds since the epoch."""
    return time.time_ns() // 1000
