"""What trading may do, and the word of whoever said so: shared by the latch that keeps it and the console that shows it.

Units: times in microseconds since the epoch.
"""

import enum
from dataclasses import dataclass
from typing import Protocol


class Mode(enum.StrEnum):
    """In order of strictness."""

    ACTIVE = "active"  # anything
    REDUCING = "reducing"  # no new exposure
    HALTED = "halted"  # nothing


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the latch stands: since when, who put it there, and why."""

    mode: Mode
    since_us: int
    by: str
    reason: str


class NotKept(Exception):
    """The disk refused the latch. The message says what holds now."""


class Latch(Protocol):
    """Whoever keeps the mode."""

    @property
    def stand(self) -> Stand:
        """Where it stands."""

    async def set(self, mode: Mode, *, by: str, reason: str) -> Stand:
        """Put it there, durable before this returns; returns where it stands then. Raises `NotKept`."""
