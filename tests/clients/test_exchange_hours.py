"""The exchange's hours as the actor keeps them: open, paused, announced, and not known."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import trio
from trio.testing import MockClock

from traderv3.clients.exchange_hours import STATUS_PERIOD_S, TERMS_PERIOD_S, ExchangeHours
from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import ConnectivityError, TraderError, VenueRefused
from traderv3.domain.feed import Feed
from traderv3.domain.hours import Pause
from traderv3.protocol.rest import ExchangeStatus
from traderv3.protocol.schedule import Schedule

if TYPE_CHECKING:
    from traderv3.clients.rest import RestClient

NOW_US = 1_795_000_000_000_000
HOUR_US = 3600 * 1_000_000


class ScriptedRest:
    """Answers what the test says, and counts."""

    def __init__(self) -> None:
        self.status = ExchangeStatus(exchange_active=True, trading_active=True)
        self.plan = Schedule(weeks=(), maintenance_us=((NOW_US + HOUR_US, NOW_US + 2 * HOUR_US),))
        self.error: TraderError | None = None
        self.plan_error: TraderError | None = None
        self.asked = 0
        self.plans = 0
        self.limits_read = 0

    async def exchange_status(self) -> ExchangeStatus:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        return self.status

    async def read_limits(self) -> None:
        self.limits_read += 1
        await trio.lowlevel.checkpoint()

    async def schedule(self) -> Schedule:
        self.plans += 1
        await trio.lowlevel.checkpoint()
        if error := self.plan_error or self.error:
            raise error
        return self.plan


@asynccontextmanager
async def watching(rest: ScriptedRest) -> AsyncIterator[Feed]:
    feed = Feed()
    actor = ExchangeHours(cast("RestClient", rest), feed, wall_us=lambda: NOW_US + int(trio.current_time() * 1e6))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run, Lifeline())
        await trio.sleep(1)
        yield feed
        nursery.cancel_scope.cancel()


async def test_an_open_exchange_and_its_next_pause_are_known(autojump_clock: MockClock) -> None:
    async with watching(ScriptedRest()) as feed:
        hours = feed.hours

    assert (hours.is_exchange_active, hours.is_trading_active, hours.resume_us) == (True, True, None)
    assert hours.pause == Pause(NOW_US + HOUR_US, NOW_US + 2 * HOUR_US)


async def test_a_pause_is_known_with_the_exchanges_own_estimate_and_over_when_it_is(autojump_clock: MockClock) -> None:
    rest = ScriptedRest()
    async with watching(rest) as feed:
        rest.status = ExchangeStatus(
            exchange_active=False, trading_active=False, exchange_estimated_resume_time="2026-11-19T10:00:00Z"
        )
        await trio.sleep(STATUS_PERIOD_S)
        sentence = feed.hours.sentence(NOW_US)
        rest.status = ExchangeStatus(exchange_active=True, trading_active=True)
        await trio.sleep(STATUS_PERIOD_S)

        assert feed.hours.sentence(NOW_US) is None
        assert feed.hours.resume_us is None
    assert sentence == "the exchange is paused until 2026-11-19 10:00 UTC: no orders, no cancels; nothing to mend here"


async def test_what_can_not_be_learnt_is_not_known_and_an_announced_pause_still_holds(
    autojump_clock: MockClock,
) -> None:
    rest = ScriptedRest()
    async with watching(rest) as feed:
        rest.error = ConnectivityError("down")
        await trio.sleep(1.5 * TERMS_PERIOD_S)

        assert (feed.hours.is_exchange_active, feed.hours.is_trading_active) == (None, None)
        assert feed.hours.is_closed(NOW_US + int(trio.current_time() * 1e6))


async def test_the_status_is_asked_for_often_and_the_schedule_now_and_then(autojump_clock: MockClock) -> None:
    rest = ScriptedRest()
    async with watching(rest):
        await trio.sleep(2 * 3600)

    assert 450 <= rest.asked <= 485
    assert rest.plans in (2, 3)


async def test_a_venue_without_a_schedule_has_limits_all_the_same(autojump_clock: MockClock) -> None:
    rest = ScriptedRest()
    rest.plan_error = VenueRefused("not found", status=404)
    async with watching(rest) as feed:
        assert feed.hours.is_exchange_active

    assert rest.limits_read == 1
