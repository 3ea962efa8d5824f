"""Discovery on a virtual clock: which markets are chosen, what is said of the others, and how they come and go."""

import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.clients.scripted_door import BACKOFF, RecordingBus, wall_us
from traderv3.clients.discovery import CACHE_S, CLOSED_KEPT_MAX, LOOK_GAP_S, LOOK_S, REFILL_S, MarketDiscovery
from traderv3.clients.selection import Selection
from traderv3.config.limits import LIMITS
from traderv3.config.markets import MarketSelection, parse_markets
from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError, TraderError
from traderv3.domain.events import MarketsDropped
from traderv3.domain.feed import Feed
from traderv3.domain.market_facts import MarketLifecycle
from traderv3.domain.units import parse_qty
from traderv3.protocol.rest import ListedMarket

if TYPE_CHECKING:
    from traderv3.clients.rest import RestClient

DOWN = ConnectivityError("venue down")


class ScriptedRest:
    """A venue's markets; `error` is raised while it is set; each page takes `page_s`."""

    def __init__(self, *markets: ListedMarket, series: dict[str, str] | None = None) -> None:
        self.known = list(markets)
        self.series = series or {}  # event to series
        self.error: TraderError | None = None
        self.page_s = 0.0
        self.page_size = 1000
        self.filters: list[dict[str, str]] = []

    def _matches(self, market: ListedMarket, filters: dict[str, str]) -> bool:
        return (
            (filters.get("status") != "open" or market.status == "active")
            and filters.get("event_ticker", market.event_ticker) == market.event_ticker
            and filters.get("series_ticker") in (None, self.series.get(market.event_ticker))
        )

    async def markets(self, **filters: str) -> AsyncIterator[list[ListedMarket]]:
        self.filters.append(filters)
        found = [market for market in self.known if self._matches(market, filters)]
        for at in range(0, max(1, len(found)), self.page_size):
            await trio.sleep(self.page_s)
            if self.error is not None:
                raise self.error
            yield found[at : at + self.page_size]

    async def markets_named(self, tickers: Iterable[str]) -> AsyncIterator[list[ListedMarket]]:
        found = [market for market in self.known if market.ticker in set(tickers)]
        for at in range(0, max(1, len(found)), self.page_size):
            await trio.sleep(self.page_s)
            if self.error is not None:
                raise self.error
            yield found[at : at + self.page_size]


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


def market(
    ticker: str,
    event: str = "",
    status: str = "active",
    volume: str = "0",
    interest: str = "0",
    *,
    close_us: int | None = None,
) -> ListedMarket:
    return ListedMarket(ticker, event, status, close_us, parse_qty(volume), parse_qty(interest))


VENUE = [
    market("E1-A", "E1", volume="5.00"),
    market("E1-B", "E1", volume="70.00", interest="1.00"),
    market("E1-OLD", "E1", status="finalized", volume="999.00"),
    market("E2-A", "E2", volume="70.00", interest="2.00"),
    market("E2-B", "E2"),
]
SERIES = {"E1": "S", "E2": "S"}


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("E1-A", ("E1-A",)),
        ("E2-B,E1-A", ("E2-B", "E1-A")),
        ("E1-OLD,E2-B", ("E2-B",)),  # what is over is not watched
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


async def test_without_rest_what_looks_like_a_market_is_watched_and_rest_has_the_last_word(
    autojump_clock: MockClock,
) -> None:
    rest = ScriptedRest(market("S-E1-A", "S-E1"), market("S-E2-X-B", "S-E2-X"), market("S-E3-OLD", "S-E3", "finalized"))
    rest.error = DOWN
    rig = Rig(rest, "S-E1-A,S-E2-X,S-E1,S-E3-OLD")
    async with rig.running():
        await trio.sleep(30)
        rig.feed.watch(rig.selection.tickers)  # as the connectors do
        when_down = rig.selection.tickers
        rest.error = None
        await trio.sleep(CACHE_S + LOOK_GAP_S)

        assert rig.selection.tickers == ["S-E1-A", "S-E2-X-B"]
        assert list(rig.feed.closed) == ["S-E3-OLD"]
        assert "S-E2-X" not in rig.feed.books
    assert when_down == ["S-E1-A", "S-E2-X", "S-E3-OLD"]
    assert rig.feed.problem is None


async def test_without_rest_an_event_alone_or_auto_is_waited_for(autojump_clock: MockClock) -> None:
    for wanted in ("E1", "S-E1", "auto:2"):
        rest = ScriptedRest(*VENUE)
        rest.error = DOWN
        rig = Rig(rest, wanted)
        async with rig.running():
            await trio.sleep(300)

            assert not rig.selection.is_made


async def test_pages_without_end_are_a_choice_all_the_same(autojump_clock: MockClock) -> None:
    class Circle(ScriptedRest):
        async def markets(self, **filters: str) -> AsyncIterator[list[ListedMarket]]:
            for _ in range(3):
                await trio.lowlevel.checkpoint()
                yield self.known
            raise RemoteProtocolError("the pages go round in a circle")

    rig = Rig(Circle(*VENUE), "auto:3")

    assert await rig.chosen() == ("E1-OLD", "E2-A", "E1-B")


async def test_a_search_through_many_slow_pages_shows_signs_of_life(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(*(market(f"M{n}") for n in range(300)))
    rest.page_size, rest.page_s = 1, 2.0
    rig = Rig(rest, "auto:1")
    await rig.chosen()

    assert trio.current_time() > 500
    assert rig.longest_without_beat_s < LIMITS.heartbeat_s


async def test_looks_at_many_markets_through_a_slow_venue_show_signs_of_life(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(*(market(f"M{n}") for n in range(100)))
    rest.page_size, rest.page_s = 1, 2.0
    rig = Rig(rest, "auto:100")
    async with rig.running():
        await trio.sleep(1000)

    assert rig.longest_without_beat_s < LIMITS.heartbeat_s


async def test_a_quiet_hour_shows_signs_of_life(autojump_clock: MockClock) -> None:
    rig = Rig(ScriptedRest(*VENUE), "auto:1")
    async with rig.running():
        await trio.sleep(3600)

    assert rig.longest_without_beat_s < LIMITS.heartbeat_s


async def test_a_restarted_discovery_keeps_the_choice(autojump_clock: MockClock) -> None:
    rig = Rig(ScriptedRest(*VENUE), "auto:1")
    first = await rig.chosen()
    searches = len(rig.rest.filters)
    async with rig.running():
        await trio.sleep(LOOK_S)

    assert await rig.selection.wait() == first
    assert len(rig.rest.filters) == searches


# -- coming and going ------------------------------------------------------------------------------------------------


def fact(ticker: str, event_type: str, *, close_us: int | None = None) -> MarketLifecycle:
    return MarketLifecycle(ticker=ticker, event_type=event_type, is_combo=False, close_us=close_us, received_us=0)


async def test_a_market_that_is_decided_leaves_at_once_and_its_book_stays(autojump_clock: MockClock) -> None:
    rig = Rig(ScriptedRest(*VENUE), "E1-A,E1-B")
    async with rig.running():
        rig.feed.watch(rig.selection.tickers)
        rig.feed.books["E1-A"].replace([(4500, 100)], [])
        rig.discovery.heed(fact("E1-A", "determined"))

        assert rig.selection.tickers == ["E1-B"]
        assert rig.feed.closed == {"E1-A": "the market is determined"}
        assert rig.feed.statuses["E1-A"] == "determined"
        assert rig.feed.books["E1-A"].levels(is_yes=True) == [(4500, 100)]


async def test_a_halted_market_stays_and_its_status_is_known(autojump_clock: MockClock) -> None:
    rig = Rig(ScriptedRest(*VENUE), "E1-A")
    async with rig.running():
        rig.feed.watch(rig.selection.tickers)
        rig.discovery.heed(fact("E1-A", "deactivated"))
        halted = rig.feed.statuses["E1-A"]
        rig.discovery.heed(fact("E1-A", "activated"))

        assert rig.selection.tickers == ["E1-A"]
        assert rig.feed.statuses["E1-A"] == "active"
    assert halted == "inactive"


async def test_a_market_that_opens_again_returns(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(*VENUE)
    rig = Rig(rest, "E1-A,E1-B")
    async with rig.running():
        rig.feed.watch(rig.selection.tickers)
        rest.known[0] = market("E1-A", "E1", status="closed")
        rig.discovery.look_soon()
        await trio.sleep(2 * LOOK_GAP_S)
        when_closed = (rig.selection.tickers, dict(rig.feed.closed))
        rest.known[0] = market("E1-A", "E1")
        rig.discovery.heed(fact("E1-A", "close_date_updated", close_us=wall_us() + 3_600_000_000))
        await trio.sleep(2 * LOOK_GAP_S)

        assert set(rig.selection.tickers) == {"E1-A", "E1-B"}
        assert rig.feed.closed == {}
    assert when_closed == (["E1-B"], {"E1-A": "the market is closed"})


async def test_a_close_by_the_clock_is_found_even_behind_a_cached_answer(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(market("A", close_us=wall_us() + 600_000_000), market("B"))
    rig = Rig(rest, "A,B")
    async with rig.running():
        rig.feed.watch(rig.selection.tickers)
        await trio.sleep(600)
        still_open = rig.selection.tickers
        await trio.sleep(CACHE_S - LOOK_GAP_S)
        rest.known[0] = market("A", status="closed")
        await trio.sleep(CACHE_S + 2 * LOOK_GAP_S)

        assert rig.selection.tickers == ["B"]
    assert still_open == ["A", "B"]


async def test_a_new_market_of_a_group_and_an_unknown_one_come_in_when_they_exist(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(*VENUE)
    rig = Rig(rest, "E1,LATER")
    async with rig.running():
        before = rig.selection.tickers
        rest.known.append(market("E1-NEW", "E1"))
        rig.discovery.heed(fact("E1-NEW", "created"))
        await trio.sleep(2 * LOOK_GAP_S)
        soon = rig.selection.tickers
        rest.known.append(market("LATER"))
        await trio.sleep(LOOK_S + 2 * LOOK_GAP_S)

        assert set(rig.selection.tickers) == {"E1-A", "E1-B", "E1-NEW", "LATER"}
        assert rig.feed.absent == {}
    assert (before, set(soon)) == (["E1-A", "E1-B"], {"E1-A", "E1-B", "E1-NEW"})
    assert len(rig.bus.of(MarketsDropped)) == 1  # said once, however often it is looked for


async def test_auto_fills_up_after_a_close_and_looks_no_more_often_than_that(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(market("A", volume="9"), market("B", volume="8"), market("C", volume="7"))
    rig = Rig(rest, "auto:2")
    async with rig.running():
        rig.feed.watch(rig.selection.tickers)
        rest.known[0] = market("A", status="finalized")
        rig.discovery.heed(fact("A", "settled"))
        rig.discovery.look_soon()
        await trio.sleep(2 * LOOK_GAP_S)
        filled = rig.selection.tickers
        rig.discovery.heed(fact("B", "settled"))
        rest.known[1] = market("B", status="finalized")
        searches = len(rest.filters)
        await trio.sleep(REFILL_S)

        assert rig.selection.tickers == ["C"]
    assert filled == ["B", "C"]
    assert len(rest.filters) - searches <= 2


async def test_auto_keeps_a_bounded_number_of_last_books(autojump_clock: MockClock) -> None:
    many = [market(f"M{n:03}", volume=f"{999 - n}") for n in range(CLOSED_KEPT_MAX + 50)]
    rest = ScriptedRest(*many, market("LAST"))
    rig = Rig(rest, f"auto:{len(many)}")
    async with rig.running():
        rig.feed.watch(rig.selection.tickers)
        for one in many:
            rig.discovery.heed(fact(one.ticker, "settled"))
        rest.known[:-1] = [market(one.ticker, status="finalized") for one in many]
        await trio.sleep(LOOK_S + 2 * LOOK_GAP_S)

        assert len(rig.feed.closed) == CLOSED_KEPT_MAX
        assert len(rig.feed.books) == CLOSED_KEPT_MAX
        assert rig.selection.tickers == ["LAST"]


async def test_every_market_over_is_a_problem_that_says_so(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(market("A"))
    rig = Rig(rest, "A")
    async with rig.running():
        rig.feed.watch(rig.selection.tickers)
        rest.known[0] = market("A", status="closed")
        await trio.sleep(LOOK_S + 2 * LOOK_GAP_S)

        assert rig.feed.problem == "every market of A is over: A"


async def test_a_venue_that_is_away_changes_nothing(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(*VENUE)
    rig = Rig(rest, "E1-A")
    async with rig.running():
        rest.error = DOWN
        await trio.sleep(10 * LOOK_S)

        assert rig.selection.tickers == ["E1-A"]
        assert rig.feed.problem is None
    assert rig.longest_without_beat_s <= LOOK_S + LOOK_GAP_S + 1


async def test_however_much_is_announced_looks_are_spaced(autojump_clock: MockClock) -> None:
    rest = ScriptedRest(*VENUE)
    rig = Rig(rest, "E1")
    async with rig.running():
        for _ in range(100):
            rig.discovery.look_soon()
            await trio.sleep(0.1)

    assert len(rest.filters) <= 2 + 2 * 10 / LOOK_GAP_S
