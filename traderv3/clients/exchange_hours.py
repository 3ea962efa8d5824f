"""The actor that keeps `Feed.hours` true: asks the exchange whether it is open, when it will not be, and how often we may ask.

Source: `GET /exchange/status` (also as the body of a 503), `GET /exchange/schedule`, `GET /account/limits`.
Dies: only when an invariant breaks. What cannot be learnt is None, never the last answer for ever.
"""

from collections.abc import Callable
from typing import Final

import structlog
import trio

from traderv3.clients.rest import RestClient
from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import TraderError
from traderv3.domain.feed import Feed
from traderv3.protocol.schedule import Schedule, next_pause

log = structlog.get_logger(component="exchange_hours")

STATUS_PERIOD_S: Final = 15.0  # the venue's public answers are cached for about as long
TERMS_PERIOD_S: Final = 3600.0
TERMS_RETRY_S: Final = 60.0


class ExchangeHours:
    """Asks for the status often, for the schedule and our account's limits now and then."""

    name = "exchange_hours"

    def __init__(self, rest: RestClient, feed: Feed, *, wall_us: Callable[[], int]) -> None:
        self._rest = rest
        self._hours = feed.hours
        self._wall_us = wall_us
        self._schedule: Schedule | None = None
        self._terms_due = 0.0

    async def run(self, lifeline: Lifeline) -> None:
        """Ask for ever."""
        lifeline.started()
        while True:
            lifeline.beat()
            await self._learn_status()
            if trio.current_time() >= self._terms_due:
                lifeline.beat()
                is_known = await self._learn_terms(lifeline)
                self._terms_due = trio.current_time() + (TERMS_PERIOD_S if is_known else TERMS_RETRY_S)
            if self._schedule is not None:
                self._hours.pause = next_pause(self._schedule, self._wall_us())
            await trio.sleep(STATUS_PERIOD_S)

    async def _learn_status(self) -> None:
        hours = self._hours
        before = (hours.is_exchange_active, hours.is_trading_active)
        try:
            status = await self._rest.exchange_status()
        except TraderError as exc:
            if before != (None, None):
                log.warning("exchange status unknown", error=str(exc))
            hours.is_exchange_active = hours.is_trading_active = hours.resume_us = None
            return
        hours.is_exchange_active, hours.is_trading_active = status.exchange_active, status.trading_active
        is_open = status.exchange_active and status.trading_active
        hours.resume_us = None if is_open else status.resume_us
        if (hours.is_exchange_active, hours.is_trading_active) != before:
            log.info("exchange status", exchange_active=status.exchange_active, trading_active=status.trading_active)

    async def _learn_terms(self, lifeline: Lifeline) -> bool:
        """Read the schedule and the account's limits, each whether or not the other can be had; False if one cannot."""
        is_known = True
        for learn in (self._learn_schedule, self._rest.read_limits):
            try:
                await learn()
            except TraderError as exc:
                log.info("schedule or limits not known", error=str(exc))
                is_known = False
            lifeline.beat()
        return is_known

    async def _learn_schedule(self) -> None:
        self._schedule = await self._rest.schedule()
