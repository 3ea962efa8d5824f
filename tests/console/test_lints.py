"""Lints: each rule is broken by its trouble and by nothing else, and does not flicker."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.console.making import NOW_US, ROOT, Made
from traderv3.console.lints import HOLD_S, RULES, Linter
from traderv3.console.messages import RestReport
from traderv3.core.breaker import BreakerState
from traderv3.core.event_bus import SubscriberStats
from traderv3.core.mailbox import MailboxStats, Policy
from traderv3.core.supervision import Budget
from traderv3.domain.feed import GapEntry


class World:
    """A trader whose facts the test moves, and the linter over it."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.made = Made(steady_s=lambda: self.now_s, wall_us=lambda: NOW_US + int(self.now_s * 1e6))
        self.made.subscribers["log"] = subscriber()
        self.made.rest = rest()
        self.made.feed.watch(["KX-A"])
        self.made.feed.books["KX-A"].replace([(1, 1)], [])
        self.linter = Linter(self.made.sources())
        assert self.linter.look() == []

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds

    def look(self) -> list[tuple[str, int, bool]]:
        return [(alert.id, alert.count, alert.is_active) for alert in self.linter.look()]


def subscriber(depth: int = 0, timed_out: int = 0) -> SubscriberStats:
    mailbox = MailboxStats(depth, 1000, Policy.DROP_OLDEST, depth, 0, 0, depth, 0.0)
    return SubscriberStats(mailbox, 0, 0, timed_out, 0, BreakerState.CLOSED, None)


def rest(**changes: Any) -> RestReport:
    values: dict[str, Any] = dict.fromkeys(RestReport.__struct_fields__, 0)
    values.update(breaker="closed", next_probe_s=0.0, last_error=None, last_error_us=None, usage_tier=None)
    values.update(clock_round_trip_ms=None, clock_age_s=None, is_clock_measured=True)
    values.update(read_tokens=200, read_capacity=200, write_tokens=100, write_capacity=100)
    return msgspec.convert({**values, **changes}, RestReport)


def fill_mailbox(world: World) -> None:
    world.made.subscribers["log"] = subscriber(depth=801)


def use_budget(world: World) -> None:
    world.made.tree = replace(ROOT, children=(replace(ROOT, name="market", budget=Budget(3, 5, 60.0)),))


def go_stale(world: World) -> None:
    world.made.feed.books["KX-A"].mark_stale("a gap")


def skew(world: World) -> None:
    world.made.rest = rest(clock_offset_ms=-251)


def lose(world: World) -> None:
    world.made.feed.gaps.append(GapEntry("orderbook_connector", world.made.wall_us(), "1 message lost", 1, 1))


def handle_slowly(world: World) -> None:
    world.made.subscribers["log"] = subscriber(timed_out=1)


def spend(world: World) -> None:
    world.made.rest = rest(write_tokens=19)


TROUBLES: dict[str, Callable[[World], None]] = {
    "mailbox": fill_mailbox,
    "restart_budget": use_budget,
    "stale_market": go_stale,
    "clock_skew": skew,
    "gap": lose,
    "slow_handler": handle_slowly,
    "rate_bucket": spend,
}


def test_every_rule_has_its_trouble_here() -> None:
    assert [rule.name for rule in RULES] == list(TROUBLES)


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_breaks_its_own_rule_alone_and_is_told_once(name: str) -> None:
    world = World()
    TROUBLES[name](world)

    assert world.look() == [(f"lint/{name}", 1, True)]
    world.pass_s(1.0)
    assert world.look() == []


def test_one_that_wavers_around_its_bound_reads_as_one_trouble() -> None:
    world = World()
    told = []
    for second in range(60):
        world.made.subscribers["log"] = subscriber(depth=801 if second % 4 == 0 else 700)
        told += world.look()
        world.pass_s(1.0)

    assert told == [("lint/mailbox", 1, True)]


def test_an_end_is_told_once_the_trouble_has_been_gone_for_a_while() -> None:
    world = World()
    fill_mailbox(world)
    world.look()
    world.made.subscribers["log"] = subscriber()
    world.pass_s(HOLD_S - 0.5)
    assert world.look() == []
    world.pass_s(1.0)

    assert world.look() == [("lint/mailbox", 1, False)]
    world.pass_s(60.0)
    assert world.look() == []


@pytest.mark.parametrize("name", ["gap", "slow_handler"])
def test_what_happened_once_is_shown_for_a_minute(name: str) -> None:
    world = World()
    TROUBLES[name](world)
    told = []
    for _ in range(80):
        told += [(what, is_active, world.now_s) for what, _, is_active in world.look()]
        world.pass_s(1.0)

    assert [is_active for _, is_active, _ in told] == [True, False]
    assert 60.0 <= told[1][2] - told[0][2] <= 60.0 + HOLD_S + 1.0


def test_a_growing_number_is_told_and_names_are_cut() -> None:
    world = World()
    feed = world.made.feed
    counts = []
    for number in range(5):
        feed.watch([f"KX-{number}"])
        feed.books[f"KX-{number}"].replace([(1, 1)], [])
        feed.books[f"KX-{number}"].mark_stale("a gap")
        counts += [count for _, count, _ in world.look()]

    assert counts == [1, 2, 3, 4, 5]
    alert = world.linter._broken["stale_market"].alert
    assert alert.message == "5 markets stale: KX-2, KX-3, KX-4, …"
