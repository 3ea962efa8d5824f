"""The gate on a virtual clock: what is tried again and when, what is not, tokens, and the breaker."""

import random
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from traderv3.clients.rest_gate import BREAKER, DEADLINE_S, TRIES_MAX, RestGate, RestStats, Throttled
from traderv3.clients.venue_clock import VenueClock
from traderv3.core.breaker import BreakerState
from traderv3.domain.errors import (
    ConnectivityError,
    EnvironmentMismatch,
    RemoteProtocolError,
    TraderError,
    VenueRefused,
)
from traderv3.protocol.rest_account import AccountLimits, BucketLimit, EndpointCosts

AWAY = ConnectivityError("away")
BUSY = Throttled("too many requests")
REFUSED = VenueRefused("no", status=404)
UNREADABLE = RemoteProtocolError("what?")


def wall_us() -> int:
    return 1_795_000_000_000_000 + int(trio.current_time() * 1e6)


class Venue:
    """Answers with each outcome of the script in turn, then "ok"; each try takes `takes_s`."""

    def __init__(self, *script: TraderError | str, takes_s: float = 0.0) -> None:
        self.script = list(script)
        self.takes_s = takes_s
        self.tried_at: list[float] = []

    async def attempt(self, left_s: float) -> str:
        self.tried_at.append(trio.current_time())
        with trio.move_on_after(left_s):
            await trio.sleep(self.takes_s)
            outcome = self.script.pop(0) if self.script else "ok"
            if isinstance(outcome, TraderError):
                raise outcome
            return outcome
        raise ConnectivityError("silent")


class Rig:
    def __init__(self) -> None:
        self.gate = RestGate(wall_us=wall_us, rng=random.Random(1))
        self.clock = VenueClock(wall_us)

    def stats(self) -> RestStats:
        return self.gate.stats(self.clock)

    async def ask(self, attempt: Callable[[float], Awaitable[str]], method: str = "GET", route: str = "/x") -> str:
        return await self.gate.ask(method, route, attempt)

    async def break_down(self) -> None:
        """Fail until the breaker is open."""
        while self.gate.breaker.state is not BreakerState.OPEN:
            with pytest.raises(ConnectivityError):
                await self.ask(Venue(*[AWAY] * TRIES_MAX).attempt)


@pytest.mark.parametrize("error", [AWAY, BUSY], ids=["away", "busy"])
async def test_a_get_is_tried_again(autojump_clock: MockClock, error: TraderError) -> None:
    rig, venue = Rig(), Venue(error, error)

    assert await rig.ask(venue.attempt) == "ok"
    first, second, third = venue.tried_at
    assert 0.1 <= second - first < 0.6
    assert 0.2 <= third - second < 1.1
    assert rig.stats().retried == 2


@pytest.mark.parametrize("error", [AWAY, BUSY], ids=["away", "busy"])
async def test_tries_are_bounded(autojump_clock: MockClock, error: TraderError) -> None:
    venue = Venue(*[error] * 9)
    with pytest.raises(ConnectivityError) as raised:
        await Rig().ask(venue.attempt)

    assert raised.value is error
    assert len(venue.tried_at) == TRIES_MAX


@pytest.mark.parametrize("error", [REFUSED, UNREADABLE, EnvironmentMismatch("no")], ids=["4xx", "unreadable", "host"])
async def test_what_another_try_would_not_mend_is_not_tried_again(
    autojump_clock: MockClock, error: TraderError
) -> None:
    venue = Venue(error)
    with pytest.raises(type(error)):
        await Rig().ask(venue.attempt)

    assert len(venue.tried_at) == 1


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
@pytest.mark.parametrize("error", [AWAY, BUSY], ids=["away", "busy"])
async def test_whatever_may_change_something_is_sent_once(
    autojump_clock: MockClock, method: str, error: TraderError
) -> None:
    venue = Venue(error)
    with pytest.raises(ConnectivityError):
        await Rig().ask(venue.attempt, method)

    assert len(venue.tried_at) == 1


async def test_all_tries_together_have_a_deadline(autojump_clock: MockClock) -> None:
    venue = Venue(takes_s=20.0)
    venue.script = [AWAY] * 3
    with pytest.raises(ConnectivityError, match="silent"):
        await Rig().ask(venue.attempt)

    assert len(venue.tried_at) == 2
    assert trio.current_time() == pytest.approx(DEADLINE_S)


# -- tokens --------------------------------------------------------------------------------------------------------


async def test_requests_keep_to_the_budget(autojump_clock: MockClock) -> None:
    rig, venue = Rig(), Venue()
    for _ in range(60):
        await rig.ask(venue.attempt)

    assert venue.tried_at[19] == 0.0  # the whole bucket at once
    assert trio.current_time() == pytest.approx(40 * 10 / 200)
    assert rig.stats().read_tokens == 0


async def test_reads_and_writes_have_buckets_of_their_own(autojump_clock: MockClock) -> None:
    rig, venue = Rig(), Venue()
    for _ in range(20):
        await rig.ask(venue.attempt)
    await rig.ask(venue.attempt, "POST")

    assert trio.current_time() == 0.0
    assert (rig.stats().read_tokens, rig.stats().write_tokens) == (0, 90)


async def test_measured_limits_and_costs_are_kept_to(autojump_clock: MockClock) -> None:
    rig, venue = Rig(), Venue()
    rig.gate.adopt(AccountLimits("advanced", BucketLimit(300, 900), BucketLimit(300, 600)))
    rig.gate.costs = EndpointCosts(10, {("GET", "/dear"): 150})
    await rig.ask(venue.attempt, route="/dear")
    stats = rig.stats()

    assert (stats.usage_tier, stats.read_rate, stats.read_capacity) == ("advanced", 300, 900)
    assert stats.read_tokens == 50


async def test_the_balance_is_asked_for_once_a_second(autojump_clock: MockClock) -> None:
    rig, venue = Rig(), Venue()
    for _ in range(3):
        await rig.ask(venue.attempt, route="/portfolio/balance")

    assert venue.tried_at == pytest.approx([0.0, 1.0, 2.0])
    assert rig.stats().read_tokens == 200


async def test_a_429_empties_the_bucket_for_everybody(autojump_clock: MockClock) -> None:
    rig = Rig()
    with pytest.raises(Throttled):
        await rig.ask(Venue(*[BUSY] * TRIES_MAX).attempt)
    began, later = trio.current_time(), Venue()
    await rig.ask(later.attempt)

    assert later.tried_at == [pytest.approx(began + 10 / 200)]
    assert rig.stats().throttled == TRIES_MAX
    assert rig.stats().failures == 0


async def test_tokens_that_come_too_late_are_not_waited_for(autojump_clock: MockClock) -> None:
    rig, venue = Rig(), Venue()
    rig.gate.adopt(AccountLimits("odd", BucketLimit(1, 100), BucketLimit(1, 100)))
    rig.gate.read.empty(trio.current_time())
    rig.gate.costs = EndpointCosts(60)
    with pytest.raises(ConnectivityError, match="tokens suffice in 60 s"):
        await rig.ask(venue.attempt)

    assert venue.tried_at == []
    assert trio.current_time() == 0.0
    assert rig.stats().retried == 0


# -- breaker -------------------------------------------------------------------------------------------------------


async def test_after_enough_failures_nothing_is_sent_and_the_error_says_when(autojump_clock: MockClock) -> None:
    rig, venue = Rig(), Venue()
    await rig.break_down()
    began = trio.current_time()
    with pytest.raises(ConnectivityError, match=r"GET /x: not sent, .* in 10 s \(away\)"):
        await rig.ask(venue.attempt)

    assert venue.tried_at == []
    assert trio.current_time() == began
    assert rig.stats().breaker is BreakerState.OPEN
    assert rig.stats().next_probe_s == BREAKER.rest_s


async def test_one_probe_alone_decides(autojump_clock: MockClock) -> None:
    rig, probe, other = Rig(), Venue(takes_s=5.0), Venue()
    await rig.break_down()
    await trio.sleep(BREAKER.rest_s)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.ask, probe.attempt)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ConnectivityError, match="one try is under way"):
            await rig.ask(other.attempt)
        during = rig.stats().breaker

    assert (during, rig.stats().breaker) == (BreakerState.HALF_OPEN, BreakerState.CLOSED)
    assert await rig.ask(other.attempt) == "ok"
    assert rig.stats().breaker_since_us == wall_us()


async def test_a_failed_probe_is_not_repeated_at_once(autojump_clock: MockClock) -> None:
    rig, venue = Rig(), Venue(*[AWAY] * 3)
    await rig.break_down()
    await trio.sleep(BREAKER.rest_s)
    with pytest.raises(ConnectivityError, match="away"):
        await rig.ask(venue.attempt)

    assert len(venue.tried_at) == 1
    assert rig.stats().breaker is BreakerState.OPEN


async def test_a_cancelled_probe_does_not_block_the_next(autojump_clock: MockClock) -> None:
    rig, venue = Rig(), Venue()
    await rig.break_down()
    await trio.sleep(BREAKER.rest_s)
    with trio.move_on_after(1):
        await rig.ask(Venue(takes_s=5.0).attempt)

    assert await rig.ask(venue.attempt) == "ok"
    assert rig.stats().breaker is BreakerState.CLOSED


@pytest.mark.parametrize("answer", [REFUSED, BUSY], ids=["4xx", "429"])
async def test_a_venue_that_says_no_is_there(autojump_clock: MockClock, answer: TraderError) -> None:
    rig = Rig()
    for _ in range(20):
        with pytest.raises(type(answer)):
            await rig.ask(Venue(*[answer] * TRIES_MAX).attempt)

    assert rig.stats().breaker is BreakerState.CLOSED


async def test_unreadable_answers_open_it_too(autojump_clock: MockClock) -> None:
    rig = Rig()
    for _ in range(BREAKER.calls_min):
        with pytest.raises(RemoteProtocolError):
            await rig.ask(Venue(UNREADABLE).attempt)

    assert rig.stats().breaker is BreakerState.OPEN


async def test_the_account_says_what_happened(autojump_clock: MockClock) -> None:
    rig = Rig()
    await rig.ask(Venue(AWAY, BUSY).attempt)
    with pytest.raises(VenueRefused):
        await rig.ask(Venue(REFUSED).attempt)
    stats = rig.stats()

    assert (stats.requests, stats.failures, stats.throttled, stats.refused, stats.retried) == (4, 1, 1, 1, 2)
    assert (stats.last_error, stats.last_error_us) == ("no", wall_us())
    assert (stats.usage_tier, stats.is_clock_measured) == (None, False)
