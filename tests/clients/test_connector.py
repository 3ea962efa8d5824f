"""The connector on a virtual clock: live books, repairs, reconnects for ever, refusals, and nothing stale believed."""

from contextlib import AbstractAsyncContextManager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.clients.scripted_door import BACKOFF, Line, Rig
from traderv3.config.limits import LIMITS
from traderv3.domain.book import BookState
from traderv3.domain.errors import ConnectivityError, VenueRefused
from traderv3.domain.events import (
    BooksRepaired,
    ConnectionLost,
    ConnectionUp,
    GapDetected,
    MarketsDropped,
)
from traderv3.domain.feed import Link

BAD_KEY = VenueRefused("HTTP 401", status=401)
DOWN = ConnectivityError("down")


def states(rig: Rig) -> set[BookState]:
    return {book.state for book in rig.feed.books.values()}


async def test_markets_are_subscribed_in_chunks_and_become_live(autojump_clock: MockClock) -> None:
    rig = Rig(*(f"M{n}" for n in range(7)), chunk=3)
    async with rig.running():
        live = rig.feed.live

        assert rig.levels_match()
    asked = [command["params"]["market_tickers"] for command in rig.venue.commands]

    assert live == 7
    assert [len(tickers) for tickers in asked] == [3, 3, 1]
    assert trio.current_time() < 1
    assert rig.feed.first_snapshot_us is not None
    assert len(rig.bus.of(ConnectionUp)) == 1


async def test_a_gap_is_stale_in_the_same_batch_and_repaired_in_place(autojump_clock: MockClock) -> None:
    rig = Rig("A", "B")
    async with rig.running():
        rig.line.is_answering = False
        rig.venue.change("A", "yes", 4000, 7)
        rig.venue.take()  # lost on the way
        rig.venue.change("B", "yes", 4000, 7)
        rig.line.flush()
        await wait_all_tasks_blocked()
        when_lost = states(rig)
        asked = rig.venue.commands[-1]["params"]
        rig.line.flush()
        await wait_all_tasks_blocked()

        assert (rig.feed.live, rig.levels_match()) == (2, True)
    (gap,) = rig.bus.of(GapDetected)

    assert when_lost == {BookState.STALE}
    assert asked == {"sids": [1], "action": "get_snapshot", "market_tickers": ["A", "B"]}
    assert isinstance(gap, GapDetected)
    assert (gap.expected, gap.got) == (3, 4)
    assert len(rig.bus.of(BooksRepaired)) == 1
    assert len(rig.door.attempts) == 1


async def test_a_gap_right_after_a_repair_is_mended_within_half_a_second_on_a_quiet_line(
    autojump_clock: MockClock,
) -> None:
    rig = Rig("A", "B")
    async with rig.running():
        for _ in range(2):
            rig.venue.change("A", "yes", 4000, 7)
            rig.venue.take()  # lost on the way
            rig.venue.change("B", "yes", 4000, 7)
            rig.line.flush()
            await wait_all_tasks_blocked()
        await trio.sleep(0.5)

        assert (rig.feed.live, rig.levels_match()) == (2, True)
    assert [line.how for line in rig.feed.gaps] == ["snapshot", "snapshot"]


async def test_half_an_hour_of_silence_leaves_the_books_live(autojump_clock: MockClock) -> None:
    rig = Rig("A", "B")
    async with rig.running():
        await trio.sleep(1800)

        assert (rig.feed.live, rig.feed.link) == (2, Link.CONNECTED)
    assert len(rig.door.attempts) == 1
    assert len(rig.venue.commands) == 1
    assert rig.longest_without_beat_s < LIMITS.heartbeat_s


async def test_a_lost_connection_is_made_again_and_the_books_with_it(autojump_clock: MockClock) -> None:
    rig = Rig("A", "B")
    async with rig.running():
        rig.venue.change("A", "yes", 4000, 7)  # nobody hears of this one
        rig.line.cut(ConnectivityError("cable pulled"))
        await wait_all_tasks_blocked()
        when_cut = (states(rig), rig.feed.link, rig.feed.link_reason, rig.feed.connected_us)
        await trio.sleep(1)

        assert (rig.feed.live, rig.levels_match()) == (2, True)
    lost, *_ = rig.bus.of(ConnectionLost)

    assert when_cut == ({BookState.STALE}, Link.DISCONNECTED, "cable pulled", None)
    assert isinstance(lost, ConnectionLost)
    assert lost.reason == "cable pulled"
    assert rig.door.waits == [pytest.approx(lost.retry_s, abs=0.01)]
    assert rig.feed.counters.reconnects == 1


async def test_no_book_is_believed_while_a_connection_is_being_left(autojump_clock: MockClock) -> None:
    rig = Rig("A", "B")
    async with rig.running():
        rig.line.cut()
        await trio.sleep(1)

        assert rig.feed.live == 2
    assert rig.door.live_when_left == [0, 0]  # after the cut, and after the cancellation


async def test_a_cancelled_connector_leaves_nothing_to_believe(autojump_clock: MockClock) -> None:
    rig = Rig("A", "B")
    async with rig.running():
        assert rig.feed.live == 2

    assert states(rig) == {BookState.STALE}
    assert rig.feed.link is Link.DISCONNECTED
    assert rig.feed.connected_us is None


async def test_a_broken_invariant_ends_the_actor_and_leaves_nothing_to_believe(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    with pytest.RaisesGroup(pytest.RaisesExc(AssertionError, match="bug")):
        async with rig.running():
            rig.line.cut(AssertionError("bug"))
            await trio.sleep(1)

    assert states(rig) == {BookState.STALE}
    assert rig.feed.link is Link.DISCONNECTED


# -- backoff -------------------------------------------------------------------------------------------------------


async def test_a_venue_that_is_down_is_tried_for_ever_with_capped_and_jittered_waits(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    rig.door.then = DOWN
    async with rig.running():
        await trio.sleep(3600)
    waits = rig.door.waits
    full = [min(BACKOFF.first_s * 2.0**n, BACKOFF.most_s) for n in range(len(waits))]

    assert len(waits) > 150
    for wait_s, full_s in zip(waits, full, strict=True):
        assert full_s * (1 - BACKOFF.jitter) - 0.001 <= wait_s <= full_s + 0.001
    assert max(waits) <= LIMITS.reconnect_most_s
    assert len({round(wait_s, 3) for wait_s in waits[10:]}) > 100
    assert rig.longest_without_beat_s < LIMITS.heartbeat_s


async def test_being_accepted_without_data_does_not_reset_the_backoff(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    rig.door.cuts_at_once = True
    async with rig.running():
        await trio.sleep(200)

    assert min(rig.door.waits[7:]) >= LIMITS.reconnect_most_s / 2
    assert len(rig.bus.of(ConnectionUp)) == len(rig.door.attempts)


async def test_what_another_connection_brings_does_not_reset_the_backoff(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    rig.door.is_answering = False  # accepts, and answers no command
    async with rig.running():
        for _ in range(600):
            await trio.sleep(1)
            rig.feed.counters.snapshots += 1

    assert min(rig.door.waits[7:]) >= LIMITS.reconnect_most_s / 2


async def test_useful_data_resets_the_backoff(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    rig.door.script = [DOWN] * 8
    async with rig.running():
        await trio.sleep(120)
        attempts = len(rig.door.attempts)
        rig.line.cut()
        await trio.sleep(1)

    assert attempts == 9
    assert rig.door.waits[-2] > 5
    assert rig.door.waits[-1] < 110
    assert rig.door.attempts[-1] - rig.door.attempts[-2] == rig.door.waits[-1]
    (*_, lost) = rig.bus.of(ConnectionLost)

    assert isinstance(lost, ConnectionLost)
    assert lost.retry_s <= BACKOFF.first_s


async def test_a_venue_that_answers_no_command_is_left_and_tried_again(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    rig.door.is_answering = False
    async with rig.running():
        await trio.sleep(60)

        assert rig.feed.live == 0
        rig.door.is_answering = True
        await trio.sleep(60)

        assert rig.feed.live == 1
    assert len(rig.door.attempts) > 3
    assert min(rig.door.waits[:3]) > LIMITS.answer_s


async def test_the_end_of_the_subscription_is_made_good_on_the_same_connection(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    async with rig.running():
        line = rig.line
        line.is_answering = False
        rig.venue.end(25)
        line.flush()
        await wait_all_tasks_blocked()
        when_ended = states(rig)
        line.is_answering = True
        line.flush()
        await trio.sleep(1)

        assert (rig.feed.live, rig.levels_match()) == (1, True)
    assert when_ended == {BookState.STALE}
    assert [command["cmd"] for command in rig.venue.commands] == ["subscribe", "subscribe"]
    assert len(rig.door.attempts) == 1


# -- what others decide ----------------------------------------------------------------------------------------------


async def test_markets_that_come_and_go_are_followed_on_the_same_connection(autojump_clock: MockClock) -> None:
    rig = Rig("A", "B", served=["A", "B", "C"])
    async with rig.running():
        rig.feed.close("B", "the market is closed")
        rig.selection.dismiss("B")
        rig.selection.admit("C")
        await trio.sleep(3)
        line = rig.feed.lines["orderbook_connector"]
        sets = [command["params"].get("action") for command in rig.venue.commands]

        assert {ticker: book.state for ticker, book in rig.feed.books.items()} == {
            "A": BookState.LIVE,
            "B": BookState.STALE,
            "C": BookState.LIVE,
        }
        assert rig.feed.books["B"].stale_reason == "the market is closed"
        assert line.tickers == ("A", "C")
        assert len(rig.door.attempts) == 1
    assert sorted(sets[1:]) == ["add_markets", "delete_markets"]


async def test_a_market_that_opens_again_returns_with_a_fresh_snapshot(autojump_clock: MockClock) -> None:
    rig = Rig("A", "B")
    async with rig.running():
        rig.feed.close("B", "the market is closed")
        rig.selection.dismiss("B")
        await trio.sleep(3)
        rig.venue.change("B", "yes", 4000, 7)
        rig.feed.closed.clear()
        rig.selection.admit("B")
        await trio.sleep(3)

        assert (rig.feed.live, rig.levels_match()) == (2, True)


async def test_a_market_that_closes_and_opens_again_before_we_look_returns_too(autojump_clock: MockClock) -> None:
    rig = Rig("A", "B")
    async with rig.running():
        rig.selection.dismiss("A")
        rig.feed.close("A", "the market is closed")
        rig.feed.reopen("A")
        rig.selection.admit("A")
        when_open = rig.feed.books["A"].state
        await trio.sleep(1)

        assert (rig.feed.live, rig.levels_match()) == (2, True)

    assert when_open is BookState.STALE


async def test_a_market_is_not_taken_while_another_connection_carries_it_still(autojump_clock: MockClock) -> None:
    rig = Rig("A", "B")
    other = rig.feed.line("orderbook_connector_2")
    other.link, other.tickers = Link.CONNECTED, ("B",)
    async with rig.running():
        await trio.sleep(1)
        while_carried = set(rig.venue.watched)
        other.tickers = ()
        await trio.sleep(1)

        assert set(rig.venue.watched) == {"A", "B"}
    assert while_carried == {"A"}


async def test_a_book_found_wrong_from_outside_is_asked_for_again(autojump_clock: MockClock) -> None:
    rig = Rig("A", "B")
    async with rig.running():
        rig.feed.suspect("A", "differs from REST")
        at_once = rig.feed.books["A"].state
        await trio.sleep(3)

        assert (rig.feed.live, rig.levels_match()) == (2, True)
    assert at_once is BookState.STALE
    assert rig.feed.suspects == {}
    assert rig.venue.commands[-1]["params"] == {"sids": [1], "action": "get_snapshot", "market_tickers": ["A"]}


async def test_a_connection_without_markets_waits_for_one(autojump_clock: MockClock) -> None:
    rig = Rig("A", served=["A", "B"])
    async with rig.running():
        rig.feed.close("A", "the market is closed")
        rig.selection.dismiss("A")
        await trio.sleep(60)
        attempts = len(rig.door.attempts)
        reason = rig.feed.lines["orderbook_connector"].reason
        rig.selection.admit("B")
        await trio.sleep(30)

        assert rig.feed.books["B"].state is BookState.LIVE
    assert attempts == 1
    assert reason == "no market to carry"


async def test_every_gap_is_in_the_journal_with_its_repair(autojump_clock: MockClock) -> None:
    rig = Rig("A", "B")
    async with rig.running():
        rig.venue.change("A", "yes", 4000, 7)
        rig.venue.take()  # lost on the way
        rig.venue.change("B", "yes", 4000, 7)
        rig.line.flush()
        await trio.sleep(1)
        rig.line.is_answering = False
        rig.venue.change("A", "yes", 4000, 7)
        rig.venue.take()
        rig.venue.change("B", "yes", 4000, 7)
        rig.line.flush()
        await wait_all_tasks_blocked()
        rig.line.cut()
        await trio.sleep(5)

        assert rig.feed.live == 2
    first, second = rig.feed.gaps

    assert (first.how, first.missing, first.books, first.connection) == ("snapshot", 1, 2, "orderbook_connector")
    assert first.stale_ms is not None
    assert (second.how, second.missing) == ("reconnect", 1)


# -- the key -------------------------------------------------------------------------------------------------------


async def test_a_key_never_taken_gets_one_more_try_with_the_clock_measured_anew(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    rig.door.then = BAD_KEY
    async with rig.running():
        await trio.sleep(3600)

    assert len(rig.door.attempts) == 2
    assert len(rig.door.measured) == 1
    assert rig.door.attempts[0] <= rig.door.measured[0] <= rig.door.attempts[1]
    assert rig.given_up == [BAD_KEY]


async def test_a_clock_that_cannot_be_measured_does_not_take_the_second_try(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    rig.door.script = [BAD_KEY]
    rig.door.measure_error = DOWN
    async with rig.running():
        await trio.sleep(60)

        assert rig.feed.live == 1
    assert rig.given_up == []


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_refusal_that_is_not_about_the_key_never_ends_it(autojump_clock: MockClock, status: int) -> None:
    rig = Rig("A")
    rig.door.script = [VenueRefused("no", status=status)] * 10
    async with rig.running():
        await trio.sleep(300)

        assert rig.feed.live == 1
    assert rig.given_up == []
    assert rig.door.measured == []


async def test_a_key_refused_after_it_was_taken_is_a_problem_and_tried_for_ever(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    async with rig.running():
        rig.door.then = BAD_KEY
        rig.line.cut()
        await trio.sleep(3600)
        attempts, problem = len(rig.door.attempts), rig.feed.problem
        rig.door.then = None
        await trio.sleep(21)

        assert (rig.feed.live, rig.feed.problem) == (1, None)
    first_five = rig.door.waits[1:6]

    assert problem == "HTTP 401"
    assert attempts > 150
    assert max(first_five) <= 20
    assert rig.given_up == []


async def test_a_key_refused_to_one_of_several_connections_is_a_lost_connection(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    other = rig.feed.line("orderbook_connector_2")
    other.link = Link.CONNECTED
    async with rig.running():
        rig.door.then = BAD_KEY
        rig.line.cut()
        await trio.sleep(60)
        while_other_stands = rig.feed.problem
        other.link = Link.DISCONNECTED
        await trio.sleep(21)

        assert rig.feed.problem == "HTTP 401"
    assert while_other_stands is None


async def test_a_connection_that_stands_does_not_take_back_a_problem_of_others(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    async with rig.running():
        rig.feed.problem = "somebody else's"
        await trio.sleep(60)

        assert rig.feed.problem == "somebody else's"


async def test_a_market_that_goes_during_the_handshake_is_not_asked_for(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig("A", "B")
    connect = rig.door.connect

    def connect_slowly() -> AbstractAsyncContextManager[Line]:
        rig.selection.dismiss("B")
        rig.feed.forget("B")
        return connect()

    monkeypatch.setattr(rig.door, "connect", connect_slowly)
    async with rig.running():
        await trio.sleep(1)

        assert list(rig.feed.books) == ["A"]
    assert [command["params"]["market_tickers"] for command in rig.venue.commands] == [["A"]]


# -- unknown markets -----------------------------------------------------------------------------------------------


async def test_unknown_tickers_are_named_and_the_others_go_on(autojump_clock: MockClock) -> None:
    rig = Rig("A", "X", "B", "Y", served=["A", "B"])
    async with rig.running():
        await trio.sleep(1)

        assert rig.feed.live == 2
    (dropped,) = rig.bus.of(MarketsDropped)

    assert isinstance(dropped, MarketsDropped)
    assert dropped.tickers == ("X", "Y")
    assert set(rig.feed.absent) == {"X", "Y"}
    assert rig.feed.problem is None


async def test_a_market_that_the_venue_did_not_know_at_first_comes_in_later(autojump_clock: MockClock) -> None:
    rig = Rig("A", "X", served=["A"])
    async with rig.running():
        await trio.sleep(30)
        assert set(rig.feed.absent) == {"X"}
        rig.venue.serve("X")
        await trio.sleep(40)

        assert rig.feed.live == 2
        assert rig.feed.absent == {}
        assert len(rig.door.attempts) == 1


async def test_a_market_dropped_by_mistake_is_back_with_the_next_connection(autojump_clock: MockClock) -> None:
    rig = Rig("A", "X", served=["A"])
    async with rig.running():
        await trio.sleep(1)
        rig.venue.serve("X")
        rig.line.cut()
        await trio.sleep(5)

        assert rig.feed.live == 2
        assert rig.feed.absent == {}


async def test_a_venue_that_drops_us_after_the_snapshots_is_not_hammered(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    async with rig.running():
        began = trio.current_time()
        while trio.current_time() - began < 300:
            await trio.sleep(0.01)
            if rig.door.line is not None and rig.feed.live:
                rig.line.cut()
                await trio.sleep(0.01)

    assert len(rig.door.attempts) < 40
    assert max(rig.door.waits) > 10


async def test_a_long_wait_for_discovery_is_no_lost_heartbeat(autojump_clock: MockClock) -> None:
    rig = Rig("A")
    rig.selection._is_made = trio.Event()
    async with rig.running():
        await trio.sleep(600)

    assert rig.longest_without_beat_s < 15


async def test_no_market_left_is_a_problem_that_stays(autojump_clock: MockClock) -> None:
    rig = Rig("X", "Y", served=["A"])
    problems: set[str | None] = set()
    async with rig.running():
        await trio.sleep(2)
        for _ in range(600):
            await trio.sleep(0.5)
            problems.add(rig.feed.problem)

    assert problems == {"none of the markets is served by the venue: X, Y"}
    assert rig.feed.link is Link.DISCONNECTED
