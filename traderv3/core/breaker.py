"""A circuit breaker over a sliding window of outcomes: whether to call something that may be broken.

    closed    -> open        at least `calls_min` outcomes in `window_s`, of which at least `failure_share` failed
    open      -> half-open   `rest_s` later, at the next call
    half-open -> closed      its one probe succeeded
    half-open -> open        its one probe failed

Units: seconds of any clock that does not run backwards; time is an argument.
Never: more than one probe under way; a verdict by a call that was admitted before the last change of state.
"""

import enum
import math
from collections import deque
from dataclasses import dataclass
from typing import Final, NewType

OUTCOMES_KEPT: Final = 1000

Ticket = NewType("Ticket", int)  # the right to make one call; of no use after the next change of state


class BreakerState(enum.StrEnum):
    """Whether calls are made."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When to open and for how long; times in seconds."""

    window_s: float = 30.0
    calls_min: int = 5
    failure_share: float = 0.5
    rest_s: float = 10.0

    def __post_init__(self) -> None:
        assert 1 <= self.calls_min <= OUTCOMES_KEPT
        assert 0 < self.failure_share <= 1


class Breaker:
    """Ask `admit` before a call, tell `record` its outcome, and `abandon` it if there was none (it was cancelled)."""

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._failures = 0  # among the outcomes
        self._opened_at = -math.inf
        self._is_probing = False
        self._changes = 0
        self.state = BreakerState.CLOSED

    def admit(self, now: float) -> Ticket | None:
        """The right to call now, or None: open, or half-open with its probe under way."""
        if self.state is BreakerState.OPEN and self.rest_left_s(now) <= 0:
            self._move(BreakerState.HALF_OPEN, now)
        if self.state is BreakerState.OPEN or self._is_probing:
            return None
        self._is_probing = self.state is BreakerState.HALF_OPEN
        return Ticket(self._changes)

    def record(self, now: float, ticket: Ticket, *, is_success: bool) -> bool:
        """Take one call's outcome; True if the state changed. An outcome from before the last change is passed over."""
        if ticket != self._changes or self.state is BreakerState.OPEN:
            return False
        before = self.state
        if before is BreakerState.HALF_OPEN:
            self._outcomes.clear()
            self._failures = 0
            self._move(BreakerState.CLOSED if is_success else BreakerState.OPEN, now)
        self._outcomes.append((now, is_success))
        self._failures += not is_success
        while now - self._outcomes[0][0] > self._limits.window_s or len(self._outcomes) > OUTCOMES_KEPT:
            self._failures -= not self._outcomes.popleft()[1]
        is_enough = len(self._outcomes) >= self._limits.calls_min
        is_too_much = self._failures >= self._limits.failure_share * len(self._outcomes)
        if self.state is BreakerState.CLOSED and is_enough and is_too_much:
            self._move(BreakerState.OPEN, now)
        return self.state is not before

    def abandon(self, ticket: Ticket) -> None:
        """The call is over. Without an outcome recorded, its place as a probe is free again; else nothing changes."""
        if ticket == self._changes:
            self._is_probing = False

    def rest_left_s(self, now: float) -> float:
        """Seconds until an open breaker lets its probe through; 0 when it is not open."""
        if self.state is not BreakerState.OPEN:
            return 0.0
        return max(0.0, self._opened_at + self._limits.rest_s - now)

    def _move(self, state: BreakerState, now: float) -> None:
        self.state = state
        if state is BreakerState.OPEN:
            self._opened_at = now
        self._changes += 1
        self._is_probing = False
