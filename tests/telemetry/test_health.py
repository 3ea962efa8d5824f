"""Health: every cause alone and together, and how long a reason stays."""

import itertools
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.core.supervision import NodeReport, Status, Strategy
from traderv3.domain.feed import Feed, Line, Link
from traderv3.domain.health import OVER_NOW, Health, Level, Reason
from traderv3.domain.hours import Hours, Pause
from traderv3.domain.permission import Mode, Stand
from traderv3.domain.states import State
from traderv3.telemetry.health import HOLD_US, LAG_MS_MAX, PATIENCE_S, Cause, HealthJudge, find_causes
from traderv3.trading.latch import TradingLatch
from traderv3.trading_side import TradingSide

HEALTHY_AGAIN_US = 15_000_000  # design, section 7: within 15 s of the last cause's end
SECOND_US = 1_000_000


def live_feed(*tickers: str) -> Feed:
    """A feed with nothing wrong: connected, every book live."""
    feed = Feed(was_accepted=True, hours=Hours(is_exchange_active=True, is_trading_active=True))
    feed.line("orderbook_connector").link = Link.CONNECTED
    feed.watch(tickers or ("KXONE", "KXTWO"))
    for book in feed.books.values():
        book.replace([(4500, 100)], [])
    return feed


def node(name: str, status: Status, *children: NodeReport, error: str | None = None) -> NodeReport:
    """One node of the tree; a supervisor if it has children."""
    strategy = Strategy.ONE_FOR_ONE if children else None
    return NodeReport(name, strategy, status, 0, 0, error, None, children)


TREE = (node("venue", Status.RUNNING, node("market", Status.RUNNING, node("discovery", Status.RUNNING))),)


def causes_of(
    feed: Feed | None = None,
    *,
    state: State = State.READY,
    tree: tuple[NodeReport, ...] = TREE,
    held_s: float = 3600.0,
    lag_ms: float = 1.0,
    log_lost: int = 0,
    rest_trouble: str | None = None,
) -> list[tuple[str, Level, str]]:
    """What is wrong, all being well but for what is given."""
    why = "the venue refused our key"
    causes = find_causes(
        state,
        why,
        feed or live_feed(),
        tree,
        held_s=held_s,
        lag_ms=lag_ms,
        log_lost=log_lost,
        rest_trouble=rest_trouble,
        now_us=0,
    )
    return [(cause.component, cause.level, cause.message) for cause in causes]


# -- causes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(State))
def test_a_state_is_a_cause_only_where_nothing_can_be_traded_for_want_of_a_feed(state: State) -> None:
    expected = {
        State.ERROR: [
            ("state_machine", Level.UNHEALTHY, "in error: the venue refused our key; nothing can be traded"),
        ],
        State.CONNECTIVITY: [
            ("state_machine", Level.DEGRADED, "no live feed: 0 snapshots missing; nothing can be traded")
        ],
    }

    assert causes_of(state=state) == expected.get(state, [])


@pytest.mark.parametrize(("held_s", "is_told"), [(0.0, False), (PATIENCE_S, False), (PATIENCE_S + 0.1, True)])
def test_connecting_is_no_cause_until_it_takes_long(held_s: float, is_told: bool) -> None:
    assert bool(causes_of(state=State.CONNECTIVITY, held_s=held_s)) is is_told
    assert causes_of(state=State.ERROR, held_s=held_s)


@pytest.mark.parametrize("link", [Link.CONNECTING, Link.DISCONNECTED])
def test_a_lost_connection_is_one_cause_and_its_stale_books_no_second_one(link: Link) -> None:
    feed = live_feed()
    feed.lines["orderbook_connector"] = Line(link, "closed by the venue")
    for book in feed.books.values():
        book.mark_stale("closed")

    message = "the venue is not connected (closed by the venue); every book is stale"
    assert causes_of(feed) == [("orderbook_connector", Level.DEGRADED, message)]


def test_a_connection_that_was_never_accepted_is_the_states_matter() -> None:
    assert causes_of(Feed(), state=State.STARTUP) == []


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (1, "1 of 5 books stale (M0); they refuse orders"),
        (3, "3 of 5 books stale (M0, M1, M2); they refuse orders"),
        (4, "4 of 5 books stale (M0, M1, M2, …); they refuse orders"),
    ],
)
def test_stale_books_are_named_up_to_three(count: int, message: str) -> None:
    feed = live_feed(*(f"M{number}" for number in range(5)))
    for number in range(count):
        feed.books[f"M{number}"].mark_stale("gap")

    assert causes_of(feed) == [("orderbook_connector", Level.DEGRADED, message)]


def test_a_book_that_was_live_and_that_the_venue_dropped_is_a_reason() -> None:
    feed = live_feed("KXONE", "KXGONE")
    feed.books["KXGONE"].mark_stale("dropped by the venue")
    feed.absent["KXGONE"] = "the venue does not know it any more"

    message = "1 of 2 books stale (KXGONE); they refuse orders"
    assert causes_of(feed) == [("orderbook_connector", Level.DEGRADED, message)]


def test_an_unknown_ticker_is_no_reason() -> None:
    feed = live_feed("KXONE")
    feed.watch(["KXWRONG"])
    feed.absent["KXWRONG"] = "the venue does not know it"
    feed.absent["KXNEVER"] = "the venue does not know it"

    assert causes_of(feed) == []


def test_a_book_that_waits_for_its_first_snapshot_is_no_reason() -> None:
    feed = live_feed()
    feed.watch(["KXNEW"])

    assert causes_of(feed) == []


@pytest.mark.parametrize(("exchange", "trading"), list(itertools.product([None, True, False], [None, True, False])))
def test_a_pause_at_the_exchange_is_told_once_and_the_unknown_is_none(
    exchange: bool | None, trading: bool | None
) -> None:
    feed = live_feed()
    feed.hours = Hours(exchange, trading)
    sentence = feed.hours.sentence(0)

    expected = [] if sentence is None else [("exchange_hours", Level.DEGRADED, sentence)]
    assert causes_of(feed) == expected
    assert bool(expected) is (exchange is False or trading is False)


def test_a_venue_that_is_away_in_its_maintenance_window_is_explained_by_it() -> None:
    feed = live_feed()
    feed.hours = Hours(pause=Pause(-10, 10))
    feed.lines["orderbook_connector"] = Line(Link.DISCONNECTED, "refused")
    told = causes_of(feed, state=State.CONNECTIVITY)

    sentence = feed.hours.sentence(0)
    assert ("state_machine", Level.DEGRADED, f"no live feed: {sentence}; nothing can be traded") in told
    assert ("exchange_hours", Level.DEGRADED, sentence) in told


def test_the_last_book_of_a_closed_market_is_no_cause() -> None:
    feed = live_feed("KXONE", "KXOVER")
    feed.close("KXOVER", "the market is closed")

    assert causes_of(feed) == []
    assert feed.books["KXOVER"].stale_reason == "the market is closed"


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_an_actor_that_is_down_is_a_cause_at_any_depth(status: Status, depth: int) -> None:
    tree = node("discovery", status, error="ValueError: boom")
    for level in range(depth):
        tree = node(f"level{level}", Status.RUNNING, tree)
    is_down = status in (Status.BACKOFF, Status.FAILED, Status.STARTING)

    expected = [("discovery", Level.DEGRADED, f"{status}: ValueError: boom")] if is_down else []
    assert causes_of(tree=(tree,)) == expected


def test_a_first_start_is_no_cause() -> None:
    assert causes_of(tree=(node("discovery", Status.STARTING),)) == []


def test_a_start_that_does_not_end_is_a_cause() -> None:
    tree = (node("engine", Status.STARTING),)
    late_us = int((PATIENCE_S + 0.1) * SECOND_US)
    found = find_causes(
        State.READY, "", live_feed(), tree, held_s=9, lag_ms=0, log_lost=0, rest_trouble=None, now_us=late_us
    )

    assert [(cause.component, cause.message) for cause in found] == [("engine", "starting: not ready yet")]


def test_an_actor_that_ended_without_an_error_is_said_to_have_ended() -> None:
    assert causes_of(tree=(node("discovery", Status.BACKOFF),)) == [("discovery", Level.DEGRADED, "backoff: ended")]


@pytest.mark.parametrize(("lag_ms", "is_late"), [(0.0, False), (LAG_MS_MAX, False), (LAG_MS_MAX + 0.1, True)])
def test_a_late_loop_is_a_cause(lag_ms: float, is_late: bool) -> None:
    assert [component for component, _, _ in causes_of(lag_ms=lag_ms)] == ["loop_watchdog"] * is_late


@pytest.mark.parametrize("lost", [0, 1])
def test_lost_log_lines_are_a_cause(lost: int) -> None:
    assert [component for component, _, _ in causes_of(log_lost=lost)] == ["log"] * lost


def test_without_rest_the_stream_goes_on_and_it_is_said() -> None:
    assert causes_of(rest_trouble="GET /markets: HTTP 503") == [
        (
            "rest",
            Level.DEGRADED,
            "REST is away (GET /markets: HTTP 503); the stream goes on, books are not cross-checked",
        )
    ]


def test_everything_wrong_at_once_is_said_at_once() -> None:
    feed = live_feed()
    feed.books["KXONE"].mark_stale("gap")
    feed.hours.is_trading_active = False
    told = causes_of(
        feed,
        state=State.ERROR,
        tree=(node("web_server", Status.FAILED, error="OSError: gone"),),
        lag_ms=999,
        log_lost=3,
    )

    components = [component for component, _, _ in told]
    assert components == [
        "state_machine",
        "orderbook_connector",
        "exchange_hours",
        "web_server",
        "loop_watchdog",
        "log",
    ]


def test_a_market_that_says_nothing_for_an_hour_is_no_reason() -> None:
    feed = live_feed()
    feed.lines[
        "orderbook_connector"
    ].last_message_us = 1  # long ago; there is no argument by which the time could matter
    judge = HealthJudge()

    health = judge.judge(
        find_causes(
            State.READY, "", feed, TREE, held_s=3600, lag_ms=0, log_lost=0, rest_trouble=None, now_us=3600 * SECOND_US
        ),
        now_us=3600 * SECOND_US,
    )
    assert health == Health()


# -- hysteresis --------------------------------------------------------------------------------------------------------


def cause(component: str = "discovery", message: str = "down", level: Level = Level.DEGRADED) -> Cause:
    """One cause."""
    return Cause(component, message, level)


def test_without_causes_it_is_healthy() -> None:
    assert HealthJudge().judge([], now_us=0) == Health(Level.HEALTHY, ())


@pytest.mark.parametrize("levels", list(itertools.product([Level.DEGRADED, Level.UNHEALTHY], repeat=2)))
def test_the_worst_reason_is_the_level(levels: tuple[Level, Level]) -> None:
    causes = [cause("one", level=levels[0]), cause("two", level=levels[1])]
    health = HealthJudge().judge(causes, now_us=0)

    assert health.level is (Level.UNHEALTHY if Level.UNHEALTHY in levels else Level.DEGRADED)
    assert [reason.component for reason in health.reasons] == ["one", "two"]


def test_a_reason_outlives_its_cause_a_little_and_then_health_returns() -> None:
    judge = HealthJudge()
    judge.judge([cause()], now_us=0)
    held = judge.judge([], now_us=HOLD_US)
    over = judge.judge([], now_us=HOLD_US + 1)

    assert held.reasons == (Reason("discovery", "over now; it was: down", 0, Level.DEGRADED),)
    assert over == Health()
    assert HOLD_US + SECOND_US < HEALTHY_AGAIN_US  # one sample a second


def test_a_halt_soon_after_a_halt_has_its_own_beginning() -> None:
    judge = HealthJudge()
    latch = TradingLatch(None, wall_us=lambda: 0)
    side = TradingSide(cast("Any", None), latch, is_replay=False)
    health = Health()
    for second, mode in ((0, Mode.HALTED), (2, Mode.ACTIVE), (4, Mode.HALTED)):
        latch.stand = Stand(mode, second * SECOND_US, "ann", "a look")
        causes = [Cause("trading", said, Level.DEGRADED, kind) for kind, said in side.troubles().items()]
        health = judge.judge(causes, now_us=second * SECOND_US)

    assert [reason.since_us for reason in health.reasons if not reason.message.startswith(OVER_NOW)] == [4 * SECOND_US]


def test_what_flickers_is_one_trouble_since_its_first_moment() -> None:
    judge = HealthJudge()
    for second in range(0, 60, 4):
        judge.judge([cause(message=f"down, {second}")], now_us=second * SECOND_US)
        health = judge.judge([], now_us=(second + 2) * SECOND_US)

        assert health.reasons == (Reason("discovery", f"over now; it was: down, {second}", 0, Level.DEGRADED),)


def test_what_comes_back_after_it_was_over_is_a_new_trouble() -> None:
    judge = HealthJudge()
    judge.judge([cause()], now_us=0)
    judge.judge([], now_us=HOLD_US + 1)
    health = judge.judge([cause()], now_us=20 * SECOND_US)

    assert health.reasons[0].since_us == 20 * SECOND_US


def test_what_gets_worse_says_since_when_it_is_worse() -> None:
    judge = HealthJudge()
    judge.judge([cause()], now_us=0)
    health = judge.judge([cause(level=Level.UNHEALTHY)], now_us=SECOND_US)

    assert health.level is Level.UNHEALTHY
    assert {(reason.level, reason.since_us) for reason in health.reasons} == {
        (Level.DEGRADED, 0),
        (Level.UNHEALTHY, SECOND_US),
    }


def test_a_wall_clock_that_is_set_back_holds_no_reason_for_ever() -> None:
    judge = HealthJudge()
    judge.judge([cause()], now_us=3600 * SECOND_US)
    healths = [judge.judge([], now_us=second * SECOND_US) for second in range(15)]

    assert healths[-1] == Health()


def test_a_reason_that_lasts_over_a_clock_set_back_is_not_from_the_future() -> None:
    judge = HealthJudge()
    judge.judge([cause()], now_us=3600 * SECOND_US)
    health = judge.judge([cause()], now_us=0)

    assert health.reasons[0].since_us <= 0


def test_two_troubles_of_one_component_are_both_told() -> None:
    feed = live_feed()
    feed.lines["orderbook_connector"] = Line(Link.DISCONNECTED, "closed")
    tree = (node("orderbook_connector", Status.BACKOFF, error="ValueError: boom"),)
    causes = find_causes(State.READY, "", feed, tree, held_s=9, lag_ms=0, log_lost=0, rest_trouble=None, now_us=0)
    health = HealthJudge().judge(causes, now_us=0)

    assert [reason.message for reason in health.reasons] == [
        "the venue is not connected (closed); every book is stale",
        "backoff: ValueError: boom",
    ]


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=3), max_size=60),
    st.integers(100_000, 3_000_000),
)
def test_healthy_returns_within_15_s_of_the_last_cause_and_never_while_there_is_one(
    samples: list[list[str]], step_us: int
) -> None:
    judge, bad_us = HealthJudge(), None
    for number, components in enumerate(samples):
        now_us = number * step_us
        health = judge.judge([cause(component) for component in components], now_us=now_us)
        bad_us = now_us if components else bad_us
        told = {reason.component for reason in health.reasons}

        assert set(components) <= told
        assert (health.level is Level.HEALTHY) == (not told)
        if bad_us is None or now_us - bad_us >= HEALTHY_AGAIN_US - step_us:
            assert health == Health()
