"""The actor that decides which markets are watched: finds them, then follows them as they open, close and come back.

An event or series ticker stands for its open markets; `auto:N` for the N most active open ones (24-hour volume, then
open interest), and where one of those closes the next takes its place. A market that is over leaves the selection; its
last book stays. A ticker that names nothing is said in a warning, looked for again, and the others go on; none left is a
problem. What the lifecycle channel tells is acted on at once; REST, asked every minute and when a market's time is up,
has the last word, since a market that opens or closes by the clock is announced to nobody. While REST cannot be had at
all, names that look like markets are watched untested, and REST has its word once it is back.
Dies: only when an invariant breaks; a venue that is down is waited out.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import structlog
import trio

from traderv3.clients.rest import RestClient
from traderv3.clients.selection import Selection
from traderv3.config.markets import MARKETS_MAX, AutoMarkets, MarketSelection, NamedMarkets
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff
from traderv3.domain.errors import RemoteProtocolError, TraderError
from traderv3.domain.events import MarketsDropped
from traderv3.domain.feed import Feed, Listing
from traderv3.domain.market_facts import MarketLifecycle
from traderv3.protocol.rest import ListedMarket

log = structlog.get_logger(component="discovery")

LOOK_S: Final = 60.0
LOOK_GAP_S: Final = 2.0  # between two looks, however much is announced
CACHE_S: Final = 15.0  # a public answer may be as old as this
REFILL_S: Final = 600.0  # `auto` with fewer markets than wanted: all open ones are read again
CLOSED_KEPT_MAX: Final = 200  # last books that `auto` keeps; a market that was named keeps its own for ever
FAILURES_BLIND: Final = 3  # searches in vain, of three requests each; then we go on without REST
UNKNOWN: Final = "the venue knows no market, and no event or series with open markets, of that name"
OVER: Final = frozenset({"closed", "determined", "disputed", "amended", "finalized", "settled"})


class MarketDiscovery:
    """Makes the `Selection` and keeps it true, with `Feed.statuses`, `closed` and `absent`."""

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
        self._is_look_due = trio.Event()
        self._close_us: dict[str, int] = {}
        self._refill_at = 0.0
        self._has_looked = True  # the last look came to its end
        self._unanswered = 0  # searches in a row that REST did not answer
        self._untested: set[str] = set()

    async def run(self, lifeline: Lifeline) -> None:
        """Find, then follow, for ever."""
        lifeline.started()
        self._selection.announce()
        failures = 0
        while not self._selection.is_made:
            lifeline.beat()
            if await self._try_to_find(lifeline) or (self._unanswered >= FAILURES_BLIND and self._go_on_blind()):
                break
            failures += 1
            await trio.sleep(self._backoff.delay_s(failures, self._rng))
        self._is_look_due.set()  # one that starts anew knows no closing times, and may have missed what was told
        while True:
            await self._wait_for_look(lifeline)
            try:
                await self._look(lifeline)
                self._has_looked = True
            except TraderError as exc:
                self._has_looked = False
                log.info("markets could not be looked at again", error=str(exc))

    async def _wait_for_look(self, lifeline: Lifeline) -> None:
        await trio.sleep(LOOK_GAP_S)
        await lifeline.wait(self._is_look_due.wait, until=trio.current_time() + self._until_look_s())
        self._is_look_due = trio.Event()
        lifeline.beat()

    def heed(self, fact: MarketLifecycle) -> None:
        """Take what the lifecycle channel tells of some market, ours or not. Does not wait."""
        ticker, feed = fact.ticker, self._feed
        if ticker not in feed.books and ticker not in feed.absent:
            if fact.event_type in ("created", "activated") and self._may_be_wanted(ticker):
                self._is_look_due.set()
            return
        if fact.close_us is not None:
            self._close_us[ticker] = fact.close_us
            feed.listings[ticker] = replace(feed.listings.get(ticker, Listing()), close_us=fact.close_us)
        match fact.event_type:
            case "determined" | "settled":
                self._dismiss(ticker, "determined" if fact.event_type == "determined" else "finalized")
            case "deactivated":
                feed.statuses[ticker] = "inactive"
            case "activated":
                feed.statuses[ticker] = "active"
                self._admit(ticker)
            case _:
                self._is_look_due.set()

    def look_soon(self) -> None:
        """Something may have been missed: ask REST."""
        self._is_look_due.set()

    def _may_be_wanted(self, ticker: str) -> bool:
        """A hint only, for the look that follows: what a market belongs to is not read from its ticker."""
        match self._wanted:
            case AutoMarkets(count):
                return len(self._selection) < count
            case NamedMarkets(names):
                return any(ticker.startswith(name) for name in names)

    def _until_look_s(self) -> float:
        """Until the next look: a minute, or less where a market's time is up before."""
        watched = set(self._selection.tickers)
        ends_us = min((at_us for t, at_us in self._close_us.items() if t in watched), default=None)
        if self._untested or not self._has_looked:
            return CACHE_S
        if ends_us is None:
            return LOOK_S
        left_s = (ends_us - self._wall_us()) / 1e6
        return min(LOOK_S, max(0.0, left_s) if left_s > -LOOK_GAP_S else CACHE_S)

    # -- finding -------------------------------------------------------------------------------------------------------

    async def _try_to_find(self, lifeline: Lifeline) -> bool:
        try:
            tickers = await self._find(lifeline)
        except TraderError as exc:
            log.warning("markets not found yet", error=str(exc))
            self._feed.search_reason = str(exc)
            self._unanswered += 1
            return False
        self._unanswered = 0
        if not tickers:
            self._feed.problem = f"no open market for {self._wanted}: check V3_MARKETS"
            log.error(self._feed.problem)
            return False
        self._feed.problem = None
        for ticker in tickers:
            self._feed.absent.pop(ticker, None)  # an earlier look may not have found it, or found it closed
            self._feed.reopen(ticker)
        self._selection.make(tickers)
        log.info("markets chosen", count=len(tickers), tickers=",".join(tickers[:20]))
        return True

    def _go_on_blind(self) -> bool:
        """Watch what was named and looks like a market (series, event, outcome); False if there is no such name."""
        names = self._wanted.tickers if isinstance(self._wanted, NamedMarkets) else ()
        likely = [name for name in names if name.count("-") >= 2]
        if not likely:
            return False
        log.warning("REST stays away; markets are watched as they were named", tickers=",".join(likely[:20]))
        self._untested = set(likely)
        self._selection.make(likely)
        return True

    async def _find(self, lifeline: Lifeline) -> list[str]:
        match self._wanted:
            case AutoMarkets(count):
                return await self._most_active(count, lifeline)
            case NamedMarkets(names):
                return await self._named(names, lifeline)

    async def _most_active(self, count: int, lifeline: Lifeline) -> list[str]:
        found: list[ListedMarket] = []
        try:
            async for page in self._rest.markets(status="open", mve_filter="exclude"):
                lifeline.beat()  # a hundred pages take longer than our heartbeat
                found = sorted({m.ticker: m for m in found + page}.values(), key=_activity, reverse=True)[:count]
        except RemoteProtocolError as exc:  # pages in a circle, or without end: what they showed is a choice, too
            if not found:
                raise
            log.warning("the list of markets was not read to its end", error=str(exc))
        self._refill_at = trio.current_time() + REFILL_S
        self._learn(found)
        return [market.ticker for market in found]

    async def _named(self, names: tuple[str, ...], lifeline: Lifeline) -> list[str]:
        """Markets by their names, in that order, whatever names nothing told and put among the absent."""
        markets = {market.ticker: market for market in await self._ask_for(names, lifeline)}
        self._learn(markets.values())
        chosen: dict[str, None] = {}  # an ordered set
        unknown: list[str] = []
        for name in names:
            market = markets.get(name)
            members = await self._open_markets_of(name, lifeline) if market is None else []
            chosen.update(dict.fromkeys(members))
            if market is None and not members:
                unknown.append(name)
            elif market is not None and market.status in OVER:
                self._feed.watch([name])
                self._feed.close(name, f"the market is {market.status}")
            elif market is not None:
                chosen[name] = None
        self._tell_unknown(unknown)
        if len(chosen) > MARKETS_MAX:
            log.warning("too many markets, the first are watched", found=len(chosen), watched=MARKETS_MAX)
        return list(chosen)[:MARKETS_MAX]

    async def _ask_for(self, tickers: Iterable[str], lifeline: Lifeline) -> list[ListedMarket]:
        found: list[ListedMarket] = []
        async for page in self._rest.markets_named(tickers):
            lifeline.beat()
            found += page
        return found

    def _tell_unknown(self, unknown: list[str]) -> None:
        fresh = [name for name in unknown if name not in self._feed.absent]
        self._feed.absent.update(dict.fromkeys(unknown, UNKNOWN))
        if fresh:
            self._bus.publish(MarketsDropped(tuple(fresh), UNKNOWN, self._wall_us()))

    async def _open_markets_of(self, name: str, lifeline: Lifeline) -> list[str]:
        """The open markets of an event or else a series of that name."""
        for kind in ("event_ticker", "series_ticker"):
            members: list[ListedMarket] = []
            async for page in self._rest.markets(status="open", **{kind: name}):
                lifeline.beat()
                members += page
            if members:
                self._learn(members)
                return [market.ticker for market in members]
        return []

    def _learn(self, markets: Iterable[ListedMarket]) -> None:
        for market in markets:
            self._feed.statuses[market.ticker] = market.status
            event = market.event_ticker or None
            listing = Listing(market.title, market.close_us, market.grid, event, market.shard)
            if self._feed.listings.get(market.ticker) != listing:
                self._feed.listings[market.ticker] = listing
            if market.close_us is not None:
                self._close_us[market.ticker] = market.close_us

    # -- following -----------------------------------------------------------------------------------------------------

    async def _look(self, lifeline: Lifeline) -> None:
        """Ask REST how the markets are that we watch or would, and follow."""
        feed, watched = self._feed, self._selection.tickers
        unknown = set(self._untested)
        async for page in self._rest.markets_named([*watched, *list(feed.closed)[-CLOSED_KEPT_MAX:]]):
            lifeline.beat()
            self._learn(page)
            for market in page:
                unknown.discard(market.ticker)
                if market.status in OVER:
                    self._dismiss(market.ticker, market.status)
                elif market.ticker in feed.closed:
                    self._admit(market.ticker)
        for ticker in sorted(unknown):
            self._selection.dismiss(ticker)
            feed.forget(ticker)
        self._untested.clear()
        await self._look_for_more(lifeline)
        self._forget_the_oldest()
        if not len(self._selection):  # the next snapshot of any book takes it back
            feed.problem = f"every market of {self._wanted} is over: {', '.join(feed.closed)[:200]}"

    async def _look_for_more(self, lifeline: Lifeline) -> None:
        match self._wanted:
            case AutoMarkets(count):
                if len(self._selection) < count and trio.current_time() >= self._refill_at:
                    for ticker in await self._most_active(count, lifeline):
                        if len(self._selection) < count:
                            self._admit(ticker)
            case NamedMarkets(names):
                groups = tuple(name for name in names if name not in self._feed.books)
                for ticker in await self._named(groups, lifeline):
                    self._admit(ticker)

    def _admit(self, ticker: str) -> None:
        feed = self._feed
        was_closed = feed.reopen(ticker)
        was_absent = feed.absent.pop(ticker, None) is not None
        if ticker in self._selection or len(self._selection) >= MARKETS_MAX:
            return
        self._selection.admit(ticker)
        log.info("market comes in", ticker=ticker, again=was_closed or was_absent)

    def _dismiss(self, ticker: str, status: str) -> None:
        feed = self._feed
        feed.statuses[ticker] = status
        self._close_us.pop(ticker, None)
        if ticker not in feed.books or ticker in feed.closed:
            return
        feed.close(ticker, f"the market is {status}")
        self._selection.dismiss(ticker)
        self._refill_at = 0.0
        log.info("market goes out", ticker=ticker, status=status)

    def _forget_the_oldest(self) -> None:
        """`auto` over weeks: what nobody named and closed long ago."""
        if isinstance(self._wanted, NamedMarkets):
            return
        for ticker in list(self._feed.closed)[:-CLOSED_KEPT_MAX]:
            self._feed.forget(ticker)
            self._close_us.pop(ticker, None)


def _activity(market: ListedMarket) -> tuple[int, int]:
    return market.volume_24h, market.open_interest
