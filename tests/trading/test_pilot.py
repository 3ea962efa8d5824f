"""The pilot's decision as a table over all facts, then the pilot itself on a virtual clock."""

import itertools
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff
from traderv3.domain.events import StateChanged
from traderv3.domain.feed import AWAY_FAILURES, Feed, Link
from traderv3.domain.hours import Pause
from traderv3.domain.states import EDGES, OPERATING, State
from traderv3.trading.pilot import IDLE_S, Facts, Pilot, TradingFacts, next_move

MARKETS = ("KXONE", "KXTWO", "KXTHREE")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No log lines on the terminal."""
    with capture_logs():
        yield


# -- the decision ------------------------------------------------------------------------------------------------------


def facts(**differing: object) -> Facts:
    """All is well, except for what is given."""
    well: dict[str, object] = {
        "is_served": True,
        "is_connected": True,
        "live": 3,
        "syncing": 0,
        "stale": 0,
        "watched": 3,
        "absent": 0,
        "unserved": 0,
        "lost_s": 0.0,
        "link_reason": "closed by the venue",
        "closed": None,
        "problem": None,
        "retry_in_s": 0.0,
    }
    return Facts(**{**well, **differing})  # type: ignore[arg-type]


EVERY_FACT = [
    facts(
        is_served=is_served,
        is_connected=is_connected,
        live=live,
        syncing=syncing,
        stale=stale,
        lost_s=lost_s,
        problem=problem,
        retry_in_s=retry_in_s,
    )
    for is_served, is_connected, live, syncing, stale, lost_s, problem, retry_in_s in itertools.product(
        (False, True), (False, True), (0, 3), (0, 1), (0, 1), (0.0, 0.99, 1.0), (None, "bad key"), (0.0, 4.0)
    )
]


def expected_target(state: State, known: Facts) -> State | None:
    """The design's words, one after another."""
    is_fed = known.is_connected and known.live > 0
    has_all = is_fed and known.syncing == 0 and known.stale == 0
    if state is State.STARTUP:
        return State.INITIALIZING
    if state is State.INITIALIZING:
        return State.CONNECTIVITY if known.is_served else None
    if state is State.CONNECTIVITY:
        return State.ERROR if known.problem else State.READY if has_all else None
    if state in OPERATING:
        return State.ERROR if known.problem else State.CONNECTIVITY if known.lost_s >= 1 else None
    if state is State.ERROR:
        return State.CONNECTIVITY if not known.problem and (is_fed or known.retry_in_s == 0) else None
    return None


@pytest.mark.parametrize("state", list(State))
def test_the_next_move_follows_from_the_facts(state: State) -> None:
    for known in EVERY_FACT:
        move = next_move(state, known)

        assert (move and move.target) == expected_target(state, known), known
        if move is not None:
            assert move.target in EDGES[state]
            assert move.target is not State.SHUTDOWN
            assert move.context


@pytest.mark.parametrize(
    ("state", "known", "context"),
    [
        (State.CONNECTIVITY, facts(), "3 of 3 markets live"),
        (State.CONNECTIVITY, facts(live=2, absent=1), "2 of 3 markets live, 1 without a book"),
        (State.CONNECTIVITY, facts(live=2, unserved=1), "2 of 3 markets live, 1 without a book"),
        (State.CONNECTIVITY, facts(problem="the venue refused our key"), "the venue refused our key"),
        (State.READY, facts(problem="the venue refused our key"), "the venue refused our key"),
        (State.READY, facts(lost_s=1.0, is_connected=False), "connection lost: closed by the venue"),
        (State.READY, facts(lost_s=1.0, live=0), "no live book"),
        (State.ERROR, facts(retry_in_s=9.0), "the venue is back"),
        (State.ERROR, facts(live=0), "trying again"),
    ],
)
def test_a_move_says_why_in_a_sentence(state: State, known: Facts, context: str) -> None:
    move = next_move(state, known)

    assert move is not None
    assert move.context == context


# -- trading -----------------------------------------------------------------------------------------------------------

TRADING = [
    TradingFacts(may_trade=may_trade, is_clean=is_clean, idle_s=idle_s, why="because")
    for may_trade, is_clean, idle_s in itertools.product((False, True), (False, True), (0.0, IDLE_S / 2, IDLE_S))
]


def expected_in_trading(state: State, trading: TradingFacts) -> State | None:
    """The design's words, one after another."""
    if state is State.READY:
        return State.CALIBRATING if trading.may_trade else None
    if not trading.may_trade:
        return State.READY
    if state is State.CALIBRATING:
        return State.TRADING_READY if trading.is_clean else None
    if not trading.is_clean:
        return State.CALIBRATING
    if state is State.TRADING_READY:
        return State.ACTING if trading.idle_s == 0 else None
    return State.TRADING_READY if trading.idle_s >= IDLE_S else None


@pytest.mark.parametrize("state", sorted(OPERATING))
def test_the_next_move_in_trading_follows_from_its_facts(state: State) -> None:
    for trading in TRADING:
        move = next_move(state, facts(trading=trading))

        assert (move and move.target) == expected_in_trading(state, trading), trading
        if move is not None:
            assert move.target in EDGES[state]
            assert move.context


def test_a_lost_venue_and_a_problem_come_before_all_trading() -> None:
    for state, trading in itertools.product(OPERATING, TRADING):
        lost = next_move(state, facts(trading=trading, lost_s=1.0, is_connected=False))
        bad = next_move(state, facts(trading=trading, problem="bad key"))

        assert lost is not None
        assert bad is not None
        assert (lost.target, bad.target) == (State.CONNECTIVITY, State.ERROR)


def test_outside_of_operation_trading_moves_nothing() -> None:
    for state, trading in itertools.product(frozenset(State) - OPERATING, TRADING):
        assert next_move(state, facts(trading=trading)) == next_move(state, facts())


# -- the actor ---------------------------------------------------------------------------------------------------------


class Flight:
    """A pilot over a feed that the test moves by hand."""

    def __init__(self) -> None:
        self.feed = Feed()
        self.feed.watch(MARKETS)
        self.line = self.feed.line("orderbook_connector")
        self.bus = EventBus()
        self.changes: list[tuple[float, State, str]] = []
        self.is_served = True
        self.bus.subscribe("test", [StateChanged], self._note)
        self.pilot = Pilot(
            self.feed,
            self.bus,
            is_served=lambda: self.is_served,
            wall_us=lambda: int(trio.current_time() * 1e6),
            rng=random.Random(0),
            backoff=Backoff(first_s=2, most_s=30, jitter=0),
        )

    async def _note(self, change: StateChanged) -> None:
        await trio.lowlevel.checkpoint()
        self.changes.append((trio.current_time(), change.target, change.context))

    def is_in(self, state: State) -> bool:
        """Whether this is where the trader is."""
        return self.pilot.machine.state is state

    @property
    def visited(self) -> list[State]:
        """The states entered, in order."""
        return [state for _, state, _ in self.changes]

    def connect(self) -> None:
        """The venue accepts us."""
        self.line.link = Link.CONNECTED

    def snapshot(self, *tickers: str) -> None:
        """First snapshots, or repairs."""
        for ticker in tickers or MARKETS:
            self.feed.books[ticker].replace([(4500, 100)], [(5000, 100)])

    def lose(self, reason: str = "closed by the venue") -> None:
        """The connection goes, and takes trust in every book along."""
        self.line.link, self.line.reason = Link.DISCONNECTED, reason
        self.stale(*MARKETS)

    def stale(self, *tickers: str) -> None:
        """These books are not to be believed."""
        for ticker in tickers:
            self.feed.books[ticker].mark_stale("test")

    @asynccontextmanager
    async def flying(self) -> AsyncIterator[None]:
        """The pilot and the bus as running actors."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.bus.run, Lifeline())
            nursery.start_soon(self.pilot.run, Lifeline())
            yield
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def ready(self) -> AsyncIterator[None]:
        """The same, in `ready`, half a second in."""
        self.connect()
        self.snapshot()
        async with self.flying():
            await trio.sleep(0.5)
            assert self.is_in(State.READY)
            yield


async def test_it_goes_from_startup_to_ready_in_the_contracts_order(autojump_clock: MockClock) -> None:
    flight = Flight()
    flight.is_served = False

    async with flight.flying():
        await trio.sleep(1)
        assert flight.is_in(State.INITIALIZING)
        flight.is_served = True
        await trio.sleep(1)
        assert flight.is_in(State.CONNECTIVITY)
        flight.connect()
        flight.snapshot("KXONE", "KXTWO")
        await trio.sleep(1)
        assert flight.is_in(State.CONNECTIVITY)
        flight.snapshot("KXTHREE")
        await trio.sleep(1)

    assert flight.visited == [State.INITIALIZING, State.CONNECTIVITY, State.READY]
    assert flight.changes[-1][2] == "3 of 3 markets live"


async def test_a_market_whose_absence_is_explained_is_not_waited_for(autojump_clock: MockClock) -> None:
    flight = Flight()
    flight.connect()
    flight.snapshot("KXONE", "KXTWO")
    flight.feed.absent["KXTHREE"] = "unknown ticker"

    async with flight.flying():
        await trio.sleep(1)

    assert flight.is_in(State.READY)
    assert flight.changes[-1][2] == "2 of 3 markets live, 1 without a book"


async def test_a_connection_that_fails_again_and_again_is_not_waited_for(autojump_clock: MockClock) -> None:
    flight = Flight()
    flight.connect()
    flight.snapshot("KXONE", "KXTWO")
    other = flight.feed.line("orderbook_connector_2")
    other.tickers = ("KXTHREE",)

    async with flight.flying():
        for failures in range(AWAY_FAILURES):
            other.failures = failures
            await trio.sleep(1)
            assert flight.is_in(State.CONNECTIVITY)
        other.failures = AWAY_FAILURES
        await trio.sleep(1)

    assert flight.is_in(State.READY)
    assert flight.changes[-1][2] == "2 of 3 markets live, 1 without a book"


async def test_every_transition_follows_its_cause_within_100_ms(autojump_clock: MockClock) -> None:
    flight = Flight()
    flight.connect()
    causes: list[float] = []
    rng = random.Random(1)

    async with flight.flying():
        await trio.sleep(1)
        for _ in range(20):
            await trio.sleep(rng.random())
            causes.append(trio.current_time())
            flight.connect()
            flight.snapshot()
            await trio.sleep(0.3 + rng.random())
            causes.append(trio.current_time() + 1.0)  # the second that a lost venue is given
            flight.lose()
            await trio.sleep(1.3)

    moments = [at_s for at_s, state, _ in flight.changes[2:]]
    assert len(moments) == len(causes)
    assert max(moment - cause for moment, cause in zip(moments, causes, strict=True)) < 0.1


async def test_it_leaves_ready_one_second_after_the_connection_is_gone(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        lost_at = trio.current_time()
        flight.lose("no pong for 30 s")
        await trio.sleep(0.9)
        assert flight.is_in(State.READY)
        await trio.sleep(0.3)

    at_s, state, context = flight.changes[-1]
    assert (state, context) == (State.CONNECTIVITY, "connection lost: no pong for 30 s")
    assert 1.0 - 0.05 <= at_s - lost_at <= 1.1


async def test_it_leaves_ready_one_second_after_the_last_live_book_is_gone(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        flight.stale(*MARKETS)
        await trio.sleep(1.1)

    assert flight.changes[-1][1:] == (State.CONNECTIVITY, "no live book")


async def test_a_connection_that_comes_back_within_the_second_changes_nothing(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        for _ in range(20):
            flight.lose()
            await trio.sleep(0.8)
            flight.connect()
            flight.snapshot()
            await trio.sleep(0.2)

    assert flight.visited[-1] is State.READY


async def test_a_single_stale_book_is_no_reason_to_leave_ready(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        flight.stale("KXONE")
        await trio.sleep(600)
        assert flight.is_in(State.READY)
        flight.stale("KXTWO")
        await trio.sleep(600)

    assert flight.visited[-1] is State.READY


async def test_thirty_minutes_of_silence_on_every_market_leave_it_ready(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        await trio.sleep(30 * 60)

    assert flight.visited == [State.INITIALIZING, State.CONNECTIVITY, State.READY]


async def test_a_venue_that_stays_away_ends_in_error_is_tried_again_with_backoff_and_found_again(
    autojump_clock: MockClock,
) -> None:
    flight = Flight()

    async with flight.ready():
        flight.lose()
        await trio.sleep(1 + 3 * 120 + 2 + 4 + 8 + 60)
        assert flight.is_in(State.CONNECTIVITY)
        flight.connect()
        flight.snapshot()
        await trio.sleep(0.1)

    at_s = [at for at, _, _ in flight.changes]
    waits = [later - earlier for earlier, later in itertools.pairwise(at_s)]
    lost = flight.visited.index(State.READY) + 1
    assert flight.visited[lost:] == [State.CONNECTIVITY, State.ERROR] * 3 + [State.CONNECTIVITY, State.READY]
    assert waits[lost:-1] == pytest.approx([120, 2, 120, 4, 120, 8], abs=0.1)
    contexts = [context for _, state, context in flight.changes if state is State.ERROR]
    assert contexts == ["kalshi_connectivity_orderbook_client took longer than 120 s: closed by the venue"] * 3


async def test_reaching_ready_starts_the_backoff_of_errors_anew(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        for _ in range(3):
            flight.feed.problem = "no market left"
            await trio.sleep(0.1)
            assert flight.is_in(State.ERROR)
            flight.lose()
            flight.feed.problem = None
            await trio.sleep(2.5)
            assert flight.is_in(State.CONNECTIVITY)
            flight.connect()
            flight.snapshot()
            await trio.sleep(0.2)
            assert flight.is_in(State.READY)

    entered = [(state, at_s) for at_s, state, _ in flight.changes]
    waits = [two[1] - one[1] for one, two in itertools.pairwise(entered) if one[0] is State.ERROR]
    assert waits == pytest.approx([2, 2, 2], abs=0.1)


async def test_a_problem_that_a_person_must_mend_is_an_error_at_once_and_says_so(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        flight.feed.problem = "the venue refused our key"
        await trio.sleep(0.1)

    assert flight.changes[-1][1:] == (State.ERROR, "the venue refused our key")


async def test_an_error_that_a_person_must_mend_is_not_tried_away(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        flight.feed.problem = "the venue refused our key"
        await trio.sleep(300)

    assert flight.changes[-1][1] is State.ERROR
    assert [change[1] for change in flight.changes].count(State.ERROR) == 1


async def test_one_unanswered_market_is_explained_and_the_others_make_it_ready(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        book = next(iter(flight.feed.books.values()))
        book.mark_stale("gap")
        book.is_unserved = True
        flight.line.link = Link.DISCONNECTED
        await trio.sleep(2)
        assert flight.changes[-1][1] is State.CONNECTIVITY
        flight.line.link = Link.CONNECTED
        await trio.sleep(1)

    assert flight.changes[-1][1:] == (State.READY, "2 of 3 markets live, 1 without a book")


async def test_a_venue_that_says_it_is_closed_is_waited_for_without_an_error(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        flight.feed.hours.pause = Pause(0, 7200_000_000)
        flight.lose()
        await trio.sleep(3600)
        flight.feed.hours.pause = None
        await trio.sleep(119)
        when_open = flight.changes[-1]
        await trio.sleep(2)

    assert when_open[1] is State.CONNECTIVITY
    assert when_open[2].startswith("the exchange has its maintenance window until 1970-01-01 02:00 UTC")
    assert "connection lost: closed by the venue" in when_open[2]
    assert flight.changes[-1][1] is State.ERROR


async def test_a_venue_that_is_back_ends_an_error_before_its_next_try(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        flight.feed.problem = "no market left"
        await trio.sleep(0.1)
        flight.feed.problem = None
        await trio.sleep(0.2)

    assert [change[1:] for change in flight.changes[-2:]] == [
        (State.CONNECTIVITY, "the venue is back"),
        (State.READY, "3 of 3 markets live"),
    ]


async def test_a_stop_in_the_midst_of_its_looks_is_not_an_error(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        flight.lose()
        await trio.sleep(1)
        for _ in range(100):  # whichever comes first at the instant of a look
            if flight.pilot.machine.may(State.SHUTDOWN):
                await flight.pilot.machine.to(State.SHUTDOWN, "asked to stop")
        await trio.sleep(10)

    assert flight.is_in(State.SHUTDOWN)


async def test_a_restart_of_the_pilot_keeps_the_state(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        pass
    async with flight.flying():
        await trio.sleep(10)

    assert flight.is_in(State.READY)
    assert flight.visited.count(State.READY) == 1


async def test_the_time_of_the_state_is_the_time_of_its_announcement(autojump_clock: MockClock) -> None:
    flight = Flight()

    async with flight.ready():
        pass

    assert flight.pilot.since_us == int(flight.changes[-1][0] * 1e6)


async def test_who_reads_the_state_finds_the_transition_that_led_to_it(autojump_clock: MockClock) -> None:
    recorded: list[State] = []
    pilot = Pilot(
        Feed(),
        EventBus(),  # nobody runs it: what goes over the bus comes later
        is_served=lambda: False,
        wall_us=lambda: 0,
        rng=random.Random(1),
        backoff=Backoff(),
        record=lambda event: recorded.append(event.target),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pilot.run, Lifeline())
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert recorded == [State.INITIALIZING] == [pilot.machine.state]
