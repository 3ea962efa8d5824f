"""The numbers: measured, calm, and the same in Prometheus's words; facts of the bus as lines of the log."""

import os
import random
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.core.stage import Stage, tree
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import ActorChanged, ChildSpec, NodeReport, Status, Strategy
from traderv3.domain import events
from traderv3.domain.checks import BookDisagrees
from traderv3.domain.feed import Feed, Line, Link
from traderv3.domain.health import Health, Level, Numbers
from traderv3.domain.states import State
from traderv3.domain.trading_report import PositionLine, off_report
from traderv3.domain.units import Money, Price, Qty
from traderv3.telemetry import prometheus
from traderv3.telemetry.fact_log import BURST, WINDOW_US, WORDS, FactLog, say
from traderv3.telemetry.metrics_aggregator import MetricsAggregator, give_back_memory, read_rss_mb

Lines = list[MutableMapping[str, Any]]


@pytest.fixture(autouse=True)
def logged() -> Iterator[Lines]:
    """The lines logged during a test."""
    with capture_logs() as lines:
        yield lines


class World:
    """An aggregator over facts that the test moves by hand."""

    def __init__(self) -> None:
        self.feed = Feed(lines={"orderbook_connector": Line(Link.CONNECTED)}, was_accepted=True)
        self.bus = EventBus()
        self.fact_log = FactLog(self.bus)
        self.state = (State.READY, "3 of 3 markets live", 100.0)
        self.lag_s = 0.0
        self.log_lost = 0
        self.tree: tuple[NodeReport, ...] = ()
        self.aggregator = MetricsAggregator(
            self.feed,
            wall_us=lambda: int(trio.current_time() * 1e6),
            lag_s=lambda: self.lag_s,
            state=lambda: self.state,
            tree=lambda: self.tree,
            log_lost=lambda: self.log_lost,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Lifeline]:
        """The aggregator and the bus as actors."""
        async with trio.open_nursery() as nursery:
            lifeline = Lifeline()
            nursery.start_soon(self.bus.run, Lifeline())
            nursery.start_soon(self.aggregator.run, lifeline)
            await lifeline.settled.wait()
            yield lifeline
            nursery.cancel_scope.cancel()

    async def receive(self, per_second: int, for_s: int) -> None:
        """Frames at an even rate."""
        for _ in range(for_s * 10):
            self.feed.counters.messages += per_second // 10
            await trio.sleep(0.1)


# -- the aggregator ----------------------------------------------------------------------------------------------------


async def test_the_rate_is_right_within_a_few_seconds(autojump_clock: MockClock) -> None:
    world = World()

    async with world.running():
        await world.receive(1000, for_s=8)
        shown = world.aggregator.numbers.messages_per_second

    assert shown == pytest.approx(1000, rel=0.05)


async def test_the_rate_of_silence_is_zero(autojump_clock: MockClock) -> None:
    world = World()

    async with world.running():
        await world.receive(1000, for_s=8)
        await trio.sleep(30)
        shown = world.aggregator.numbers.messages_per_second

    assert shown == 0.0


async def test_a_steady_rate_is_shown_exactly_in_the_end(autojump_clock: MockClock) -> None:
    world = World()

    async with world.running():
        await world.receive(10, for_s=30)
        shown = world.aggregator.numbers.messages_per_second

    assert shown == 10.0


async def test_a_restart_counts_nothing_twice(autojump_clock: MockClock) -> None:
    world = World()
    world.feed.counters.messages = 1_000_000

    async with world.running():
        await trio.sleep(1.5)
        shown = world.aggregator.numbers.messages_per_second

    assert shown == 0.0


async def test_lag_and_memory_are_measured_and_the_heart_beats(autojump_clock: MockClock) -> None:
    world = World()
    world.lag_s = 0.0123

    async with world.running() as lifeline:
        await trio.sleep(10.5)
        numbers = world.aggregator.numbers

    assert numbers.loop_lag_ms == 12.3
    assert numbers.rss_mb > 1
    assert lifeline.beats == 10


def test_what_only_a_peak_needed_is_given_back() -> None:
    peak = [bytes(1000) for _ in range(50_000)]
    kept = peak[::500]  # nothing of the heap is free up to its end
    peak.clear()
    before_mb = read_rss_mb()
    give_back_memory()

    assert before_mb - read_rss_mb() > 25
    assert len(kept) == 100


async def test_health_is_asked_for_at_any_moment_and_is_that_moments_truth(autojump_clock: MockClock) -> None:
    world = World()

    async with world.running():
        await trio.sleep(1.5)
        before = world.aggregator.assess()
        world.state = (State.ERROR, "bad key", 0.0)
        during = world.aggregator.assess()

    assert before == Health()
    assert during.level is Level.UNHEALTHY


async def test_a_trouble_between_two_questions_is_not_missed_and_ends_within_15_s(autojump_clock: MockClock) -> None:
    world = World()

    async with world.running():
        world.state = (State.ERROR, "bad key", 0.0)
        await trio.sleep(2)
        world.state = (State.READY, "", 100.0)
        await trio.sleep(2)
        soon = world.aggregator.assess()
        await trio.sleep(13)
        later = world.aggregator.assess()

    assert soon.level is Level.UNHEALTHY
    assert later == Health()


async def test_lost_log_lines_degrade_for_a_while_not_for_ever(autojump_clock: MockClock) -> None:
    world = World()

    async with world.running():
        world.log_lost = 7
        await trio.sleep(1.5)
        soon = world.aggregator.assess()
        await trio.sleep(15)
        later = world.aggregator.assess()

    assert [reason.component for reason in soon.reasons] == ["log"]
    assert later == Health()


async def test_memory_is_in_mebibytes_whatever_the_size_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    here = read_rss_mb()
    page = os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 16 * page}[name])

    assert 1 < here < 4096
    assert read_rss_mb() == pytest.approx(16 * here, rel=0.2)


FACTS: list[tuple[Any, str, dict[str, Any]]] = [
    (
        events.StateChanged(State.READY, State.ERROR, "bad key", 1),
        "info",
        {"event": "state_transition", "component": "state_machine", "from_state": "ready", "to_state": "error"},
    ),
    (events.ConnectionUp("kalshi-1", 1), "info", {"event": "connected to the venue", "component": "kalshi-1"}),
    (events.ConnectionLost("kalshi-1", "closed", 0.5, 1), "warning", {"event": "connection lost", "retry_s": 0.5}),
    (events.GapDetected("kalshi-1", 2, 5, 7, 3, 1), "warning", {"event": "sequence gap", "expected": 5, "got": 7}),
    (events.BooksRepaired("kalshi-1", 12, 1), "info", {"event": "books repaired", "took_ms": 12}),
    (events.FrameProblem("kalshi-1", "unreadable", "x", 1), "warning", {"event": "unreadable", "detail": "x"}),
    (events.MarketsDropped(("A", "B"), "unknown", 1), "warning", {"event": "markets dropped", "tickers": "A,B"}),
    (
        events.MarketsOverLimit("kalshi-1", ("A", "B"), "error 26", 1),
        "warning",
        {"event": "too many markets for this connection", "tickers": "A,B", "component": "kalshi-1"},
    ),
    (
        events.StreamGap("kalshi-2", "trade", 5, 7, "2 numbers are missing", 1),
        "warning",
        {"event": "something of a channel was lost", "channel": "trade", "reason": "2 numbers are missing"},
    ),
    (
        events.ChannelGivenUp("kalshi-2", "fill", "error 9", 1),
        "warning",
        {"event": "channel not served", "channel": "fill", "reason": "error 9"},
    ),
    (
        BookDisagrees("KX", "kalshi-1", 3, 1),
        "warning",
        {"event": "book differs from REST", "ticker": "KX", "levels": 3},
    ),
    (ActorChanged("engine", Status.STARTING, 0, None, 1), "debug", {"event": "actor starting"}),
    (ActorChanged("engine", Status.RUNNING, 1, None, 1), "info", {"event": "actor running", "actor": "engine"}),
    (ActorChanged("engine", Status.BACKOFF, 1, "boom", 1), "warning", {"event": "actor backoff", "error": "boom"}),
    (ActorChanged("engine", Status.FAILED, 1, "boom", 1), "warning", {"event": "actor failed", "error": "boom"}),
    (ActorChanged("engine", Status.STOPPED, 1, None, 1), "info", {"event": "actor stopped", "restarts": 1}),
]


@pytest.mark.parametrize(("fact", "level", "expected"), FACTS)
def test_a_fact_of_the_bus_is_one_line_of_the_log(
    fact: Any, level: str, expected: dict[str, Any], logged: Lines
) -> None:
    say(fact)

    assert len(logged) == 1
    assert logged[0]["log_level"] == level
    assert expected.items() <= logged[0].items()


def test_a_flood_of_one_kind_is_cut_and_says_how_much_was_left_out(logged: Lines) -> None:
    facts = FactLog(EventBus())
    for number in range(1000):
        facts.hear(events.FrameProblem("c", "unreadable_frame", "x", number))
    facts.hear(events.FrameProblem("c", "unknown_type", "y", 1000))
    facts.hear(events.FrameProblem("c", "unreadable_frame", "z", WINDOW_US))

    assert [line["event"] for line in logged] == ["unreadable_frame"] * BURST + ["unknown_type", "unreadable_frame"]
    assert logged[-1]["left_out_before"] == 1000 - BURST


def test_every_kind_of_fact_that_is_logged_is_tested() -> None:
    assert {type(fact) for fact, _, _ in FACTS} == set(WORDS)


async def test_facts_published_on_the_bus_reach_the_log(autojump_clock: MockClock, logged: Lines) -> None:
    world = World()

    async with world.running():
        world.bus.publish(events.ConnectionUp("kalshi-1", 1))
        await trio.sleep(1)

    assert [line["event"] for line in logged] == ["connected to the venue"]


# -- Prometheus --------------------------------------------------------------------------------------------------------


def leaf(name: str, status: Status, restarts: int = 0) -> NodeReport:
    """A worker."""
    return NodeReport(name, None, status, 0, restarts, None, None, ())


def branch(name: str, *children: NodeReport) -> NodeReport:
    """A supervisor."""
    return NodeReport(name, Strategy.ONE_FOR_ONE, Status.RUNNING, 0, 0, None, None, children)


def exposed(feed: Feed, **differing: Any) -> dict[tuple[str, tuple[str, ...]], float]:
    """What Prometheus reads: value by sample name and label values."""
    told: dict[str, Any] = {
        "numbers": Numbers(messages_per_second=12.5, loop_lag_ms=3.0, rss_mb=64.0),
        "health": Health(),
        "state": State.READY,
        "tree": branch(
            "root", branch("venue", leaf("discovery", Status.RUNNING, 2)), leaf("web_server", Status.BACKOFF)
        ),
        "trading": off_report("active", "nothing trades"),
        "uptime_s": 42.0,
        "dropped": 5,
    }
    text = prometheus.render(feed, **{**told, **differing}).decode()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_numbers_are_exposed_in_base_units() -> None:
    feed = Feed(lines={"orderbook_connector": Line(Link.CONNECTED)})
    feed.counters.messages, feed.counters.gaps = 1000, 3
    samples = exposed(feed)

    assert samples["traderv3_uptime_seconds", ()] == 42
    assert samples["traderv3_resident_memory_bytes", ()] == 64 * 2**20
    assert samples["traderv3_loop_lag_seconds", ()] == pytest.approx(0.003)
    assert samples["traderv3_messages_per_second", ()] == 12.5
    assert samples["traderv3_venue_connected", ()] == 1
    assert samples["traderv3_dropped_events_total", ()] == 5
    assert samples["traderv3_feed_messages_total", ()] == 1000
    assert samples["traderv3_feed_gaps_total", ()] == 3


def test_what_trading_shows_is_exposed_and_what_is_unknown_is_not() -> None:
    held = PositionLine(
        ticker="KX-A",
        position=Qty(-150),
        average=Price(4700),
        realized=Money(0),
        unrealized=None,
        fees=Money(0),
        worst_case=Money(0),
    )
    trading = replace(
        off_report("halted", "odd fills"),
        resting=3,
        unknown=1,
        positions=(held,),
        realized=Money(-1_250_000),
        balance=Money(20_000_000),
        unrealized=None,
    )
    samples = exposed(Feed(), trading=trading)

    assert {mode for (_, (mode,)), on in samples_of(samples, "traderv3_trading_mode") if on} == {"halted"}
    assert (samples["traderv3_orders", ("resting",)], samples["traderv3_orders", ("unknown",)]) == (3, 1)
    assert samples["traderv3_position_contracts", ("KX-A",)] == -1.5
    assert samples["traderv3_realized_dollars", ()] == -1.25
    assert samples["traderv3_balance_dollars", ()] == 20
    assert ("traderv3_unrealized_dollars", ()) not in samples


@pytest.mark.parametrize("state", list(State))
def test_exactly_one_state_is_on(state: State) -> None:
    samples = exposed(Feed(), state=state)

    assert {value for (name, (*_, value)), on in samples_of(samples, "traderv3_state") if on} == {state.value}
    assert len(list(samples_of(samples, "traderv3_state"))) == len(State)


@pytest.mark.parametrize("level", list(Level))
def test_exactly_one_level_of_health_is_on(level: Level) -> None:
    samples = exposed(Feed(), health=Health(level))

    assert {value for (name, (*_, value)), on in samples_of(samples, "traderv3_health") if on} == {level.value}


def samples_of(samples: dict[tuple[str, tuple[str, ...]], float], name: str) -> Iterator[Any]:
    """The samples of one name."""
    return ((key, value) for key, value in samples.items() if key[0] == name)


def test_books_are_counted_by_state() -> None:
    feed = Feed()
    feed.watch(["A", "B", "C"])
    feed.books["A"].replace([(1, 1)], [])
    feed.books["B"].replace([(1, 1)], [])
    feed.books["B"].mark_stale("gap")
    samples = exposed(feed)

    assert [samples["traderv3_books", (state,)] for state in ("live", "stale", "syncing")] == [1, 1, 1]


def test_workers_are_told_by_name_at_any_depth_and_supervisors_are_not() -> None:
    samples = exposed(Feed())

    assert dict(samples_of(samples, "traderv3_actor_restarts_total")) == {
        ("traderv3_actor_restarts_total", ("discovery",)): 2,
        ("traderv3_actor_restarts_total", ("web_server",)): 0,
    }
    assert samples["traderv3_actor_running", ("discovery",)] == 1
    assert samples["traderv3_actor_running", ("web_server",)] == 0


async def test_a_real_trees_report_can_be_rendered(autojump_clock: MockClock) -> None:
    world, stage = World(), Stage()
    spec = tree(tree(ChildSpec(name="metrics_aggregator", run=world.aggregator.run), name="observation"))

    async with stage.running(spec) as root:
        await trio.sleep(random.Random(0).random())
        samples = exposed(world.feed, tree=root.node())

    assert samples["traderv3_actor_running", ("metrics_aggregator",)] == 1
