"""Who writes down what came and went, byte for byte, so that a run can be played again. The journal is one.

Both verbs must not wait and must not raise. Units: times in microseconds since the epoch.
"""

from collections.abc import Sequence
from typing import Final, Protocol

Detail = str | int | float | bool | None


class Tape(Protocol):
    """Takes frames and events of connections, numbered from 1; 0 is what belongs to none."""

    def frames(
        self, conn: int, at_us: int, frames: Sequence[bytes], *, is_inbound: bool, is_json: bool = False
    ) -> None:
        """Frames that came or went together. `is_json`: each is known to be one JSON value."""

    def event(self, conn: int, at_us: int, event: str, **fields: Detail) -> None:
        """Something that happened, with whatever is known of it."""


class NoTape:
    """Writes nothing down."""

    def frames(
        self, conn: int, at_us: int, frames: Sequence[bytes], *, is_inbound: bool, is_json: bool = False
    ) -> None:
        """Passed over."""

    def event(self, conn: int, at_us: int, event: str, **fields: Detail) -> None:
        """Passed over."""


NO_TAPE: Final = NoTape()
