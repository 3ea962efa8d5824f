"""The actor that finds the markets to watch, then keeps an eye on the exchange's own status.

An event or series ticker stands for its open markets; `auto:N` for the N most active open ones (24-hour volume, then
open interest). A ticker that names nothing is said in a warning and the others go on; none left is a problem.
Dies: only when an invariant breaks; a venue that is down is waited out.
"""

import random
from collections.abc import Callable
from typing import Final

import structlog
import trio

from traderv3.clients.rest import RestClient
from traderv3.clients.selection import Selection
from traderv3.config.markets import MARKETS_MAX, AutoMarkets, MarketSelection, NamedMarkets
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff
from traderv3.domain.errors import TraderError
from traderv3.domain.events import MarketsDropped
from traderv3.domain.feed import Feed
from traderv3.domain.units import UnitError, parse_qty
from traderv3.protocol.rest import Market

log = structlog.get_logger(component="discovery")

STATUS_PERIOD_S: Final = 15.0  # the venue's public answers are cached for about as long


class MarketDiscovery:
    """Makes the `Selection` once, then keeps `Feed.exchange_active` and `Feed.trading_active` true."""

    name = "discovery"

    def __init__(
        self,
        rest: RestClient,
        wanted: MarketSelection,
        selection: Selection,
        feed: Feed,
        bus: EventBus,
        *,
        wall_us: Callable[[], int],
        rng: random.Random,
        backoff: Backoff,
    ) -> None:
        self._rest = rest
        self._wanted = wanted
        self._selection = selection
        self._feed = feed
        self._bus = bus
        self._wall_us = wall_us
        self._rng = rng
        self._backoff = backoff

    async def run(self, lifeline: Lifeline) -> None:
        """Find, then watch, for ever."""
        lifeline.started()
        failures = 0
        while not self._selection.is_made:
            lifeline.beat()
            if await self._try_to_find(lifeline):
                break
            failures += 1
            await trio.sleep(self._backoff.delay_s(failures, self._rng))
        while True:
            lifeline.beat()
            await self._watch_status()
            await trio.sleep(STATUS_PERIOD_S)

    async def _try_to_find(self, lifeline: Lifeline) -> bool:
        try:
            tickers = await self._find(lifeline)
        except TraderError as exc:
            log.warning("markets not found yet", error=str(exc))
            self._feed.link_reason = str(exc)
            return False
        if not tickers:
            self._feed.problem = f"no open market for {self._wanted}: check V3_MARKETS"
            log.error(self._feed.problem)
            return False
        self._feed.problem = None
        for ticker in tickers:
            self._feed.absent.pop(ticker, None)  # an earlier look may not have found it
        self._selection.make(tickers)
        log.info("markets chosen", count=len(tickers), tickers=",".join(tickers[:20]))
        return True

    async def _find(self, lifeline: Lifeline) -> list[str]:
        match self._wanted:
            case AutoMarkets(count):
                return await self._most_active(count, lifeline)
            case NamedMarkets(tickers):
                return await self._named(tickers, lifeline)

    async def _most_active(self, count: int, lifeline: Lifeline) -> list[str]:
        found: list[Market] = []
        async for page in self._rest.markets(status="open", mve_filter="exclude"):
            lifeline.beat()  # a hundred pages take longer than our heartbeat
            found += page
            found.sort(key=_activity, reverse=True)
            del found[count:]
        return [market.ticker for market in found]

    async def _named(self, tickers: tuple[str, ...], lifeline: Lifeline) -> list[str]:
        known = {market.ticker for market in await self._rest.markets_named(tickers)}
        lifeline.beat()
        chosen: dict[str, None] = {}  # an ordered set
        unknown: list[str] = []
        for ticker in tickers:
            if ticker in known:
                chosen[ticker] = None
                continue
            members = await self._open_markets_of(ticker, lifeline)
            chosen.update(dict.fromkeys(members))
            if not members:
                unknown.append(ticker)
        if unknown:
            reason = "the venue knows no market, and no event or series with open markets, of that name"
            self._feed.absent.update(dict.fromkeys(unknown, reason))
            self._bus.publish(MarketsDropped(tuple(unknown), reason, self._wall_us()))
        if len(chosen) > MARKETS_MAX:
            log.warning("too many markets, the first are watched", found=len(chosen), watched=MARKETS_MAX)
        return list(chosen)[:MARKETS_MAX]

    async def _open_markets_of(self, ticker: str, lifeline: Lifeline) -> list[str]:
        """The open markets of an event or else a series of that name."""
        for kind in ("event_ticker", "series_ticker"):
            members: list[str] = []
            async for page in self._rest.markets(status="open", **{kind: ticker}):
                lifeline.beat()
                members += [market.ticker for market in page]
            if members:
                return members
        return []

    async def _watch_status(self) -> None:
        try:
            status = await self._rest.exchange_status()
        except TraderError as exc:
            if self._feed.exchange_active is not None:
                log.warning("exchange status unknown", error=str(exc))
            self._feed.exchange_active = self._feed.trading_active = None
            return
        now = (status.exchange_active, status.trading_active)
        if now != (self._feed.exchange_active, self._feed.trading_active):
            log.info("exchange status", exchange_active=now[0], trading_active=now[1])
        self._feed.exchange_active, self._feed.trading_active = now


def _activity(market: Market) -> tuple[int, int]:
    try:
        return parse_qty(market.volume_24h_fp), parse_qty(market.open_interest_fp)
    except UnitError:
        return 0, 0
