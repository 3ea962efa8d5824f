"""What goes out by the clock: only what changed, no more often than promised, and the past with it."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import trio
from trio.testing import MockClock

from tests.console.making import NOW_US, ROOT, Made
from traderv3.console.broadcaster import Broadcaster
from traderv3.console.client import Client, Wishes
from traderv3.console.log_tap import LogTap
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.mailbox import MailboxStats, Policy
from traderv3.core.supervision import NodeReport, Status
from traderv3.domain.events import StateChanged
from traderv3.domain.health import OVER_NOW, Health, Level, Reason
from traderv3.domain.latency import Latency
from traderv3.domain.states import State
from traderv3.domain.timestamps import rfc3339

STATS = MailboxStats(0, 1000, Policy.DROP_OLDEST, 0, 0, 0, 0, 0.0)


class World:
    """A broadcaster over a small trader, and one console that reads everything."""

    def __init__(self) -> None:
        self.made = Made(
            steady_s=trio.current_time,
            wall_us=lambda: NOW_US + int(trio.current_time() * 1e6),
            tree=replace(ROOT, children=(worker(STATS),)),
        )
        self.made.feed.watch(["KX-A"])
        self.hub = self.made.hub()
        self.tap = LogTap()
        self.lag = Latency()
        self.broadcaster = Broadcaster(self.hub, EventBus(), self.tap, loop_lag=self.lag, cut=lambda _: None)
        self.client: Client | None = None

    def join(self, wishes: Wishes | None = None) -> None:
        self.client, _ = self.hub.join(batch_ms=0, epoch=None, last_seq=None, wishes=wishes)

    def read(self) -> list[dict[str, Any]]:
        assert self.client is not None
        return [msgspec.json.decode(frame.payload) for frame in self.client.take()]

    async def count(self, seconds: float, step_s: float, change: Any) -> Counter[str]:
        """How many of each kind come while something changes every step."""
        kinds: Counter[str] = Counter()
        self.read()
        for _ in range(round(seconds / step_s)):
            change()
            await trio.sleep(step_s)
            kinds.update(frame["type"] for frame in self.read())
        return kinds


def worker(stats: MailboxStats, status: Status = Status.RUNNING) -> NodeReport:
    return NodeReport("broadcaster", None, status, NOW_US, 0, None, stats, ())


@asynccontextmanager
async def broadcasting() -> AsyncIterator[World]:
    world = World()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.broadcaster.run, Lifeline())
        await trio.sleep(1.5)
        world.join()
        await trio.sleep(1.5)
        yield world
        nursery.cancel_scope.cancel()


async def test_mailboxes_go_out_on_change_four_times_a_second_and_the_tree_does_not(autojump_clock: MockClock) -> None:
    async with broadcasting() as world:

        def accept() -> None:
            stats = world.made.tree.children[0].mailbox
            assert stats is not None
            world.made.tree = replace(ROOT, children=(worker(replace(stats, accepted=stats.accepted + 1)),))

        busy = await world.count(10.0, 0.05, accept)
        quiet = await world.count(10.0, 0.05, lambda: None)

        assert 35 <= busy["mailbox"] <= 41
        assert busy["supervision"] == quiet["supervision"] == quiet["mailbox"] == 0


async def test_the_tree_goes_out_when_a_status_changed(autojump_clock: MockClock) -> None:
    async with broadcasting() as world:
        world.read()
        world.made.tree = replace(ROOT, children=(worker(STATS, Status.BACKOFF),))
        await trio.sleep(0.5)

        assert [frame["type"] for frame in world.read() if frame["type"] in ("supervision", "mailbox")] == [
            "supervision"
        ]


async def test_feed_goes_out_on_change_at_most_once_a_second_latency_and_status_every_second(
    autojump_clock: MockClock,
) -> None:
    async with broadcasting() as world:
        quiet = await world.count(10.0, 0.05, lambda: None)
        world.made.feed.line("orderbook_connector")
        changed = await world.count(
            10.0,
            0.05,
            lambda: setattr(world.made.feed.lines["orderbook_connector"], "reason", str(trio.current_time())),
        )

        assert quiet["feed"] == 0
        assert 9 <= changed["feed"] <= 11
        assert 9 <= quiet["latency"] <= 11
        assert 9 <= quiet["trader_status"] <= 11


async def test_tops_and_books_go_out_at_most_ten_times_a_second(autojump_clock: MockClock) -> None:
    async with broadcasting() as world:
        assert world.client is not None
        world.hub.follow(world.client, Wishes(books=frozenset({"KX-A"})))
        book = world.made.feed.books["KX-A"]
        kinds = await world.count(10.0, 0.01, lambda: book.replace([(4_500, 100 + book.updates)], []))

        assert 90 <= kinds["market"] <= 101
        assert 90 <= kinds["book"] <= 101


async def test_what_breaks_a_rule_becomes_an_alert_and_ends(autojump_clock: MockClock) -> None:
    async with broadcasting() as world:
        world.read()
        book = world.made.feed.books["KX-A"]
        book.replace([(1, 1)], [])
        book.mark_stale("a gap")
        await trio.sleep(2)
        book.replace([(1, 1)], [])
        await trio.sleep(10)
        alerts = [frame["data"] for frame in world.read() if frame["type"] == "alert"]

        assert [(alert["id"], alert["kind"], alert["is_active"]) for alert in alerts] == [
            ("lint/stale_market", "lint", True),
            ("lint/stale_market", "lint", False),
        ]
        assert not world.hub.slices.alerts


async def test_the_past_keeps_a_moment_every_second_and_at_every_transition_without_any_console(
    autojump_clock: MockClock,
) -> None:
    world = World()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.broadcaster.run, Lifeline())
        await trio.sleep(10.5)
        before = world.hub.past._chunks[0].moments
        world.broadcaster.record(StateChanged(State.READY, State.CONNECTIVITY, "lost", NOW_US))
        nursery.cancel_scope.cancel()

    assert 10 <= before <= 12
    assert world.hub.past._chunks[0].moments == before + 1
    assert world.lag.read(now_s=10.5).count > 100


async def test_lines_of_the_log_go_out_with_source_and_number(autojump_clock: MockClock) -> None:
    async with broadcasting() as world:
        world.read()
        world.tap.take_line("info", "2026-11-22T15:06:40.123Z", "discovery", "markets chosen", {"count": 15})
        await trio.sleep(0.2)
        [line] = [frame for frame in world.read() if frame["type"] == "console"]

        assert line["data"] == {
            "level": "info",
            "timestamp": "2026-11-22T15:06:40.123Z",
            "source": "discovery",
            "message": "markets chosen",
            "context": "count=15",
            "seq": line["seq"],
        }


async def test_the_same_trouble_anew_is_an_alert_with_its_own_beginning(autojump_clock: MockClock) -> None:
    async with broadcasting() as world:
        world.read()
        for since_us in (NOW_US, NOW_US + 4_000_000):
            world.made.health = Health(Level.DEGRADED, (Reason("trading", "halted by ann", since_us, Level.DEGRADED),))
            await trio.sleep(0.5)
        alerts = [frame["data"] for frame in world.read() if frame["type"] == "alert"]

        assert [alert["since"] for alert in alerts] == [rfc3339(NOW_US), rfc3339(NOW_US + 4_000_000)]


async def test_a_reason_of_health_is_one_alert_from_its_beginning_to_its_end(autojump_clock: MockClock) -> None:
    async with broadcasting() as world:
        world.read()
        for message in ("3 books stale", "4 books stale", f"{OVER_NOW}4 books stale"):
            reason = Reason("orderbook_connector", message, NOW_US, Level.DEGRADED)
            world.made.health = Health(Level.DEGRADED, (reason,))
            await trio.sleep(0.5)
        world.made.health = Health()
        await trio.sleep(0.5)
        alerts = [frame["data"] for frame in world.read() if frame["type"] == "alert"]

        assert [(alert["message"], alert["is_active"]) for alert in alerts] == [
            ("3 books stale", True),
            ("4 books stale", True),
            ("4 books stale", False),
        ]
