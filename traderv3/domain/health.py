"""How the trader is, with reasons: shared by who judges (telemetry) and who shows (console, HTTP).

Units: times in microseconds since the epoch.
"""

import enum
from dataclasses import dataclass
from typing import Final

OVER_NOW: Final = "over now; it was: "  # begins the message of a reason that is only held on to for a little


class Level(enum.StrEnum):
    """In order of severity."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is wrong: who, what it means for trading, since when."""

    component: str
    message: str
    since_us: int
    level: Level


@dataclass(frozen=True, slots=True)
class Health:
    """The judgement: the worst of its reasons, `HEALTHY` without any."""

    level: Level = Level.HEALTHY
    reasons: tuple[Reason, ...] = ()


@dataclass(slots=True)
class Numbers:
    """What was measured last; written by the metrics aggregator."""

    messages_per_second: float = 0.0
    loop_lag_ms: float = 0.0
    rss_mb: float = 0.0
