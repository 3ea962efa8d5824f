"""Everything that happened in one run, a line each, byte for byte the same for the same seed and program.

A line is the virtual time in seconds, what kind of thing it is, and what happened. Kinds: `fault` what was done to the
trader, `actor`, `state`, `fact`, `log` what the trader did and said, `link` and `rest` what passed between the two,
`hash` the state of all books each second, `broken` an invariant.
Never: an address in memory, a wall clock's time, a random name.
"""

import hashlib
import re
from typing import Final

import trio

_ADDRESS: Final = re.compile(r"\b0x[0-9a-f]{6,}\b")


class Trace:
    """The lines of one run, oldest first; of a long one, the latest `most`, or twice as many."""

    def __init__(self, most: int | None = None) -> None:
        self.lines: list[str] = []
        self._most = most
        self.hidden = ""  # a path that differs from run to run

    def note(self, kind: str, text: str) -> None:
        """Write one line at the present virtual time."""
        said = _ADDRESS.sub("0x…", text.replace("\n", " / "))
        said = said.replace(self.hidden, "DATA") if self.hidden else said
        self.lines.append(f"{trio.current_time():10.4f} {kind:<6} {said}")
        if self._most is not None and len(self.lines) >= 2 * self._most:
            del self.lines[: self._most]

    def digest(self) -> str:
        """SHA-256 in hex over all lines."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()
