"""What one member may ask: token buckets for reads and writes by usage tier, and the cost of each call.

A bucket fills continuously and holds no penalty; a call that it cannot cover takes nothing from it.
Units: tokens; inside, 1e-6 token, so that a microsecond times tokens a second is exact. Times microseconds.
Source: Kalshi's "Rate limits and tiers" page of August 2026; `GET /account/endpoint_costs` for the costs.
Never: a `Retry-After`; the venue sends none.
"""

import enum
from typing import Any, Final, NamedTuple

COST_DEFAULT: Final = 10
_SCALE: Final = 1_000_000  # 1e-6 token


class Budget(enum.StrEnum):
    """Which bucket a call draws on."""

    READ = "read"
    WRITE = "write"
    BALANCE = "balance"  # GET /portfolio/balance alone: so many calls a second, no burst


class Rates(NamedTuple):
    """One tier's buckets: tokens a second and how many can be saved up. `balance` is calls a second."""

    read: int
    read_max: int
    write: int
    write_max: int
    balance: int

    def body(self, name: str) -> dict[str, Any]:
        """As `GET /account/limits` prints it."""
        return {
            "usage_tier": name,
            "read": {"refill_rate": self.read, "bucket_capacity": self.read_max},
            "write": {"refill_rate": self.write, "bucket_capacity": self.write_max},
            "grants": [],
        }


TIERS: Final[dict[str, Rates]] = {
    "basic": Rates(200, 400, 100, 100, 1),
    "advanced": Rates(300, 600, 300, 600, 1),
    "expert": Rates(600, 600, 600, 1200, 5),
    "premier": Rates(1000, 1000, 1000, 2000, 5),
    "paragon": Rates(2000, 2000, 2000, 4000, 5),
    "prime": Rates(4000, 4000, 4000, 8000, 5),
    "prestige": Rates(10_000, 10_000, 8_000, 16_000, 5),
}
UNLIMITED: Final = "unlimited"  # prints the figures of the highest tier and refuses nothing
TIER_NAMES: Final = (*TIERS, UNLIMITED)


class TokenBucket:
    """Continuous refill, full at the start. Time is an argument and may stand still, never count backwards."""

    __slots__ = ("_at_us", "_capacity", "_level", "_rate")

    def __init__(self, rate: int, capacity: int, *, now_us: int) -> None:
        assert rate > 0
        assert capacity > 0
        self._rate = rate
        self._capacity = capacity * _SCALE
        self._level = self._capacity
        self._at_us = now_us

    def take(self, cost: int, *, now_us: int) -> bool:
        """Take `cost` tokens, or none at all and say False."""
        if now_us > self._at_us:
            self._level = min(self._capacity, self._level + (now_us - self._at_us) * self._rate)
            self._at_us = now_us
        if cost * _SCALE > self._level:
            return False
        self._level -= cost * _SCALE
        return True


class RateLimits:
    """Every member's buckets. All members are on one tier."""

    def __init__(self, tier: str = UNLIMITED) -> None:
        assert tier in TIER_NAMES, tier
        self.tier = tier
        self._rates = TIERS.get(tier)
        self._buckets: dict[tuple[str, Budget], TokenBucket] = {}

    def is_covered(self, user_id: str, budget: Budget, cost: int, *, now_us: int) -> bool:
        """Charge a call; False if the member has to be answered 429."""
        rates = self._rates
        if rates is None:
            return True
        bucket = self._buckets.get((user_id, budget))
        if bucket is None:
            sizes = {
                Budget.READ: (rates.read, rates.read_max),
                Budget.WRITE: (rates.write, rates.write_max),
                Budget.BALANCE: (rates.balance * COST_DEFAULT, COST_DEFAULT),
            }
            bucket = self._buckets[user_id, budget] = TokenBucket(*sizes[budget], now_us=now_us)
        return bucket.take(cost, now_us=now_us)

    def body(self) -> dict[str, Any]:
        """The answer to `GET /account/limits`."""
        name = "prestige" if self._rates is None else self.tier
        return TIERS[name].body(name)
