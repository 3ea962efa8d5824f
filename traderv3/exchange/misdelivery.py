"""How the frames of one connection go wrong on purpose: lost, doubled, garbled, swapped, late, or the end of their stream.

Data frames only; an answer to a command keeps its place behind the frames that were queued before it.
Units: microseconds. Never: a clock; time is the floor's. What is held back is bounded like the outbox.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from traderv3.exchange.faults import Faults

if TYPE_CHECKING:
    from traderv3.exchange.session import ClientSession, Subscription

GARBAGE: Final = b'{"type":"orderbook_delta","sid":1,"se\n'
_TERMINAL: Final = {"overflow": 25, "terminal": 10}


class Misdelivery:
    """One connection's faults. `append` puts a frame into the outbox."""

    def __init__(self, session: "ClientSession", faults: Faults, append: Callable[[bytes], None]) -> None:
        self._session = session
        self._faults = faults
        self._append = append
        self._delay_us = int(faults.delay * 1_000_000)
        self._held: deque[tuple[int, bytes]] = deque()
        self._held_bytes = 0
        self._overtaken: bytes | None = None  # waits for the next frame to go first

    def deliver(self, subscription: "Subscription", frame: bytes, *, held_max: int) -> None:
        """Treat one data frame as the draw says. `held_max` bytes may be held back before the stream overflows."""
        what = self._faults.drawn(self._session.floor.rng)
        if self._held_bytes + len(frame) > held_max:
            what = "overflow"
        if what == "drop":
            return
        if what in _TERMINAL:
            self._session.terminate(subscription, _TERMINAL[what])
            return
        if what == "reorder" and self._overtaken is None:
            self._overtaken = frame
            return
        if what == "garbage":
            frame = GARBAGE
        elif what == "abort":
            self._session.abort()
        self._queue(frame)
        if what == "duplicate":
            self._queue(frame)
        self._let_overtaken_follow()

    def follow(self, frame: bytes) -> None:
        """Queue an answer behind everything that was to be sent before it."""
        self._let_overtaken_follow()
        if self._held:
            self._hold(self._held[-1][0], frame)
        else:
            self._append(frame)

    def release(self, now_us: int | None) -> None:
        """Let out what is due; None: everything."""
        self._let_overtaken_follow()
        while self._held and (now_us is None or self._held[0][0] <= now_us):
            frame = self._held.popleft()[1]
            self._held_bytes -= len(frame)
            self._append(frame)

    def _let_overtaken_follow(self) -> None:
        if self._overtaken is not None:
            frame, self._overtaken = self._overtaken, None
            self._queue(frame)

    def _queue(self, frame: bytes) -> None:
        if self._delay_us:
            self._hold(self._session.floor.now_ms() * 1000 + self._delay_us, frame)
        else:
            self._append(frame)

    def _hold(self, due_us: int, frame: bytes) -> None:
        self._held.append((due_us, frame))
        self._held_bytes += len(frame)
