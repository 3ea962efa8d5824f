"""The table of open points: each read in one way, what is to come of it, and how much the client may ask for.

The rows are entered by the modules beside this one; `tests.clients.test_open_points` walks them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.clients.scripted_venue import Conversation, ScriptedVenue

SERVED: Final = ("KXDEMO-A", "KXDEMO-B", "KXDEMO-C", "KXDEMO-D", "KXDEMO-E")
UNKNOWN: Final = "KXNOSUCH-1"
RUN_S: Final = 90.0

CONNECTIONS_A_MINUTE_MAX: Final = 10  # the backoff's own first minute: 0.2 s, doubled, at most 20 s
COMMANDS_A_MINUTE_MAX: Final = 40


@dataclass(frozen=True, kw_only=True)
class Point:
    """One open point read in one way. `sentence`: what must be said where the books cannot be live."""

    name: str
    reading: Callable[[ScriptedVenue], Conversation]
    wanted: Sequence[str] = SERVED
    served: Sequence[str] = SERVED
    chunk: int = 3
    sentence: str | None = None
    is_live: bool = True
    commands_max: int = COMMANDS_A_MINUTE_MAX
    connections_max: int = CONNECTIONS_A_MINUTE_MAX
    run_s: float = RUN_S


POINTS: list[Point] = []


def point(name: str, **more: Any) -> Callable[[type[Conversation]], type[Conversation]]:
    """Enter a reading in the table."""

    def enter(reading: type[Conversation]) -> type[Conversation]:
        POINTS.append(Point(name=name, reading=reading, **more))
        return reading

    return enter
