"""One browser's conversation without a socket: batching, urgency, the overflow's snapshot, commands, the end."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.console.making import NOW_US, Made, alert, line
from traderv3.console.broadcaster import EVICT_S, Broadcaster
from traderv3.console.client import OUTBOX, Client, Wishes
from traderv3.console.commands import Args, Audited, Command, CommandGate, CommandRefused
from traderv3.console.conversation import Conversation
from traderv3.console.hub import Hub
from traderv3.console.log_tap import LogTap
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.domain.latency import Latency


@dataclass
class Browser:
    """The other end: reads what was sent, says what it is given, may stop reading."""

    hub: Hub
    client: Client
    sent: list[dict[str, Any]]
    say: trio.MemorySendChannel[str]
    is_reading: trio.Event
    audited: list[Audited]

    def kinds(self) -> list[str]:
        return [frame["type"] for frame in self.sent]


class Gone(Exception):
    """What a web server raises when its client disconnects."""


@asynccontextmanager
async def browsing(batch_ms: int = 0, made: Made | None = None) -> AsyncIterator[Browser]:
    hub = (made or Made()).hub()
    client, first = hub.join(batch_ms=batch_ms, epoch=None, last_seq=None, peer=("127.0.0.1", 4242))
    say, heard = trio.open_memory_channel[str](100)
    browser = Browser(hub, client, [], say, trio.Event(), [])
    browser.is_reading.set()

    async def send(text: str) -> None:
        await browser.is_reading.wait()
        browser.sent.append(json.loads(text))

    async def receive() -> str:
        try:
            return await heard.receive()
        except trio.EndOfChannel:
            raise Gone from None

    gate = CommandGate(
        {"restart_actor": Command(_restart, confirmation=lambda args: str(args.get("name")))},
        "the-token",
        wall_us=lambda: NOW_US,
        tell=lambda result: hub.log("command_result", result),
        audit=browser.audited.append,
        mask=lambda values: {name: str(value).replace("the-token", "***") for name, value in values.items()},
    )
    conversation = Conversation(hub, gate)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(conversation.run, client, first, send, receive)
        yield browser
        nursery.cancel_scope.cancel()


async def _restart(args: Args, who: str) -> str:
    await trio.lowlevel.checkpoint()
    if args["name"] == "nobody":
        raise CommandRefused("no actor 'nobody' is running")
    return "done"


async def test_without_batching_each_message_is_its_own_frame(autojump_clock: MockClock) -> None:
    async with browsing() as browser:
        await trio.sleep(1)
        browser.hub.log("console", line("one"))
        browser.hub.log("console", line("two"))
        await trio.sleep(1)

        assert browser.kinds()[-2:] == ["console", "console"]


async def test_bulk_waits_for_the_batch(autojump_clock: MockClock) -> None:
    async with browsing(batch_ms=50) as browser:
        await trio.sleep(1)
        before = len(browser.sent)
        browser.hub.log("console", line("one"))
        await trio.sleep(0.02)
        browser.hub.log("console", line("two"))
        await trio.sleep(0.02)
        assert len(browser.sent) == before
        await trio.sleep(0.02)

        assert browser.kinds()[before:] == ["batch"]
        assert len(browser.sent[-1]["data"]["items"]) == 2


async def test_an_urgent_message_takes_the_batch_along_at_once(autojump_clock: MockClock) -> None:
    async with browsing(batch_ms=1000) as browser:
        await trio.sleep(2)
        browser.hub.log("console", line("bulk"))
        await trio.sleep(0.01)
        browser.hub.show("trader_status", "", browser.hub.picture.trader_status(), is_urgent=True)
        await trio.sleep(0.01)

        assert [item["type"] for item in browser.sent[-1]["data"]["items"]] == ["console", "trader_status"]


async def test_after_an_overflow_a_snapshot_comes_first_with_the_number_dropped(autojump_clock: MockClock) -> None:
    async with browsing() as browser:
        await trio.sleep(1)
        browser.is_reading = trio.Event()
        browser.hub.log("console", line("blocks"))
        await trio.sleep(1)
        for number in range(OUTBOX + 10):
            browser.hub.log("console", line(str(number)))
        before = len(browser.sent)
        browser.is_reading.set()
        await trio.sleep(1)

        assert browser.kinds()[before:] == ["console", "snapshot"]  # what was blocked, and then the whole
        snapshot = browser.sent[-1]
        assert (snapshot["data"]["reason"], snapshot["data"]["dropped"]) == ("overflow", OUTBOX)
        assert snapshot["seq"] == browser.hub.seq


async def test_an_overflow_loses_no_answer(autojump_clock: MockClock) -> None:
    async with browsing() as browser:
        await trio.sleep(1)
        browser.is_reading = trio.Event()
        browser.hub.log("console", line("blocks"))
        await trio.sleep(1)
        for number in range(OUTBOX + 10):
            browser.hub.log("console", line(str(number)))
        await browser.say.send(json.dumps({"type": "ping"}))
        await trio.sleep(1)
        browser.is_reading.set()
        await trio.sleep(1)

        assert browser.kinds()[-2:] == ["pong", "snapshot"]


async def test_a_client_that_is_gone_ends_the_conversation_and_leaves_the_hub(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(Gone), flatten_subgroups=True):
        async with browsing() as browser:
            hub = browser.hub
            await trio.sleep(1)
            browser.say.close()
            await trio.sleep(1)

    assert not hub.clients


async def test_the_hubs_stop_ends_the_conversation(autojump_clock: MockClock) -> None:
    async with browsing() as browser:
        await trio.sleep(1)
        browser.hub.stopping.set()
        await trio.sleep(1)

        assert not browser.hub.clients


@pytest.mark.parametrize(
    ("name", "args", "confirm", "token", "ok", "reason"),
    [
        ("restart_actor", {"name": "x"}, "x", "the-token", True, "done"),
        ("restart_actor", {"name": "x"}, "y", "the-token", False, "type x to confirm"),
        ("restart_actor", {"name": "x"}, "x", "", False, "the control token is missing or wrong"),
        ("restart_actor", {"name": "x"}, "x", "the-tokem", False, "the control token is missing or wrong"),
        ("restart_actor", {"name": "nobody"}, "nobody", "the-token", False, "no actor 'nobody' is running"),
        ("fly", {}, "", "the-token", False, "unknown command 'fly'; known: restart_actor"),
        ("the-token", {}, "", "the-token", False, "unknown command '***'; known: restart_actor"),
    ],
)
async def test_a_command_is_carried_out_or_refused_with_the_rule(
    name: str, args: dict[str, str], confirm: str, token: str, ok: bool, reason: str, autojump_clock: MockClock
) -> None:
    data = {"id": "7", "name": name, "args": args, "confirm": confirm, "token": token}
    async with browsing() as browser:
        await browser.say.send(json.dumps({"type": "command", "data": data}))
        await trio.sleep(5)

        results = [frame["data"] for frame in browser.sent if frame["type"] == "command_result"]
        assert results == [{"id": "7", "ok": ok, "reason": reason}]
        [audited] = browser.audited
        assert (audited.who, audited.is_done, audited.result) == ("console c1", ok, reason)
        assert "the-token" not in repr(audited)


async def test_a_wrong_token_is_answered_slowly_and_one_that_strays_is_masked(autojump_clock: MockClock) -> None:
    data = {"id": "the-token", "name": "restart_actor", "args": {"name": "the-token"}, "token": "guess"}
    async with browsing() as browser:
        await browser.say.send(json.dumps({"type": "command", "data": data}))
        await trio.sleep(0.9)
        assert "command_result" not in browser.kinds()
        await trio.sleep(0.2)

        assert "command_result" in browser.kinds()
        assert "the-token" not in repr(browser.audited) + repr(browser.sent)


async def test_answers_come_whatever_the_topics(autojump_clock: MockClock) -> None:
    async with browsing() as browser:
        await browser.say.send(json.dumps({"type": "subscribe", "data": {"topics": ["market"]}}))
        await browser.say.send(json.dumps({"type": "command", "data": {"id": "7", "name": "halt"}}))
        await trio.sleep(5)

        assert "command_result" in browser.kinds()


async def test_a_client_blocked_for_thirty_seconds_is_cut_off(autojump_clock: MockClock) -> None:
    cut: list[tuple[str, int]] = []
    async with browsing() as browser, trio.open_nursery() as nursery:
        broadcaster = Broadcaster(browser.hub, EventBus(), LogTap(), loop_lag=Latency(), cut=cut.append)
        nursery.start_soon(broadcaster.run, Lifeline())
        await trio.sleep(5)
        browser.is_reading = trio.Event()
        await trio.sleep(EVICT_S - 1)
        assert not cut
        await trio.sleep(5)
        nursery.cancel_scope.cancel()

        assert cut[0] == ("127.0.0.1", 4242)


async def test_a_heartbeat_comes_every_second_also_when_nothing_happens(autojump_clock: MockClock) -> None:
    async with browsing() as browser, trio.open_nursery() as nursery:
        broadcaster = Broadcaster(browser.hub, EventBus(), LogTap(), loop_lag=Latency(), cut=lambda _: None)
        nursery.start_soon(broadcaster.run, Lifeline())
        await trio.sleep(10.5)
        nursery.cancel_scope.cancel()

        assert browser.kinds().count("heartbeat") in (10, 11)


async def test_max_hz_gathers_bulk_and_lets_urgent_messages_through(autojump_clock: MockClock) -> None:
    async with browsing() as browser:
        await browser.say.send(json.dumps({"type": "subscribe", "data": {"max_hz": 2}}))
        await trio.sleep(1)
        arrivals: list[float] = []
        before = len(browser.sent)
        for number in range(40):
            browser.hub.show("trader_status", "", browser.hub.picture.trader_status())
            if number == 25:
                browser.hub.show("latency", "", browser.hub.picture.latency(), is_urgent=True)
            await trio.sleep(0.05)
            arrivals += [trio.current_time()] * (len(browser.sent) - before)
            before = len(browser.sent)

        assert 4 <= browser.kinds().count("trader_status") <= 7  # the first one of the join, two a second, one urgent
        assert "batch" not in browser.kinds()  # each its own frame, as asked for
        assert browser.kinds().count("latency") == 1


async def test_a_field_that_a_subscription_leaves_out_stays_as_it_was(autojump_clock: MockClock) -> None:
    async with browsing() as browser:
        await browser.say.send(json.dumps({"type": "subscribe", "data": {"topics": ["market"], "max_hz": 5}}))
        await browser.say.send(json.dumps({"type": "subscribe", "data": {"books": ["KX-A"]}}))
        await trio.sleep(1)

        assert browser.client.wishes == Wishes(topics=frozenset({"market"}), books=frozenset({"KX-A"}), max_hz=5)
        await browser.say.send(json.dumps({"type": "subscribe", "data": {"topics": None, "books": None}}))
        await trio.sleep(1)
        assert browser.client.wishes == Wishes(max_hz=5)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"books": ["A", "B", "C", "D", "E"]}, "5 whole books; at most 4"),
        ({"max_hz": 0}, "max_hz 0"),
        ({"max_hz": -1}, "max_hz -1"),
        ({"topics": ["gossip"]}, "unknown topics gossip"),
        ({"topics": "market"}, "not understood"),
    ],
)
async def test_a_subscription_that_makes_no_sense_is_refused_and_changes_nothing(
    data: dict[str, Any], said: str, autojump_clock: MockClock
) -> None:
    async with browsing() as browser:
        await browser.say.send(json.dumps({"type": "subscribe", "data": data}))
        await trio.sleep(1)

        assert said in browser.sent[-1]["data"]["reason"]
        assert browser.client.wishes == Wishes()


async def test_how_long_urgent_messages_take_is_measured(autojump_clock: MockClock) -> None:
    async with browsing(batch_ms=50) as browser:
        await trio.sleep(1)
        for _ in range(3):
            browser.hub.log("alert", alert("a"))
            await trio.sleep(1)

        assert browser.hub.event_to_socket.read(now_s=trio.current_time()).count == 3
