"""The actor that learns what holds for whole events: their series, whether one outcome excludes the others, their fees.

Risk adds up losses by it, the shadow venue charges by it; what is not known yet is treated as the worst by whoever asks.
Source: `GET /events/{e}`, `GET /series/{s}`, the `event_fee_update` message.
Dies: only when an invariant breaks; what cannot be had is asked for again.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Final

import structlog
import trio

from traderv3.clients.rest import RestClient
from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import TraderError
from traderv3.domain.feed import EventTerms, Feed
from traderv3.domain.fees import FeeSchedule
from traderv3.domain.market_facts import EventFeeUpdate, EventLifecycle

log = structlog.get_logger(component="market_terms")

LOOK_S: Final = 2.0  # how soon a new event is asked about
RETRY_S: Final = 30.0
AGAIN_S: Final = 3600.0  # everything is asked again: a message may have been lost
SERIES_KEPT_MAX: Final = 10_000
_PPM: Final = 1_000_000


class MarketTerms:
    """Keeps `Feed.events` true for the events of all watched markets."""

    name = "market_terms"

    def __init__(self, rest: Callable[[], RestClient], feed: Feed) -> None:
        self._rest = rest
        self._feed = feed
        self._due_at: dict[str, float] = {}  # by event
        self._series: dict[str, FeeSchedule] = {}

    async def run(self, lifeline: Lifeline) -> None:
        """Ask for ever, one event at a time."""
        lifeline.started()
        while True:
            lifeline.beat()
            now = trio.current_time()
            wanted = {listing.event_ticker for listing in self._feed.listings.values() if listing.event_ticker}
            for event in sorted(event for event in wanted if self._due_at.get(event, 0.0) <= now):
                lifeline.beat()
                await self._learn(event)
            for gone in self._due_at.keys() - wanted:
                del self._due_at[gone]
                self._feed.events.pop(gone, None)
            await trio.sleep(LOOK_S)

    def heed(self, fact: EventFeeUpdate | EventLifecycle) -> None:
        """Take what the lifecycle channel tells of an event. Does not wait."""
        held = self._feed.events.get(fact.event_ticker)
        if held is None:
            return
        if isinstance(fact, EventFeeUpdate) and fact.fee_type is not None and fact.multiplier_ppm is not None:
            fees = FeeSchedule(fact.fee_type, Fraction(fact.multiplier_ppm, _PPM))
            self._feed.events[fact.event_ticker] = replace(held, fees=fees)
        self._due_at[fact.event_ticker] = 0.0  # REST has the last word

    async def _learn(self, event_ticker: str) -> None:
        try:
            event = await self._rest().event(event_ticker)
            fees = event.fees or await self._fees_of(event.series_ticker)
        except TraderError as exc:
            log.info("terms of an event not known", ticker=event_ticker, error=str(exc))
            self._due_at[event_ticker] = trio.current_time() + RETRY_S
            return
        self._feed.events[event_ticker] = EventTerms(event.series_ticker, event.is_mutually_exclusive, fees)
        self._due_at[event_ticker] = trio.current_time() + AGAIN_S

    async def _fees_of(self, series_ticker: str) -> FeeSchedule:
        """A series' own fees; asked once in a process, for they change by day."""
        if series_ticker not in self._series:
            if len(self._series) >= SERIES_KEPT_MAX:
                self._series.clear()
            self._series[series_ticker] = (await self._rest().series(series_ticker)).fees
        return self._series[series_ticker]
