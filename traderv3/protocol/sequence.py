"""The sequence numbers of one subscription (sid): which message is the next one, and what is wrong with any other.

    number                          verdict      the messages counted on from
    last + 1                        NEXT         this one
    beyond last + 1                 GAP          this one; `got - expected` numbers are missing
    1, though more were counted     RESET        where they were: only a new subscription makes sense of it
    before, the same bytes          DUPLICATE    where they were
    before, anything else           ROLLBACK     where they were

Numbers count over all markets of the subscription, from 1; `ok`, `unsubscribed` and scoped errors take one too.
Source: Kalshi's AsyncAPI, October 2026.
Never: NEXT for a number that was used before.
"""

import enum
from typing import Final


class Verdict(enum.Enum):
    """What one number means."""

    NEXT = "next"
    DUPLICATE = "duplicate"
    GAP = "gap"
    ROLLBACK = "rollback"
    RESET = "reset"


NEXT: Final = Verdict.NEXT

_REMEMBERED: Final = 8  # messages whose bytes are kept, to tell a duplicate from a rollback; a power of two
_MASK: Final = _REMEMBERED - 1


class Sequence:
    """Counts one subscription. `last` is the number counted last, `expected` the one due when trouble came last.

    `late` is how many rollbacks came in a row: with many, the stream cannot be followed any more.
    """

    __slots__ = ("_late_after", "_recent", "expected", "last", "late")

    def __init__(self) -> None:
        self.restart()

    def restart(self, last: int = 0) -> None:
        """Count a new subscription, whose number `last` is known."""
        self.last = last
        self.expected = last + 1
        self.late = 0
        self._late_after = last
        self._recent: list[bytes] = [b""] * _REMEMBERED

    def count(self, raws: tuple[bytes, ...]) -> None:
        """Count messages that are known to be the next ones, each in its place."""
        self.last += len(raws)
        recent = raws[-_REMEMBERED:]
        for seq, raw in enumerate(recent, self.last - len(recent) + 1):
            self._recent[seq & _MASK] = raw

    def take(self, seq: int, raw: bytes) -> Verdict:
        """Judge the message `raw` numbered `seq`, and count it if it is not from the past."""
        last = self.last
        if seq == last + 1:
            self.last = seq
            self._recent[seq & _MASK] = raw
            return NEXT
        self.expected = last + 1
        if seq > last:
            self.last = seq
            self._recent[seq & _MASK] = raw
            return Verdict.GAP
        if seq == 1 < last:
            return Verdict.RESET
        if self._recent[seq & _MASK] == raw:  # the number is part of the bytes: they cannot have stood for another one
            return Verdict.DUPLICATE
        self.late = self.late + 1 if self._late_after == last else 1
        self._late_after = last
        return Verdict.ROLLBACK
