"""The venue's clock as far as we know it: ours plus an offset measured from the `Date` header.

Units: microseconds inside, milliseconds out. `Date` has a resolution of one second, so an offset within
`TRUSTED_US` is taken for none. Signatures outside roughly -10 s to +30 s are refused by the venue.
"""

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

TRUSTED_US: Final = 1_500_000


class VenueClock:
    """Our wall clock, corrected."""

    def __init__(self, wall_us: Callable[[], int]) -> None:
        self.wall_us = wall_us
        self.offset_us = 0
        self.is_measured = False

    def now_ms(self) -> int:
        """The venue's time, milliseconds since the epoch."""
        return (self.wall_us() + self.offset_us) // 1000

    def learn(self, date: str, *, age: str = "0", asked_us: int, answered_us: int) -> None:
        """Take an answer's `Date` and `Age` headers (a cached answer is as old as it says); the unreadable is passed over."""
        try:
            moment = parsedate_to_datetime(date)
            age_s = int(age)
        except (ValueError, OverflowError):
            return
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        venue_us = (int(moment.timestamp()) + age_s) * 1_000_000 + 500_000  # the header is cut to the second
        offset_us = venue_us - (asked_us + answered_us) // 2
        self.offset_us = 0 if abs(offset_us) <= TRUSTED_US else offset_us
        self.is_measured = True
