"""What every request passes on its way to the venue: breaker, tokens, and another try where that is safe.

A GET that met no answer, a 5xx or a 429 is tried again, `TRIES_MAX` times in all and within `DEADLINE_S`. Any other
method is sent once: what became of it is the caller's to find out. A 4xx is never repeated.
429: no `Retry-After` is believed (the venue sends none); the bucket counts as empty, and the wait grows.
The breaker counts silence, 5xx and unreadable answers as failures; a 4xx or 429 shows that the venue is there.
Units: seconds of Trio's clock; tokens. Source: Kalshi's "Rate limits and tiers" page of August 2026.
Never: a second request where the first may have changed something.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog
import trio

from traderv3.clients.token_bucket import TokenBucket
from traderv3.clients.venue_clock import VenueClock
from traderv3.config.limits import LIMITS
from traderv3.core.breaker import Breaker, BreakerLimits, BreakerState, Ticket
from traderv3.core.supervision import Backoff
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError, VenueRefused
from traderv3.protocol.rest_account import AccountLimits, EndpointCosts

log = structlog.get_logger(component="rest")

TRIES_MAX: Final = 3
DEADLINE_S: Final = 25.0  # for all tries together
BACKOFF: Final = Backoff(0.25, 4.0)
# The venue's status is asked for every 15 s: each such question may be the probe.
BREAKER: Final = BreakerLimits(window_s=60.0, calls_min=5, failure_share=0.5, rest_s=10.0)
# The smallest tier, until the account's own limits are read.
READ_RATE: Final = 200
READ_CAPACITY: Final = 200
WRITE_RATE: Final = 100
WRITE_CAPACITY: Final = 100
# The balance has a bucket of its own: one call a second and no burst, in the small tiers.
BALANCE_ROUTE: Final = "/portfolio/balance"

assert LIMITS.heartbeat_s > DEADLINE_S, "an actor that waits for one answer must not look hung"

T = TypeVar("T")


class Throttled(ConnectivityError):
    """HTTP 429: the venue counted fewer tokens than we did."""


@dataclass(frozen=True, slots=True)
class RestStats:
    """How REST stands, for people. Counters only grow; `requests` counts every try; times are microseconds since the epoch.

    `failures` are silence, 5xx and unreadable answers; `refused` other 4xx; `throttled` 429s. Tokens are as we reckon them.
    """

    breaker: BreakerState
    breaker_since_us: int
    next_probe_s: float
    requests: int
    failures: int
    refused: int
    retried: int
    throttled: int
    last_error: str | None
    last_error_us: int | None
    usage_tier: str | None  # None until read
    read_tokens: int
    read_capacity: int
    read_rate: int
    write_tokens: int
    write_capacity: int
    write_rate: int
    clock_offset_ms: int
    clock_round_trip_ms: int | None
    clock_age_s: float | None
    is_clock_measured: bool


class RestGate:
    """One venue's gate. `read` and `write` are our picture of the account's two buckets."""

    def __init__(self, *, wall_us: Callable[[], int], rng: random.Random) -> None:
        self.read = TokenBucket(READ_RATE, READ_CAPACITY)
        self.write = TokenBucket(WRITE_RATE, WRITE_CAPACITY)
        self.balance = TokenBucket(1, 1)
        self.costs = EndpointCosts()
        self.breaker = Breaker(BREAKER)
        self.usage_tier: str | None = None
        self.breaker_since_us = wall_us()
        self.requests = self.failures = self.refused = self.retried = self.throttled = 0
        self.last_error: str | None = None
        self.last_error_us: int | None = None
        self._wall_us = wall_us
        self._rng = rng

    def adopt(self, limits: AccountLimits) -> None:
        """Use the account's own buckets from now on."""
        now = trio.current_time()
        self.read.resize(limits.read.refill_rate, limits.read.bucket_capacity, now)
        self.write.resize(limits.write.refill_rate, limits.write.bucket_capacity, now)
        self.usage_tier = limits.usage_tier

    def stats(self, clock: VenueClock) -> RestStats:
        """The account of it at this moment."""
        now = trio.current_time()
        return RestStats(
            breaker=self.breaker.state,
            breaker_since_us=self.breaker_since_us,
            next_probe_s=self.breaker.rest_left_s(now),
            requests=self.requests,
            failures=self.failures,
            refused=self.refused,
            retried=self.retried,
            throttled=self.throttled,
            last_error=self.last_error,
            last_error_us=self.last_error_us,
            usage_tier=self.usage_tier,
            read_tokens=int(self.read.tokens(now)),
            read_capacity=self.read.capacity,
            read_rate=self.read.rate,
            write_tokens=int(self.write.tokens(now)),
            write_capacity=self.write.capacity,
            write_rate=self.write.rate,
            clock_offset_ms=clock.offset_us // 1000,
            clock_round_trip_ms=None if clock.round_trip_us is None else clock.round_trip_us // 1000,
            clock_age_s=clock.age_s,
            is_clock_measured=clock.is_measured and not clock.has_jumped,
        )

    async def ask(self, method: str, route: str, attempt: Callable[[float], Awaitable[T]]) -> T:
        """What `attempt` returns; it is given the seconds that are left. Raises what it raised last.

        While the breaker is open: `ConnectivityError` at once.
        """
        ends_at = trio.current_time() + DEADLINE_S
        failure: ConnectivityError | None = None
        for tried in range(1, TRIES_MAX + 1):
            ticket = self._admit()
            if ticket is None:
                raise failure or self._resting(method, route)
            try:
                await self._pay(method, route, ends_at)
                try:
                    return await self._try(ticket, attempt, ends_at - trio.current_time())
                except ConnectivityError as exc:
                    failure = exc
                    if isinstance(exc, Throttled):
                        self._price(method, route)[0].empty(trio.current_time())
            finally:
                self.breaker.abandon(ticket)
            delay_s = BACKOFF.delay_s(tried, self._rng)
            is_late = trio.current_time() + delay_s >= ends_at
            if method != "GET" or tried == TRIES_MAX or is_late or self.breaker.state is BreakerState.OPEN:
                break
            self.retried += 1
            await trio.sleep(delay_s)
        assert failure is not None
        raise failure

    def _admit(self) -> Ticket | None:
        before = self.breaker.state
        ticket = self.breaker.admit(trio.current_time())
        if self.breaker.state is not before:
            self.breaker_since_us = self._wall_us()
        return ticket

    async def _pay(self, method: str, route: str, ends_at: float) -> None:
        """Take the request's tokens, as soon as they are there."""
        bucket, cost = self._price(method, route)
        while not bucket.take(cost, trio.current_time()):
            wait_s = bucket.wait_s(cost, trio.current_time())
            if trio.current_time() + wait_s >= ends_at:
                msg = f"{method} {route}: not sent, our request tokens suffice in {wait_s:.0f} s only"
                raise ConnectivityError(msg)
            await trio.sleep(wait_s)

    def _price(self, method: str, route: str) -> tuple[TokenBucket, int]:
        if route == BALANCE_ROUTE:
            return self.balance, 1
        return (self.read if method == "GET" else self.write), self.costs.of(method, route)

    async def _try(self, ticket: Ticket, attempt: Callable[[float], Awaitable[T]], left_s: float) -> T:
        self.requests += 1
        try:
            answer = await attempt(left_s)
        except Throttled as exc:
            self.throttled += 1
            self._note(ticket, exc, is_success=True)
            raise
        except VenueRefused as exc:
            self.refused += 1
            self._note(ticket, exc, is_success=True)
            raise
        except (ConnectivityError, RemoteProtocolError) as exc:
            self.failures += 1
            self._note(ticket, exc, is_success=False)
            raise
        self._note(ticket, None, is_success=True)
        return answer

    def _note(self, ticket: Ticket, error: Exception | None, *, is_success: bool) -> None:
        if error is not None:
            self.last_error, self.last_error_us = str(error), self._wall_us()
        if self.breaker.record(trio.current_time(), ticket, is_success=is_success):
            self.breaker_since_us = self._wall_us()
            log.warning("circuit breaker moved", breaker=self.breaker.state.value, error=self.last_error)

    def _resting(self, method: str, route: str) -> ConnectivityError:
        rest_s = self.breaker.rest_left_s(trio.current_time())
        when = f"the next try is in {rest_s:.0f} s" if rest_s else "one try is under way"
        return ConnectivityError(f"{method} {route}: not sent, REST rests after failures; {when} ({self.last_error})")
