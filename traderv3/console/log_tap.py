"""Where the log's lines wait for the terminal of the console: taken from any thread, fetched by the broadcaster.

Never: more than `TAP_LINES` lines; the oldest goes, counted.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

from traderv3.console import messages

TAP_LINES: Final = 1_000  # that wait for the next tick


class LogTap:
    """Takes log lines from any thread, bounded; the broadcaster fetches them."""

    def __init__(self) -> None:
        self._lines: deque[messages.ConsoleLine] = deque(maxlen=TAP_LINES)
        self.dropped = 0

    def take_line(self, level: str, timestamp: str, component: str, event: str, fields: Mapping[str, object]) -> None:
        """Keep one line of the log from level info; the oldest goes when nobody fetched for long. Safe in any thread."""
        if level == "debug" or event == "state_transition":  # transitions have a message of their own
            return
        context = " ".join(f"{name}={value}" for name, value in fields.items() if name != "exception")
        line = messages.ConsoleLine(
            level=level,  # type: ignore[arg-type]
            timestamp=timestamp,
            source=component,
            message=event,
            context=context,
            seq=None,
        )
        self.dropped += len(self._lines) == TAP_LINES
        self._lines.append(line)

    def drain(self) -> list[messages.ConsoleLine]:
        """All lines since the last call."""
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        return lines
