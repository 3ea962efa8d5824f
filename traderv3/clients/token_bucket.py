"""A token bucket as the venue keeps one for us: it fills all the time and every request takes its cost from it.

Units: tokens; seconds of any clock, as arguments. Source: Kalshi's "Rate limits and tiers" page of August 2026.
Never: a debt. What is not there is waited for.
"""

from typing import Final

_ROUNDING: Final = 1e-6  # after exactly `wait_s` a bucket must not miss its cost by the last bit of a float


class TokenBucket:
    """Full at the start. `rate` tokens a second flow in, up to `capacity`."""

    __slots__ = ("_at", "_tokens", "capacity", "rate")

    def __init__(self, rate: int, capacity: int, *, now: float = 0.0) -> None:
        assert rate > 0
        assert capacity > 0
        self.rate = rate
        self.capacity = capacity
        self._tokens = float(capacity)
        self._at = now

    def tokens(self, now: float) -> float:
        """What it holds. A clock that ran backwards fills nothing."""
        flown_in = max(0.0, now - self._at) * self.rate
        return min(float(self.capacity), self._tokens + flown_in)

    def wait_s(self, cost: int, now: float) -> float:
        """Seconds until `cost` is there; 0 if it is. A cost above the capacity counts as the whole bucket."""
        return max(0.0, (min(cost, self.capacity) - self.tokens(now)) / self.rate)

    def take(self, cost: int, now: float) -> bool:
        """Take `cost` (at most the whole bucket), or False and take nothing."""
        held = self.tokens(now)
        cost = min(cost, self.capacity)
        if held + _ROUNDING < cost:
            return False
        self._set(held - cost, now)
        return True

    def empty(self, now: float) -> None:
        """The venue says that there is nothing in it (HTTP 429): somebody else draws on it too, or we counted wrong."""
        self._set(0.0, now)

    def resize(self, rate: int, capacity: int, now: float) -> None:
        """Take the venue's own figures; what it holds stays, as far as it fits."""
        assert rate > 0
        assert capacity > 0
        self._set(self.tokens(now), now)
        self.rate, self.capacity = rate, capacity

    def _set(self, tokens: float, now: float) -> None:
        self._tokens = max(0.0, tokens)
        self._at = max(self._at, now)
