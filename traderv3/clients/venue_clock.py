"""The venue's clock as far as we know it: ours plus an offset measured from the `Date` header.

Units: microseconds inside, milliseconds out; names in `_s` are seconds. `Date` has a resolution of one second, so an
offset within `TRUSTED_US` is taken for none. Signatures outside roughly -10 s to +30 s are refused by the venue.
A machine that slept, or whose clock was set, has a wall clock that moved apart from its steady clock: then what was
measured before counts no more.
"""

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import trio

TRUSTED_US: Final = 1_500_000
JUMP_US: Final = 1_000_000  # wall and steady clocks drift apart by milliseconds between two measurements
SLOW_US: Final = 4_000_000  # an answer that took longer says too little to replace what is known


class VenueClock:
    """Our wall clock, corrected. `steady_s` is a clock that neither jumps nor counts a machine's sleep."""

    def __init__(self, wall_us: Callable[[], int], *, steady_s: Callable[[], float] = trio.current_time) -> None:
        self.wall_us = wall_us
        self._steady_s = steady_s
        self.offset_us = 0
        self.is_measured = False
        self.round_trip_us: int | None = None
        self._measured_at_s = 0.0
        self._apart_us = 0  # wall clock minus steady clock at the measurement

    def now_ms(self) -> int:
        """The venue's time, milliseconds since the epoch."""
        return (self.wall_us() + self.offset_us) // 1000

    @property
    def has_jumped(self) -> bool:
        """Whether the wall clock has leapt since the measurement: measure again before the next signature."""
        return self.is_measured and abs(self._apart() - self._apart_us) > JUMP_US

    @property
    def age_s(self) -> float | None:
        """Seconds since the measurement, None before the first."""
        return self._steady_s() - self._measured_at_s if self.is_measured else None

    def learn(self, date: str, *, age: str = "0", asked_us: int, answered_us: int) -> None:
        """Take an answer's `Date` and `Age` headers (a cached answer is as old as it says); the unreadable is passed over.

        `answered_us` is when its head came in; how long its body took says nothing about clocks.
        """
        try:
            moment = parsedate_to_datetime(date)
            age_s = int(age)
        except (ValueError, OverflowError):
            return
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        round_trip_us = answered_us - asked_us
        if self.is_measured and not self.has_jumped and not 0 <= round_trip_us <= SLOW_US:
            return
        venue_us = (int(moment.timestamp()) + age_s) * 1_000_000 + 500_000  # the header is cut to the second
        offset_us = venue_us - (asked_us + answered_us) // 2
        self.offset_us = 0 if abs(offset_us) <= TRUSTED_US else offset_us
        self.is_measured = True
        self.round_trip_us = round_trip_us
        self._measured_at_s = self._steady_s()
        self._apart_us = self._apart()

    def _apart(self) -> int:
        return self.wall_us() - int(self._steady_s() * 1_000_000)
