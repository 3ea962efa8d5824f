"""One browser's conversation: a writer that empties its outbox and a reader that hears it, in one nursery.

The reader notices a browser that is gone; the writer has a checkpoint on every turn, since a send to a closed socket
may return without one. Commands are checked here: name, token (in constant time), typed confirmation.
Never: a wait for this browser in any task but these two.
"""

import hmac
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
import trio

from traderv3.console import messages
from traderv3.console.hub import Client, Hub

log = structlog.get_logger(component="console")

ALWAYS: Final = frozenset({"connection", "snapshot", "heartbeat", "pong", "command_result"})  # whatever the topics
REQUEST_BYTES_MAX: Final = 64 * 1024
NONSENSE_WAIT_S: Final = 0.25  # after a request that makes no sense: nobody can wash the log away
REFUSAL_WAIT_S: Final = 1.0  # after a wrong token: guessing is slow

Send = Callable[[str], Awaitable[None]]
Receive = Callable[[], Awaitable[str | bytes]]


@dataclass(frozen=True, slots=True)
class Command:
    """Something a person may ask for. `run` gets the arguments and returns what to say; it raises `CommandRefused`."""

    run: Callable[[Mapping[str, Any]], str]
    confirmation: Callable[[Mapping[str, Any]], str]  # what has to be typed


class CommandRefused(Exception):
    """The command was understood and is not carried out; the message says why."""


class Request(msgspec.Struct):
    """What a browser sends: `ping`, `subscribe` or `command`, the rest in `data`."""

    type: str
    data: dict[str, Any] = {}


class Subscribe(msgspec.Struct):
    """Which kinds and markets to send; null for all."""

    topics: list[str] | None = None
    markets: list[str] | None = None
    max_hz: float | None = None


class CommandRequest(msgspec.Struct):
    """One command with everything that it needs."""

    id: str
    name: str
    args: dict[str, Any] = {}
    confirm: str = ""
    token: str = ""


def read_topics(names: Collection[str] | None) -> frozenset[str] | None:
    """The kinds of message to send: those named and what always comes, or None for all. Raises `CommandRefused`."""
    if names is None:
        return None
    unknown = set(names) - set(messages.MESSAGES)
    if unknown:
        msg = f"unknown topics {', '.join(sorted(unknown))[:100]}; known: {', '.join(messages.MESSAGES)}"
        raise CommandRefused(msg)
    return frozenset(names) | ALWAYS


class Conversation:
    """Serves one client until it leaves or the hub stops."""

    def __init__(self, hub: Hub, commands: Mapping[str, Command], token: str) -> None:
        self._hub = hub
        self._commands = commands
        self._token = token

    async def run(self, client: Client, first: list[bytes], send: Send, receive: Receive) -> None:
        """Talk until `receive` or `send` raises, or the hub stops."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, client, receive)
                nursery.start_soon(self._end_with_hub, nursery.cancel_scope)
                await self._write(client, first, send)
        finally:
            self._hub.leave(client)

    async def _end_with_hub(self, scope: trio.CancelScope) -> None:
        await self._hub.stopping.wait()
        scope.cancel()

    async def _write(self, client: Client, first: list[bytes], send: Send) -> None:
        frames = first
        while True:
            if client.is_overrun:
                client.is_overrun = False
                frames = [self._hub.snapshot("overflow", client), *frames]
            await trio.lowlevel.checkpoint()
            client.sending_since = trio.current_time()
            if client.batch_ms and len(frames) > 1 and frames is not first:
                await send(self._hub.batch(frames).decode())
            else:
                for frame in frames:
                    await send(frame.decode())
            client.sending_since = None
            await client.wake.wait()
            if client.batch_ms:
                with trio.move_on_after(client.batch_ms / 1000):
                    await client.urgent.wait()
            frames = client.take()

    async def _read(self, client: Client, receive: Receive) -> None:
        while True:
            raw = await receive()
            data = raw.encode() if isinstance(raw, str) else raw
            try:
                if len(data) > REQUEST_BYTES_MAX:
                    msg = f"a request of {len(data)} bytes; at most {REQUEST_BYTES_MAX}"
                    raise CommandRefused(msg)
                await self._answer(client, msgspec.json.decode(data, type=Request))
            except (msgspec.MsgspecError, RecursionError, CommandRefused) as exc:
                self._refuse(client, "", f"not understood: {exc}")
                await trio.sleep(NONSENSE_WAIT_S)

    async def _answer(self, client: Client, request: Request) -> None:
        match request.type:
            case "ping":
                self._hub.tell(client, "pong", messages.Pong())
            case "subscribe":
                wanted = msgspec.convert(request.data, Subscribe)
                client.topics = read_topics(wanted.topics)
                client.markets = None if wanted.markets is None else frozenset(wanted.markets)
                if wanted.max_hz:
                    client.batch_ms = max(client.batch_ms, min(10_000, int(1000 / max(wanted.max_hz, 0.1))))
            case "command":
                await self._carry_out(client, msgspec.convert(request.data, CommandRequest))
            case other:
                msg = f"unknown request {other[:40]!r}; known: ping, subscribe, command"
                raise CommandRefused(msg)

    async def _carry_out(self, client: Client, request: CommandRequest) -> None:
        """Check name, token and confirmation, in this order, and carry the command out. Every outcome is logged."""
        command = self._commands.get(request.name)
        if command is None:
            self._refuse(
                client, request.id, f"unknown command {request.name[:40]!r}; known: {', '.join(self._commands)}"
            )
            return
        if not hmac.compare_digest(request.token.encode(), self._token.encode()):
            await trio.sleep(REFUSAL_WAIT_S)
            self._refuse(client, request.id, "the control token is missing or wrong")
            return
        try:
            expected = command.confirmation(request.args)
            if request.confirm != expected:
                msg = f"type {expected} to confirm"
                raise CommandRefused(msg)
            said = command.run(request.args)
        except CommandRefused as exc:
            self._refuse(client, request.id, str(exc))
            return
        log.warning("command carried out", command=request.name, args=request.args, client=client.client_id, said=said)
        self._hub.log("command_result", messages.CommandResult(id=request.id, ok=True, reason=said))

    def _refuse(self, client: Client, request_id: str, reason: str) -> None:
        log.warning("console request refused", client=client.client_id, reason=reason[:300])
        result = messages.CommandResult(id=request_id[:100], ok=False, reason=reason)
        self._hub.log("command_result", result)
