"""One browser's conversation: a writer that empties its outbox and a reader that hears it, in one nursery.

Where the connection has a wire, the courier empties the outbox, and the writer only waits for a socket that takes no more.

The reader notices a browser that is gone; the writer has a checkpoint on every turn, since a send to a closed socket
may return without one. Commands go through the gate (`commands`), whoever asks.
Never: a wait for this browser in any task but these two.
"""

import contextlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import asdict
from typing import Any, NoReturn

import msgspec
import structlog
import trio

from traderv3.console import messages
from traderv3.console.client import BOOKS_MAX, HZ_MIN, Client, Frame, Wishes
from traderv3.console.commands import NONSENSE_WAIT_S, REQUEST_BYTES_MAX, CommandGate, CommandRequest
from traderv3.console.hub import Hub
from traderv3.console.wire import Wire, frame_all

log = structlog.get_logger(component="console")

Send = Callable[[str], Awaitable[None]]
Receive = Callable[[], Awaitable[str | bytes]]


class NotUnderstood(Exception):
    """A request that makes no sense; the message says why."""


class Request(msgspec.Struct):
    """What a browser sends: `ping`, `subscribe` or `command`, the rest in `data`."""

    type: str
    data: dict[str, Any] = {}


class Subscribe(msgspec.Struct):
    """What to send from now on. Null: all; absent: as before. See `client.Wishes`."""

    topics: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    markets: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    books: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    max_hz: float | msgspec.UnsetType | None = msgspec.UNSET


def read_wishes(
    *,
    topics: Collection[str] | None = None,
    markets: Collection[str] | None = None,
    books: Collection[str] | None = None,
    max_hz: float | None = None,
) -> Wishes:
    """What a client may wish for. Raises `NotUnderstood`."""
    if unknown := set(topics or ()) - set(messages.MESSAGES):
        msg = f"unknown topics {', '.join(sorted(unknown))}; known: {', '.join(messages.MESSAGES)}"
        raise NotUnderstood(msg)
    if books is not None and len(set(books)) > BOOKS_MAX:
        msg = f"{len(set(books))} whole books; at most {BOOKS_MAX} at a time"
        raise NotUnderstood(msg)
    if max_hz is not None and not HZ_MIN <= max_hz <= 1e6:
        msg = f"max_hz {max_hz:g} is not between {HZ_MIN:g} and a million"
        raise NotUnderstood(msg)
    return Wishes(_set(topics), _set(markets), _set(books), max_hz)


def _set(names: Collection[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


class Conversation:
    """Serves one client until it leaves or the hub stops."""

    def __init__(self, hub: Hub, gate: CommandGate) -> None:
        self._hub = hub
        self._gate = gate

    async def run(
        self, client: Client, first: list[Frame], send: Send, receive: Receive, wire: Wire | None = None
    ) -> None:
        """Talk until `receive` or `send` raises, or the hub stops. With a `wire` nothing goes by `send`."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, client, receive)
                nursery.start_soon(self._end_with_hub, nursery.cancel_scope)
                if wire is None:
                    await self._write(client, first, send)
                else:
                    await self._write_direct(client, first, wire)
        finally:
            self._hub.leave(client)

    async def _end_with_hub(self, scope: trio.CancelScope) -> None:
        await self._hub.stopping.wait()
        scope.cancel()

    async def _write_direct(self, client: Client, first: list[Frame], wire: Wire) -> NoReturn:
        """Send the first messages; from then on the courier sends, and we wait whenever the socket takes no more."""
        client.sending_since = trio.current_time()
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await wire.send_all(frame_all(first))
            client.sending_since, client.wire = None, wire
            while True:
                await wire.unblock()
        await trio.sleep_forever()  # it is gone; the reader hears of it

    async def _write(self, client: Client, first: list[Frame], send: Send) -> None:
        frames = first
        urgent_since: float | None = None
        while True:
            await trio.lowlevel.checkpoint()
            client.sending_since = trio.current_time()
            if client.batch_ms and len(frames) > 1 and frames is not first:
                await send(self._hub.batch(frames).decode())
            else:
                for frame in frames:
                    await send(frame.payload.decode())
            client.sending_since = None
            if urgent_since is not None:
                now_s = trio.current_time()
                self._hub.event_to_socket.note(int((now_s - urgent_since) * 1e6), now_s=now_s)
            await client.wake.wait()
            if client.gather_s:
                with trio.move_on_after(client.gather_s):
                    await client.urgent.wait()
            frames = self._hub.collect(client)
            urgent_since, client.urgent_since = client.urgent_since, None

    async def _read(self, client: Client, receive: Receive) -> None:
        while True:
            raw = await receive()
            data = raw.encode() if isinstance(raw, str) else raw
            try:
                if len(data) > REQUEST_BYTES_MAX:
                    msg = f"a request of {len(data)} bytes; at most {REQUEST_BYTES_MAX}"
                    raise NotUnderstood(msg)
                await self._answer(client, msgspec.json.decode(data, type=Request))
            except (msgspec.MsgspecError, RecursionError, NotUnderstood) as exc:
                why = self._gate.masked(f"not understood: {exc}")[:1000]
                log.warning("console request refused", client=client.client_id, reason=why[:300])
                await trio.sleep(NONSENSE_WAIT_S)
                self._hub.log("command_result", messages.CommandResult(id="", ok=False, reason=why))

    async def _answer(self, client: Client, request: Request) -> None:
        match request.type:
            case "ping":
                self._hub.tell(client, "pong", messages.Pong())
            case "subscribe":
                said = msgspec.structs.asdict(msgspec.convert(request.data, Subscribe))
                now = {
                    **asdict(client.wishes),
                    **{name: wish for name, wish in said.items() if wish is not msgspec.UNSET},
                }
                self._hub.follow(client, read_wishes(**now))
            case "command":
                await self._gate.carry_out(
                    msgspec.convert(request.data, CommandRequest), who=f"console {client.client_id}"
                )
            case other:
                msg = f"unknown request {other!r}; known: ping, subscribe, command"
                raise NotUnderstood(msg)
