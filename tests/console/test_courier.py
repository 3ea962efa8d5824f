"""Writing straight to the consoles' sockets: whole frames in order whatever the socket takes, pace, level clients, the end."""

import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import TextMessage

from tests.console.making import Made, alert, line
from traderv3.console.client import Wishes
from traderv3.console.commands import CommandGate
from traderv3.console.conversation import Conversation
from traderv3.console.courier import Courier
from traderv3.console.hub import Hub
from traderv3.console.wire import Wire, frame


class Browser:
    """The other end of a socket pair, reading WebSocket frames."""

    def __init__(self, hub: Hub, *, batch_ms: int, wishes: Wishes | None, room: int) -> None:
        ours, self.theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        self.stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        self.theirs.setblocking(False)
        self.wire = Wire(self.stream)
        self.client, self.first = hub.join(batch_ms=batch_ms, epoch=None, last_seq=None, wishes=wishes)
        self.client.wire = self.wire
        self._frames = Connection(ConnectionType.CLIENT)
        self._text = ""

    async def unblock(self) -> None:
        """What the conversation does at our end of the socket."""
        while True:
            await self.wire.unblock()

    async def readable(self) -> None:
        """Wait until something has come."""
        await trio.lowlevel.wait_readable(self.theirs)

    def read(self) -> list[str]:
        """The kinds of the messages that have come since; a batch shows as the kinds in it."""
        with contextlib.suppress(BlockingIOError):
            while data := self.theirs.recv(1 << 16):
                self._frames.receive_data(data)
        kinds: list[str] = []
        for event in self._frames.events():
            assert isinstance(event, TextMessage)
            self._text += event.data
            if event.message_finished:
                message, self._text = msgspec.json.decode(self._text), ""
                kinds += (
                    [i["type"] for i in message["data"]["items"]] if message["type"] == "batch" else [message["type"]]
                )
        return kinds


class Hall:
    """A hub, its courier and the browsers in front of them."""

    def __init__(self) -> None:
        self.hub = Made(steady_s=trio.current_time).hub()
        self.courier = Courier(self.hub)
        self.browsers: list[Browser] = []

    def browser(self, *, batch_ms: int = 0, wishes: Wishes | None = None, room: int = 1 << 20) -> Browser:
        self.browsers.append(Browser(self.hub, batch_ms=batch_ms, wishes=wishes, room=room))
        return self.browsers[-1]


@asynccontextmanager
async def delivering() -> AsyncIterator[tuple[Hall, Hub, Courier]]:
    hall = Hall()
    try:
        yield hall, hall.hub, hall.courier
    finally:
        for browser in hall.browsers:
            browser.stream.socket.close()
            browser.theirs.close()


@given(st.integers(0, 70_000))
def test_a_frame_reads_back_as_its_message(size: int) -> None:
    reader = Connection(ConnectionType.CLIENT)
    reader.receive_data(frame(b"x" * size))
    events = list(reader.events())

    assert "".join(event.data for event in events if isinstance(event, TextMessage)) == "x" * size


async def test_urgent_messages_go_at_once_and_take_bulk_along_in_order() -> None:
    async with delivering() as (hall, hub, courier):
        browser = hall.browser(batch_ms=50)
        courier.deliver(10.0)
        hub.log("console", line("bulk"))
        courier.deliver(10.01)
        hub.log("console", line("more"))
        courier.deliver(10.02)
        assert browser.read() == ["console"]
        hub.log("alert", alert("a"))
        courier.deliver(10.03)

        assert browser.read() == ["console", "alert"]


async def test_bulk_waits_for_its_pace() -> None:
    async with delivering() as (hall, hub, courier):
        browser = hall.browser(wishes=Wishes(max_hz=2.0))
        seen = []
        for tick in range(100):
            hub.show("latency", "", hub.picture.latency())
            courier.deliver(100.0 + tick * 0.025)
            seen += browser.read()

        assert len(seen) == 5  # in two seconds and a half


async def test_each_gets_what_it_wants_however_many_are_level() -> None:
    async with delivering() as (hall, hub, courier):
        all_of_it = [hall.browser(batch_ms=50) for _ in range(3)]
        alerts = hall.browser(batch_ms=50, wishes=Wishes(topics=frozenset({"alert"})))
        single = hall.browser()
        hub.log("console", line("one"))
        hub.log("alert", alert("a"))
        courier.deliver(10.0)

        assert [browser.read() for browser in all_of_it] == [["console", "alert"]] * 3
        assert alerts.read() == ["alert"]
        assert single.read() == ["console", "alert"]


async def test_a_socket_that_takes_no_more_is_left_alone_and_loses_no_byte() -> None:
    async with delivering() as (hall, hub, courier), trio.open_nursery() as nursery:
        slow, quick = hall.browser(room=4096), hall.browser()
        nursery.start_soon(slow.unblock)
        for number in range(500):
            hub.log("console", line(f"{number} " + "x" * 200))
            courier.deliver(trio.current_time())
        assert slow.wire.is_blocked
        assert slow.client.sending_since is not None
        assert len(quick.read()) == 500
        nursery.start_soon(courier.run)
        kinds: list[str] = []
        with trio.fail_after(5):
            while len(kinds) < 500:
                await slow.readable()
                kinds += slow.read()
        nursery.cancel_scope.cancel()

        assert kinds == ["console"] * 500
        assert slow.client.dropped == 0


async def test_an_overflow_behind_a_blocked_socket_ends_in_a_snapshot() -> None:
    async with delivering() as (hall, hub, courier), trio.open_nursery() as nursery:
        browser = hall.browser(room=4096)
        for number in range(6_000):
            hub.log("console", line(f"{number} " + "x" * 100))
            courier.deliver(trio.current_time())
        nursery.start_soon(browser.unblock)
        nursery.start_soon(courier.run)
        kinds: list[str] = []
        with trio.fail_after(5):
            while "snapshot" not in kinds:
                await browser.readable()
                kinds += browser.read()
        nursery.cancel_scope.cancel()

        assert kinds == ["console"] * (len(kinds) - 1) + ["snapshot"]
        assert browser.client.dropped == 5_000


async def test_a_browser_that_is_gone_harms_nobody() -> None:
    async with delivering() as (hall, hub, courier):
        gone, there = hall.browser(), hall.browser()
        gone.theirs.close()
        for _ in range(3):
            hub.log("alert", alert("a"))
            courier.deliver(trio.current_time())

        assert gone.wire.is_blocked
        assert there.read() == ["alert"] * 3
        with pytest.raises(trio.BrokenResourceError):
            await gone.wire.send_all(b"goodbye")


async def test_a_send_that_was_cut_short_is_the_last() -> None:
    async with delivering() as (hall, _, _):
        browser = hall.browser(room=4096)
        with trio.move_on_after(0.05) as cut:
            await browser.wire.send_all(b"x" * 10_000_000)

        assert cut.cancelled_caught
        assert browser.wire.is_blocked
        with pytest.raises(trio.BrokenResourceError):
            await browser.wire.send_all(b"")


async def test_event_to_socket_is_measured_for_urgent_messages_alone() -> None:
    async with delivering() as (hall, hub, courier):
        hall.browser()
        hub.log("console", line("bulk"))
        courier.deliver(trio.current_time() + 1)
        hub.log("alert", alert("a"))
        courier.deliver(trio.current_time() + 1)

        assert hub.event_to_socket.read(now_s=trio.current_time() + 1).count == 1


async def test_the_courier_wakes_for_what_is_urgent() -> None:
    async with delivering() as (hall, hub, courier), trio.open_nursery() as nursery:
        browser = hall.browser(wishes=Wishes(max_hz=0.1))
        nursery.start_soon(courier.run)
        await trio.sleep(0.1)
        browser.read()
        hub.log("alert", alert("a"))
        with trio.fail_after(2):
            await browser.readable()
        nursery.cancel_scope.cancel()

        assert browser.read() == ["alert"]


async def test_the_courier_waits_until_the_first_messages_are_out() -> None:
    async with delivering() as (hall, hub, courier), trio.open_nursery() as nursery:
        browser = hall.browser()
        browser.client.wire = None
        gate = CommandGate({}, "t", wall_us=lambda: 0, tell=lambda _: None, audit=lambda _: None, mask=dict)
        conversation = Conversation(hub, gate)
        nursery.start_soon(conversation.run, browser.client, browser.first, no_send, never_receive, browser.wire)
        hub.log("alert", alert("a"))
        courier.deliver(trio.current_time())
        assert browser.read() == []
        await wait_all_tasks_blocked()
        courier.deliver(trio.current_time() + 1)
        kinds = browser.read()
        nursery.cancel_scope.cancel()

        assert kinds == ["connection", "snapshot", "history_replay", "trader_status", "alert"]


async def test_a_browser_that_leaves_during_its_first_messages_raises_nothing() -> None:
    async with delivering() as (hall, hub, _):
        browser = hall.browser(room=4096)
        browser.theirs.close()
        gate = CommandGate({}, "t", wall_us=lambda: 0, tell=lambda _: None, audit=lambda _: None, mask=dict)
        with trio.move_on_after(0.1):
            await Conversation(hub, gate).run(browser.client, browser.first, no_send, never_receive, browser.wire)

    assert not hub.clients


async def no_send(_: str) -> None:
    raise AssertionError("what has a wire is not sent otherwise")


async def never_receive() -> str:
    await trio.sleep_forever()
