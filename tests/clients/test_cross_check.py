"""The cross-check on a virtual clock: a venue whose book moves, REST that answers late or wrongly, and what is said of it."""

import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.clients.scripted_door import RecordingBus, wall_us
from traderv3.clients import cross_check
from traderv3.clients.cross_check import CrossCheck, Outcome, closest
from traderv3.config.limits import LIMITS
from traderv3.core.lifeline import Lifeline
from traderv3.domain.book import Book, BookState
from traderv3.domain.checks import BookDisagrees
from traderv3.domain.errors import ConnectivityError, TraderError
from traderv3.protocol.rest import RestBook

CACHE_S = 15.0


class Venue:
    """The true books, their history for a cached REST answer, and a stream that brings each change `lag_s` later."""

    def __init__(self, *tickers: str, cache_s: float = 0.0, lag_s: float = 0.0, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.books = {ticker: made_book(ticker) for ticker in tickers}  # ours, as the stream made them
        self.truth = {ticker: dict(book.yes) for ticker, book in self.books.items()}
        self.history = {ticker: deque([(-99.0, dict(yes))], maxlen=5000) for ticker, yes in self.truth.items()}
        self.cache_s = cache_s
        self.lag_s = lag_s
        self.error: TraderError | None = None
        self.takes_s = 0.1
        self.asked: list[str] = []

    async def orderbook(self, ticker: str) -> RestBook:
        self.asked.append(ticker)
        await trio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        as_of = trio.current_time() - self.cache_s
        return RestBook(next(dict(yes) for at, yes in reversed(self.history[ticker]) if at <= as_of), {})

    async def move(self, ticker: str, every_s: float) -> None:
        """Change a level now and then for ever."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(every_s)
                price, truth = self.rng.randrange(100, 5000, 100), self.truth[ticker]
                size = self.rng.choice([0, 100, 2550])
                change = size - truth.get(price, 0)
                truth[price] = size
                if size == 0:
                    del truth[price]
                self.history[ticker].append((trio.current_time(), dict(truth)))
                nursery.start_soon(self._stream, ticker, price, change)

    async def _stream(self, ticker: str, price: int, change: int) -> None:
        await trio.sleep(self.lag_s)
        if change:
            self.books[ticker].apply(True, price, change)


def made_book(ticker: str) -> Book:
    book = Book(ticker)
    book.replace([(price, 1000) for price in range(100, 5000, 100)], [])
    return book


class Rig:
    """A cross-check of one connection and all that it tells."""

    def __init__(self, venue: Venue, connections: dict[str, list[str]] | None = None) -> None:
        self.venue = venue
        self.connections = connections or {"feed-1": list(venue.books)}
        self.suspected: list[tuple[str, str]] = []
        self.bus = RecordingBus()
        self.lifeline = Lifeline()
        self.longest_without_beat_s = 0.0
        self.check = CrossCheck(venue, self.grouped, self.suspect, self.bus, wall_us=wall_us, rng=random.Random(7))

    def grouped(self) -> dict[str, list[Book]]:
        return {
            name: [self.venue.books[ticker] for ticker in tickers if ticker in self.venue.books]
            for name, tickers in self.connections.items()
        }

    def suspect(self, ticker: str, reason: str) -> None:
        """As the feed does; the connector's snapshot follows 5 s later."""
        self.suspected.append((ticker, reason))
        assert self.venue.books[ticker].mark_stale(reason)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.check.run, self.lifeline)
            nursery.start_soon(self._watch_beats)
            yield
            nursery.cancel_scope.cancel()

    async def _watch_beats(self) -> None:
        while True:
            silent_s = trio.current_time() - self.lifeline.last_beat
            self.longest_without_beat_s = max(self.longest_without_beat_s, silent_s)
            await trio.sleep(1)

    async def run_for(self, seconds: float, *, moving_s: float | None = None) -> None:
        async with trio.open_nursery() as nursery:
            if moving_s is not None:
                for ticker in self.venue.books:
                    nursery.start_soon(self.venue.move, ticker, moving_s)
            async with self.running():
                await trio.sleep(seconds)
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("cache_s", [0.0, 7.0, CACHE_S])
@pytest.mark.parametrize("lag_s", [0.0, 1.5])
async def test_a_moving_book_agrees_however_old_the_answer(
    autojump_clock: MockClock, cache_s: float, lag_s: float
) -> None:
    rig = Rig(Venue("A", cache_s=cache_s, lag_s=lag_s))
    await rig.run_for(10 * 60, moving_s=0.13)
    stats = rig.check.stats()

    assert (stats.agreed, stats.disagreed, stats.inconclusive, stats.score) == (10, 0, 0, 1.0)
    assert rig.suspected == []


@pytest.mark.parametrize("moving_s", [None, 0.13])
async def test_a_wrong_level_is_found_and_told(autojump_clock: MockClock, moving_s: float | None) -> None:
    rig = Rig(Venue("A", cache_s=CACHE_S))
    rig.venue.books["A"].apply(True, 4999, 100)  # a level that the venue does not have
    await rig.run_for(59, moving_s=moving_s)
    stats = rig.check.stats()
    (told,) = rig.bus.of(BookDisagrees)

    assert (stats.checked, stats.disagreed, stats.score) == (1, 1, 0.0)
    assert (stats.last_ticker, stats.last_outcome) == ("A", Outcome.DISAGREED)
    assert rig.suspected == [("A", "the venue's REST book differs in 1 level")]
    assert isinstance(told, BookDisagrees)
    assert (told.ticker, told.connection, told.levels_differing) == ("A", "feed-1", 1)
    assert rig.venue.asked == ["A", "A"]
    assert rig.venue.books["A"].state is BookState.STALE


async def test_after_the_resync_it_agrees_again(autojump_clock: MockClock) -> None:
    rig = Rig(Venue("A"))
    rig.venue.books["A"].apply(True, 100, -300)
    async with rig.running():
        await trio.sleep(45)
        rig.venue.books["A"].replace(rig.venue.truth["A"].items(), [])
        await trio.sleep(60)

    assert rig.check.stats().score == 0.5
    assert rig.check.stats().last_outcome is Outcome.AGREED


async def test_one_transient_answer_is_no_disagreement(autojump_clock: MockClock) -> None:
    rig = Rig(Venue("A"))
    rig.venue.history["A"].append((0.0, {}))
    async with rig.running():
        await trio.sleep(20)
        rig.venue.history["A"].append((trio.current_time(), dict(rig.venue.truth["A"])))
        await trio.sleep(39)

    assert rig.check.stats().last_outcome is Outcome.AGREED
    assert rig.venue.asked == ["A", "A"]


# -- inconclusive --------------------------------------------------------------------------------------------------


async def test_rest_being_away_is_no_trouble_of_the_book(autojump_clock: MockClock) -> None:
    rig = Rig(Venue("A"))
    rig.venue.error = ConnectivityError("away")
    rig.venue.books["A"].apply(True, 4999, 100)
    await rig.run_for(3 * 60)
    stats = rig.check.stats()

    assert (stats.checked, stats.inconclusive, stats.score, stats.last_reason) == (3, 3, None, "away")
    assert rig.suspected == []
    assert rig.venue.books["A"].state is BookState.LIVE


async def outcome_after(rig: Rig, at_s: float, *, change: str) -> tuple[Outcome | None, str]:
    """What a check of a wrong book comes to if something happens to the book in the middle."""
    book = rig.venue.books["A"]
    book.apply(True, 4999, 100)
    async with rig.running():
        await trio.sleep(at_s)
        match change:
            case "snapshot":
                book.replace(rig.venue.truth["A"].items(), [])
            case "stale":
                book.mark_stale("gap")
            case "left":
                del rig.venue.books["A"]
            case "busy":
                for n in range(cross_check.CHANGES_MAX + 1):
                    book.apply(False, 100, 1 if n % 2 == 0 else -1)
        await trio.sleep(45)
    assert book.witness is None
    return rig.check.stats().last_outcome, rig.check.stats().last_reason


@pytest.mark.parametrize("at_s", [5.0, 17.0, 25.0])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("snapshot", "a snapshot came"),
        ("stale", "the book is stale"),
        ("left", "the market has left"),
        ("busy", "more than 20000 changes"),
    ],
)
async def test_what_happens_to_the_book_meanwhile_leaves_nothing_to_say(
    autojump_clock: MockClock, at_s: float, change: str, reason: str
) -> None:
    rig = Rig(Venue("A"))

    assert await outcome_after(rig, at_s, change=change) == (Outcome.INCONCLUSIVE, reason)
    assert rig.suspected == []


async def test_a_check_that_is_stopped_leaves_no_witness(autojump_clock: MockClock) -> None:
    rig = Rig(Venue("A"))
    await rig.run_for(5)

    assert rig.venue.books["A"].witness is None


# -- which book, how often -----------------------------------------------------------------------------------------


async def test_every_connection_is_checked_once_a_minute(autojump_clock: MockClock) -> None:
    venue = Venue("A", "B", "C", "D")
    rig = Rig(venue, {"feed-1": ["A", "B"], "feed-2": ["C"], "feed-3": ["D"], "feed-4": []})
    await rig.run_for(4 * 60)

    assert len(venue.asked) == 4 * 3
    assert [venue.asked.count(ticker) for ticker in "ABCD"] == [2, 2, 4, 4]


async def test_busy_and_quiet_books_take_turns_and_each_is_seen(autojump_clock: MockClock) -> None:
    tickers = [f"M{n}" for n in range(8)]
    venue = Venue(*tickers)
    rig = Rig(venue)
    async with trio.open_nursery() as nursery:
        for ticker in tickers[:4]:
            nursery.start_soon(venue.move, ticker, 0.5)
        async with rig.running():
            await trio.sleep(60 * 8)
        nursery.cancel_scope.cancel()

    assert sorted(venue.asked) == tickers
    assert all(int(ticker[1]) < 4 for ticker in venue.asked[2::2])
    assert all(int(ticker[1]) >= 4 for ticker in venue.asked[3::2])


async def test_a_book_that_is_not_live_is_not_checked_and_the_first_live_one_soon_is(autojump_clock: MockClock) -> None:
    rig = Rig(Venue("A"))
    rig.venue.books["A"].mark_stale("gap")
    async with rig.running():
        await trio.sleep(600)
        before = rig.check.stats().checked
        rig.venue.books["A"].replace(rig.venue.truth["A"].items(), [])
        await trio.sleep(30)

    assert (before, rig.check.stats().checked) == (0, 1)


async def test_it_shows_signs_of_life_while_rest_is_slow(autojump_clock: MockClock) -> None:
    rig = Rig(Venue("A"))
    rig.venue.takes_s = 25.0
    await rig.run_for(600)

    assert rig.longest_without_beat_s < LIMITS.heartbeat_s
    assert rig.lifeline.is_started


async def test_the_score_is_of_the_last_sixty(autojump_clock: MockClock) -> None:
    rig = Rig(Venue("A"))
    rig.venue.books["A"].apply(True, 4999, 100)
    async with rig.running():
        await trio.sleep(45)
        rig.venue.books["A"].replace(rig.venue.truth["A"].items(), [])
        await trio.sleep(60 * cross_check.SCORE_CHECKS)

    assert rig.check.stats().disagreed == 1
    assert rig.check.stats().score == 1.0


# -- the comparison ------------------------------------------------------------------------------------------------

KEYS = st.tuples(st.booleans(), st.sampled_from([100, 200, 300]))
SIDES = st.dictionaries(KEYS, st.integers(1, 3))


@given(
    SIDES, st.lists(st.tuples(st.booleans(), st.sampled_from([100, 200, 300]), st.integers(-3, 3)), max_size=12), SIDES
)
def test_the_closest_version_is_the_one_that_a_plain_replay_finds(
    ours: dict[tuple[bool, int], int], changes: list[tuple[bool, int, int]], theirs: dict[tuple[bool, int], int]
) -> None:
    version, distances = dict(ours), list[int]()
    for is_yes, price, change in [(True, 100, 0), *changes]:
        version[(is_yes, price)] = version.get((is_yes, price), 0) + change
        keys = version.keys() | theirs.keys()
        distances.append(sum(version.get(key, 0) != theirs.get(key, 0) for key in keys))

    assert closest(ours, changes, theirs) == min(distances)
