"""Discovery on a virtual clock: which markets are chosen, what is said of the others, and the exchange's own status."""

import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.clients.scripted_door import BACKOFF, RecordingBus, wall_us
from traderv3.clients.discovery import STATUS_PERIOD_S, MarketDiscovery
from traderv3.clients.selection import Selection
from traderv3.config.limits import LIMITS
from traderv3.config.markets import MarketSelection, parse_markets
from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import ConnectivityError, TraderError
from traderv3.domain.events import MarketsDropped
from traderv3.domain.feed import Feed
from traderv3.protocol.rest import ExchangeStatus, Market

if TYPE_CHECKING:
    from traderv3.clients.rest import RestClient

DOWN = ConnectivityError("venue down")


class ScriptedRest:
    """A venue's markets; `error` is raised while it is set; each page takes `page_s`."""

    def __init__(self, *markets: Market, series: dict[str, str] | None = None) -> None:
        self.known = list(markets)
        self.series = series or {}  # event to series
        self.error: TraderError | None = None
        self.page_s = 0.0
        self.page_size = 1000
        self.status = ExchangeStatus(exchange_active=True, trading_active=True)
        self.filters: list[dict[str, str]] = []

    def _matches(self, market: Market, filters: dict[str, str]) -> bool:
        return (
            (filters.get("status") != "open" or market.status == "active")
            and filters.get("event_ticker", market.event_ticker) == market.event_ticker
            and filters.get("series_ticker") in (None, self.series.get(market.event_ticker))
        )

    async def markets(self, **filters: str) -> AsyncIterator[list[Market]]:
        self.filters.append(filters)
        found = [market for market in self.known if self._matches(market, filters)]
        for at in range(0, max(1, len(found)), self.page_size):
            await trio.sleep(self.page_s)
            if self.error is not None:
                raise self.error
            yield found[at : at + self.page_size]

    async def markets_named(self, tickers: Iterable[str]) -> list[Market]:
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        return [market for market in self.known if market.ticker in set(tickers)]

    async def exchange_status(self) -> ExchangeStatus:
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        return self.status


class Rig:
    """A discovery and all that it writes to."""

    def __init__(self, rest: ScriptedRest, wanted: str) -> None:
        self.rest = rest
        self.selection = Selection()
        self.feed = Feed()
        self.bus = RecordingBus()
        self.lifeline = Lifeline()
        self.longest_without_beat_s = 0.0
        selection: MarketSelection = parse_markets(wanted)
        self.discovery = MarketDiscovery(
            cast("RestClient", rest),
            selection,
            self.selection,
            self.feed,
            self.bus,
            wall_us=wall_us,
            rng=random.Random(1),
            backoff=BACKOFF,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.discovery.run, self.lifeline)
            nursery.start_soon(self._watch_beats)
            await wait_all_tasks_blocked()
            yield
            nursery.cancel_scope.cancel()

    async def _watch_beats(self) -> None:
        while True:
            silent_s = trio.current_time() - self.lifeline.last_beat
            self.longest_without_beat_s = max(self.longest_without_beat_s, silent_s)
            await trio.sleep(1)

    async def chosen(self) -> tuple[str, ...]:
        """What is chosen in the end."""
        async with self.running():
            return await self.selection.wait()
        raise AssertionError


def market(ticker: str, event: str = "", status: str = "active", volume: str = "0", interest: str = "0") -> Market:
    return Market(ticker, event, status, volume, interest)


VENUE = [
    market("E1-A", "E1", volume="5.00"),
    market("E1-B", "E1", volume="70.00", interest="1.00"),
    market("E1-OLD", "E1", status="finalized", volume="999.00"),
    market("E2-A", "E2", volume="70.00", interest="2.00"),
    market("E2-B", "E2", volume="not a number"),
]
SERIES = {"E1": "S", "E2": "S"}


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("E1-A", ("E1-A",)),
        ("E2-B,E1-A", ("E2-B", "E1-A")),
        ("E1-OLD", ("E1-OLD",)),  # a named market is taken whatever its status
        ("E1", ("E1-A", "E1-B")),
        ("S", ("E1-A", "E1-B", "E2-A", "E2-B")),
        ("E1-B,E1,S", ("E1-B", "E1-A", "E2-A", "E2-B")),
        ("auto:2", ("E2-A", "E1-B")),
        ("auto", ("E2-A", "E1-B", "E1-A", "E2-B")),
    ],
)
async def test_what_is_wanted_becomes_markets(autojump_clock: MockClock, wanted: str, chosen: tuple[str, ...]) -> None:
    rig = Rig(ScriptedRest(*VENUE, series=SERIES), wanted)

    assert await rig.chosen() == chosen
    assert rig.feed.problem is None
    assert rig.feed.absent == {}


async def test_the_most_active_are_found_over_all_pages(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(*(market(f"M{n}", volume=f"{n}.00") for n in range(950)))
    rest.page_size = 100
    rig = Rig(rest, "auto:3")

    assert await rig.chosen() == ("M949", "M948", "M947")


async def test_unknown_tickers_are_named_and_the_others_go_on(autojump_clock: MockClock) -> None:
    rig = Rig(ScriptedRest(*VENUE, series=SERIES), "E1-A,NOPE,E2-A,GONE")
    chosen = await rig.chosen()
    (dropped,) = rig.bus.of(MarketsDropped)

    assert chosen == ("E1-A", "E2-A")
    assert isinstance(dropped, MarketsDropped)
    assert dropped.tickers == ("NOPE", "GONE")
    assert set(rig.feed.absent) == {"NOPE", "GONE"}
    assert rig.feed.problem is None


async def test_nothing_left_is_a_problem_that_names_what_was_wanted(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(market("E1-A", "E1", status="finalized"))
    rig = Rig(rest, "E1,NOPE")
    async with rig.running():
        problem = rig.feed.problem
        rest.known.append(market("E1-B", "E1"))
        await trio.sleep(60)

        assert rig.selection.is_made
    assert problem == "no open market for E1,NOPE: check V3_MARKETS"
    assert rig.feed.problem is None


async def test_a_venue_that_is_down_is_waited_out(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(*VENUE)
    rest.error = DOWN
    rig = Rig(rest, "E1-A")
    async with rig.running():
        await trio.sleep(3600)
        when_down = (rig.selection.is_made, rig.feed.link_reason, rig.feed.problem)
        rest.error = None
        await trio.sleep(LIMITS.reconnect_most_s)

        assert rig.selection.is_made
        assert rig.lifeline.is_started
    assert when_down == (False, "venue down", None)
    assert rig.longest_without_beat_s < 2 * LIMITS.heartbeat_s


async def test_a_search_through_many_slow_pages_shows_signs_of_life(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(*(market(f"M{n}") for n in range(300)))
    rest.page_size, rest.page_s = 1, 2.0
    rig = Rig(rest, "auto:1")
    await rig.chosen()

    assert trio.current_time() > 500
    assert rig.longest_without_beat_s < LIMITS.heartbeat_s


async def test_the_exchanges_status_is_followed(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(*VENUE)
    rig = Rig(rest, "E1-A")
    seen: list[tuple[bool | None, bool | None]] = []
    async with rig.running():
        seen.append((rig.feed.exchange_active, rig.feed.trading_active))
        rest.status = ExchangeStatus(exchange_active=True, trading_active=False)
        await trio.sleep(STATUS_PERIOD_S + 1)
        seen.append((rig.feed.exchange_active, rig.feed.trading_active))
        rest.error = DOWN
        await trio.sleep(STATUS_PERIOD_S + 1)
        seen.append((rig.feed.exchange_active, rig.feed.trading_active))

    assert seen == [(True, True), (True, False), (None, None)]


async def test_a_restarted_discovery_keeps_the_choice(autojump_clock: MockClock) -> None:
    rig = Rig(ScriptedRest(*VENUE), "auto:1")
    first = await rig.chosen()
    searches = len(rig.rest.filters)
    async with rig.running():
        await trio.sleep(60)

    assert await rig.selection.wait() == first
    assert len(rig.rest.filters) == searches
