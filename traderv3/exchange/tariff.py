"""What each market charges: its event's fees, or its series', or nothing while a waiver lasts.

Units: rates as exact fractions, times microseconds since the epoch. Source: Kalshi's fee schedule of 2026-07-07.
Never: money; `domain.fees` reckons.
"""

from collections.abc import Mapping
from fractions import Fraction

from traderv3.domain.fees import NO_FEES, FeeSchedule
from traderv3.exchange.listing import Listing


class Tariff:
    """The fees of every listed market. An event's own go before those of its series."""

    def __init__(self, listings: Mapping[str, Listing]) -> None:
        self._listings = listings
        self._of_events: dict[str, FeeSchedule] = {}

    def override(self, event_ticker: str, fees: FeeSchedule | None) -> None:
        """Charge an event otherwise than its series; None: as its series again."""
        if fees is None:
            self._of_events.pop(event_ticker, None)
        else:
            self._of_events[event_ticker] = fees

    def rate(self, listing: Listing, *, is_taker: bool, at_us: int) -> Fraction:
        """What a fill is charged now."""
        waived_until_us = listing.market.fees_waived_until_us
        is_waived = waived_until_us is not None and at_us < waived_until_us
        return (NO_FEES if is_waived else self._fees(listing)).rate(is_taker=is_taker)

    def reserved_rate(self, ticker: str) -> Fraction:
        """What is set aside for an order: the taker's. A waiver may end while it rests, so it is not reckoned with."""
        return self._fees(self._listings[ticker]).rate(is_taker=True)

    def _fees(self, listing: Listing) -> FeeSchedule:
        event = listing.market.event
        return self._of_events.get(event.ticker, event.fees)
