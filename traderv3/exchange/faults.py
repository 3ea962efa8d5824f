"""What the exchange does wrong on purpose: probabilities per data frame, drawn from one seeded source.

Spelling: `drop=0.001,duplicate=0.001,garbage=0.0005,abort=0.0001,silent_after=30`.
`drop` loses a frame but uses up its sequence number; `duplicate` sends it twice; `garbage` puts an unreadable frame in
its place; `abort` resets the connection; `silent_after` (seconds) lets a connection fall silent while TCP stays up.
Never: a fault in an answer to a command, so that a client that repairs itself is not starved.
"""

from dataclasses import dataclass, fields
from typing import Final


class FaultProblem(ValueError):
    """A fault specification that cannot be read; the message says which part and why."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities per data frame and connection, and seconds until silence (0: never)."""

    drop: float = 0.0
    duplicate: float = 0.0
    garbage: float = 0.0
    abort: float = 0.0
    silent_after: float = 0.0

    @property
    def touches_frames(self) -> bool:
        """Whether any single data frame may be treated badly."""
        return self.drop + self.duplicate + self.garbage + self.abort > 0


NO_FAULTS: Final = Faults()
_NAMES: Final = tuple(field.name for field in fields(Faults))


def parse_faults(spec: str) -> Faults:
    """Read a specification, or raise `FaultProblem` with a sentence for the person who typed it."""
    values: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in spec.split(","))):
        name, equals, text = part.partition("=")
        if name not in _NAMES or not equals:
            msg = f"{part!r} is not a fault; write name=number with one of {', '.join(_NAMES)}"
            raise FaultProblem(msg)
        if name in values:
            msg = f"{name} is given twice"
            raise FaultProblem(msg)
        try:
            value = float(text)
        except ValueError:
            msg = f"{name}={text}: not a number"
            raise FaultProblem(msg) from None
        limit = 86_400.0 if name == "silent_after" else 1.0
        if not 0 <= value <= limit:
            msg = f"{name}={text}: must lie between 0 and {limit:g}"
            raise FaultProblem(msg)
        values[name] = value
    faults = Faults(**values)
    if faults.drop + faults.duplicate + faults.garbage + faults.abort > 1:
        msg = "drop, duplicate, garbage and abort together exceed 1"
        raise FaultProblem(msg)
    return faults
