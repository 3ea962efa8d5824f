"""The bus under bad subscribers, on a virtual clock: nobody suffers for another, and nothing is lost uncounted."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.core.stage import Stage, tree
from traderv3.core.breaker import BreakerLimits, BreakerState
from traderv3.core.event_bus import BusLimits, EventBus, SubscriberStats, handles
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import ChildSpec

pytestmark = pytest.mark.usefixtures("scheduler_seed")

LIMITS = BusLimits(capacity=10, handler_s=5, breaker=BreakerLimits(window_s=30, calls_min=4, rest_s=10))


@dataclass(frozen=True)
class Fact:
    """Something that happened."""

    number: int


@dataclass(frozen=True)
class SpecialFact(Fact):
    """A fact of a more special kind."""


@asynccontextmanager
async def running(bus: EventBus) -> AsyncIterator[None]:
    """The bus as an actor, during the block."""
    async with trio.open_nursery() as nursery:
        lifeline = Lifeline()
        nursery.start_soon(bus.run, lifeline)
        await lifeline.settled.wait()
        yield
        nursery.cancel_scope.cancel()


class Listener:
    """Handlers of every temper, and what they were told."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.is_well = False

    async def good(self, fact: Fact) -> None:
        """Take it at once."""
        await trio.lowlevel.checkpoint()
        self.heard.append(fact.number)

    async def slow(self, fact: Fact) -> None:
        """Take a second."""
        await trio.sleep(1)
        self.heard.append(fact.number)

    async def stuck(self, fact: Fact) -> None:
        """Never return."""
        await trio.sleep_forever()

    async def raising(self, fact: Fact) -> None:
        """Fail until well."""
        self.heard.append(fact.number)
        await trio.lowlevel.checkpoint()
        if not self.is_well:
            raise ValueError(f"cannot take {fact.number}")


def accounted(stats: SubscriberStats) -> int:
    """Everything that became of what was told to one subscriber."""
    outcomes = stats.handled + stats.failed + stats.timed_out + stats.skipped
    return outcomes + stats.mailbox.depth + stats.mailbox.dropped


async def test_an_event_reaches_those_who_asked_for_its_type_or_one_above(autojump_clock: MockClock) -> None:
    bus = EventBus(LIMITS)
    all_facts, special, other = Listener(), Listener(), Listener()
    bus.subscribe("all", [Fact], all_facts.good)
    bus.subscribe("special", [SpecialFact, int], special.good)
    bus.subscribe("other", [str], other.good)

    async with running(bus):
        bus.publish(Fact(1))
        bus.publish(SpecialFact(2))
        await wait_all_tasks_blocked()

    assert (all_facts.heard, special.heard, other.heard) == ([1, 2], [2], [])
    assert bus.published == 2


async def test_events_come_in_the_order_in_which_they_were_published(autojump_clock: MockClock) -> None:
    bus, listener = EventBus(LIMITS), Listener()
    bus.subscribe("one", [Fact], listener.good)

    async with running(bus):
        for number in range(100):
            bus.publish(Fact(number))
            if number % 7 == 0:
                await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()

    assert listener.heard == list(range(100))


async def test_a_stuck_a_raising_and_a_slow_one_are_nobodys_trouble_but_their_own(autojump_clock: MockClock) -> None:
    bus, listeners = EventBus(LIMITS), {name: Listener() for name in ("good", "slow", "stuck", "raising")}
    for name, listener in listeners.items():
        bus.subscribe(name, [Fact], getattr(listener, name))

    async with running(bus):
        for number in range(300):
            bus.publish(Fact(number))
            await trio.sleep(0.1)
        stats = bus.stats()

    assert listeners["good"].heard == list(range(300))
    assert stats["good"].mailbox.dropped == 0
    assert all(each.mailbox.accepted == 300 for each in stats.values())
    assert all(0 <= 300 - accounted(each) <= 1 for each in stats.values())  # 1: in the handler's hands
    assert bus.dropped == sum(each.mailbox.dropped for each in stats.values()) > 0
    assert all(each.mailbox.high_water <= LIMITS.capacity for each in stats.values())
    assert listeners["slow"].heard == sorted(set(listeners["slow"].heard))
    assert stats["slow"].failed == stats["slow"].timed_out == 0
    assert stats["stuck"].timed_out >= 4
    assert stats["stuck"].last_error == "ran over 5 s"
    assert stats["raising"].failed >= 4
    assert stats["raising"].last_error is not None
    assert stats["raising"].last_error.startswith("ValueError: cannot take ")
    assert stats["raising"].breaker is BreakerState.OPEN


async def test_publishing_costs_the_same_whatever_the_subscribers_do(autojump_clock: MockClock) -> None:
    def cost_s(bus: EventBus) -> float:
        began = time.perf_counter()
        for number in range(2000):
            bus.publish(Fact(number))
        return time.perf_counter() - began

    good, bad = EventBus(LIMITS), EventBus(LIMITS)
    for name in ("first", "second", "third"):
        good.subscribe(name, [Fact], Listener().good)
    for name in ("slow", "stuck", "raising"):
        bad.subscribe(name, [Fact], getattr(Listener(), name))

    costs: dict[EventBus, list[float]] = {good: [], bad: []}
    async with running(good), running(bad):
        for _ in range(7):
            for bus, samples in costs.items():
                samples.append(cost_s(bus))
            await trio.sleep(1)

    assert min(costs[bad]) < 3 * min(costs[good])


async def test_publishing_neither_waits_nor_raises_when_nobody_listens_or_the_bus_is_down(
    autojump_clock: MockClock,
) -> None:
    bus, listener = EventBus(LIMITS), Listener()
    with trio.testing.assert_no_checkpoints():
        bus.publish(Fact(0))
        bus.subscribe("late", [Fact], listener.good)
        for number in range(1, 31):
            bus.publish(Fact(number))

    assert bus.dropped == 20
    assert listener.heard == []


async def test_a_breaker_opens_skips_probes_once_and_closes_again(autojump_clock: MockClock) -> None:
    bus, listener = EventBus(LIMITS), Listener()
    bus.subscribe("sick", [Fact], listener.raising)

    def state() -> BreakerState:
        return bus.stats()["sick"].breaker

    async def publish(*numbers: int) -> None:
        for number in numbers:
            bus.publish(Fact(number))
        await wait_all_tasks_blocked()

    async with running(bus):
        await publish(0, 1, 2)
        assert state() is BreakerState.CLOSED
        await publish(3, 4, 5)
        assert state() is BreakerState.OPEN
        assert listener.heard == [0, 1, 2, 3]
        assert bus.stats()["sick"].skipped == 2

        await trio.sleep(LIMITS.breaker.rest_s)
        await publish(6, 7, 8)
        assert state() is BreakerState.OPEN
        assert listener.heard == [0, 1, 2, 3, 6]  # one probe, and it failed
        assert bus.stats()["sick"].skipped == 4

        await trio.sleep(LIMITS.breaker.rest_s)
        listener.is_well = True
        await publish(9, 10)
        assert state() is BreakerState.CLOSED
        assert listener.heard == [0, 1, 2, 3, 6, 9, 10]

    stats = bus.stats()["sick"]
    assert (stats.handled, stats.failed, stats.skipped) == (2, 5, 4)


async def test_handlers_that_run_over_their_time_open_the_breaker_too(autojump_clock: MockClock) -> None:
    bus = EventBus(LIMITS)
    bus.subscribe("stuck", [Fact], Listener().stuck)

    async with running(bus):
        for number in range(6):
            bus.publish(Fact(number))
        await trio.sleep(4 * LIMITS.handler_s + 1)
        stats = bus.stats()["stuck"]

    assert (stats.timed_out, stats.skipped, stats.breaker) == (4, 2, BreakerState.OPEN)


async def test_a_handler_whose_own_tasks_fail_as_its_time_runs_out_is_isolated(autojump_clock: MockClock) -> None:
    async def messy(fact: Fact) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("in its cleanup")

    bus, listener = EventBus(LIMITS), Listener()
    bus.subscribe("messy", [Fact], messy)
    bus.subscribe("good", [Fact], listener.good)

    async with running(bus):
        bus.publish(Fact(1))
        await trio.sleep(LIMITS.handler_s + 1)
        bus.publish(Fact(2))
        await wait_all_tasks_blocked()
        stats = bus.stats()["messy"]

    assert listener.heard == [1, 2]
    assert stats.failed + stats.timed_out == 1


async def test_whoever_subscribes_while_it_runs_hears_what_comes_after(autojump_clock: MockClock) -> None:
    bus, early, late = EventBus(LIMITS), Listener(), Listener()
    bus.subscribe("early", [Fact], early.good)

    async with running(bus):
        bus.publish(Fact(1))
        await wait_all_tasks_blocked()
        bus.subscribe("late", [Fact], late.good)
        bus.publish(Fact(2))
        await wait_all_tasks_blocked()

    assert (early.heard, late.heard) == ([1, 2], [2])


async def test_a_handler_may_publish_and_subscribe(autojump_clock: MockClock) -> None:
    bus, listener = EventBus(LIMITS), Listener()

    async def echo(fact: SpecialFact) -> None:
        bus.subscribe(f"new{fact.number}", [str], handles(lambda said: None))
        bus.publish(Fact(fact.number + 1))
        await trio.lowlevel.checkpoint()

    bus.subscribe("echo", [SpecialFact], echo)
    bus.subscribe("all", [Fact], listener.good)

    async with running(bus):
        bus.publish(SpecialFact(1))
        await wait_all_tasks_blocked()

    assert listener.heard == [1, 2]
    assert set(bus.stats()) == {"echo", "all", "new1"}


async def test_a_name_is_taken_once() -> None:
    bus = EventBus(LIMITS)
    bus.subscribe("one", [Fact], Listener().good)

    with pytest.raises(AssertionError):
        bus.subscribe("one", [Fact], Listener().good)


async def test_a_restart_of_the_bus_loses_nothing_but_what_was_in_hand_and_counts_that(
    autojump_clock: MockClock,
) -> None:
    bus, slow, good = EventBus(LIMITS), Listener(), Listener()
    bus.subscribe("slow", [Fact], slow.slow)
    bus.subscribe("good", [Fact], good.good)
    stage = Stage()

    async with stage.running(tree(ChildSpec(name="event_bus", run=bus.run))) as root:
        for number in range(8):
            bus.publish(Fact(number))
        await trio.sleep(2.5)
        is_killed = root.kill("event_bus")
        await trio.sleep(0.5)
        bus.publish(Fact(8))  # while it is down
        await trio.sleep(20)

    assert is_killed
    assert good.heard == list(range(9))
    assert slow.heard == [0, 1, 3, 4, 5, 6, 7, 8]
    assert bus.stats()["slow"].failed == 1
    assert bus.stats()["slow"].last_error == "interrupted: the bus was stopped"
    assert accounted(bus.stats()["slow"]) == 9


async def test_a_handler_without_a_wait_of_its_own_lets_others_run(autojump_clock: MockClock) -> None:
    bus, heard = EventBus(BusLimits(capacity=1000)), list[int]()
    bus.subscribe("plain", [Fact], handles(lambda fact: heard.append(fact.number)))

    async with running(bus):
        for number in range(1000):
            bus.publish(Fact(number))
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        heard_by_then = len(heard)
        await wait_all_tasks_blocked()

    assert heard_by_then < 10
    assert heard == list(range(1000))
