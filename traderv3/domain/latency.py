"""How long something takes, as counts in logarithmic buckets over the last minute; cheap enough for every batch.

Units: names in `_us` are microseconds, in `_s` seconds of a clock that only grows, which the caller reads.
Source: Kalshi sends in bursts, so a mean says nothing; buckets of 1-2-5 place a percentile within a factor of 2.5.
Never: a sample that is kept; the account has a fixed size.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

BOUNDS_US: Final = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000)
WINDOW_S: Final = 60
SLICE_S: Final = 5  # what is forgotten at once

assert WINDOW_S % SLICE_S == 0


@dataclass(frozen=True, slots=True)
class LatencyReading:
    """The window's account: `counts[i]` took at most `BOUNDS_US[i]`, the last count more than all; the longest."""

    counts: tuple[int, ...]
    longest_us: int | None  # None while nothing was measured

    @property
    def count(self) -> int:
        """How many were measured."""
        return sum(self.counts)

    def percentile_us(self, share: float) -> int | None:
        """At most so much did `share` of all take, as far as buckets tell; None while nothing was measured."""
        if self.longest_us is None:
            return None
        wanted, seen = share * self.count, 0
        for bound, count in zip((*BOUNDS_US, self.longest_us), self.counts, strict=True):
            seen += count
            if seen >= wanted:
                return min(bound, self.longest_us)
        return self.longest_us


class _Slice:
    """What was measured in `SLICE_S` seconds; `number` tells which."""

    __slots__ = ("counts", "longest_us", "number")

    def __init__(self) -> None:
        self.begin(-1)

    def begin(self, number: int) -> None:
        """Forget what is here; from now on this is slice `number`."""
        self.number = number
        self.counts = [0] * (len(BOUNDS_US) + 1)
        self.longest_us = 0


class Latency:
    """One stage's account over the last `WINDOW_S` seconds, to within `SLICE_S`."""

    def __init__(self) -> None:
        self._slices = [_Slice() for _ in range(WINDOW_S // SLICE_S)]
        self._current = self._slices[0]

    def note(self, took_us: int, *, now_s: float) -> None:
        """Count one that ended at `now_s`."""
        number = int(now_s) // SLICE_S
        current = self._current
        if current.number != number:
            current = self._current = self._slices[number % len(self._slices)]
            if current.number != number:
                current.begin(number)
        current.counts[bisect_left(BOUNDS_US, took_us)] += 1
        if took_us > current.longest_us:
            current.longest_us = took_us

    def read(self, *, now_s: float) -> LatencyReading:
        """The window that ends at `now_s`."""
        newest = int(now_s) // SLICE_S
        held = [part for part in self._slices if newest - len(self._slices) < part.number <= newest]
        counts = tuple(sum(column) for column in zip(*(part.counts for part in held), strict=True))
        if not any(counts):
            return LatencyReading((0,) * (len(BOUNDS_US) + 1), None)
        return LatencyReading(counts, max(part.longest_us for part in held))
