"""Who comes in by the console's port: every connection, counted, and every request's head, read before Hypercorn reads it.

Hypercorn (0.18) runs all connections in one nursery, and what one of them trips over ends them all: a byte above 0x7f in
`Sec-WebSocket-Protocol` is enough. So nothing reaches it that was not parsed strictly before: HTTP/1 in ASCII, no upgrade
but to a WebSocket, bodies by `Content-Length`, everything bounded. WebSocket extensions are struck out: compression costs
a third more processor and 290 kB a client, and lets a small frame swell a thousandfold.
Units: seconds of Trio's clock, bytes.
Source: RFC 9112, RFC 6455; the accept loop stands in for that of `hypercorn.trio.run.worker_serve`.
Never: a connection, a head or a body without bound; a refusal without the security headers.
"""

import binascii
import http
import math
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import h11
import msgspec
import trio
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState, LifespanState
from hypercorn.utils import wrap_app

from traderv3.console.wire import Wire

CONNECTIONS_MAX: Final = 512  # 200 consoles, and as many probes; half of the 1,024 files that a process may have open
HEAD_BYTES_MAX: Final = 16 * 1024
BODY_BYTES_MAX: Final = 64 * 1024
BODY_S: Final = 5.0  # for a whole body; Hypercorn's idle timer has the same bound for a head
CLOSING_S: Final = 5.0  # for the other side's close frame after ours
CLOSING_BYTES_MAX: Final = 64 * 1024  # of what it sends meanwhile
WIRE: Final = "wire"  # under this name a request's ASGI state has its connection's `Wire`
_READ_BYTES: Final = 64 * 1024
_HEAD_END: Final = b"\r\n\r\n"
_CLOSE_FRAME: Final = b"\x88"  # its first byte; Hypercorn sends each frame by itself

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Unfit(Exception):
    """A request that is not handed on; the message is a sentence for whoever sent it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status

    def answer(self) -> bytes:
        """The whole HTTP answer; the connection ends with it."""
        body = msgspec.json.encode({"error": str(self)})
        headers = {
            **SECURITY_HEADERS,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Connection": "close",
        }
        lines = [f"HTTP/1.1 {self.status} {http.HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + _HEAD_END + body


class Intake:
    """One connection's requests: bytes in, the same bytes out as soon as they are known to be fit to be handed on."""

    def __init__(self) -> None:
        self._head = bytearray()
        self.body_left = 0  # bytes of the present request's body that have not come yet
        self.is_websocket = False  # from now on it is frames

    def receive(self, data: bytes) -> bytes:
        """What may be handed on of this and what waited. Raises `Unfit`."""
        fit = bytearray()
        while data and not self.is_websocket:
            if self.body_left:
                fit += data[: self.body_left]
                came, data = min(self.body_left, len(data)), data[self.body_left :]
                self.body_left -= came
                continue
            self._head += data
            at = self._head.find(_HEAD_END)
            if (at if at >= 0 else len(self._head)) > HEAD_BYTES_MAX:
                raise Unfit(431, f"a request's head has at most {HEAD_BYTES_MAX} bytes")
            if at < 0:
                return bytes(fit)
            end = at + len(_HEAD_END)
            head, data = bytes(self._head[:end]), bytes(self._head[end:])
            self._head.clear()
            fit += self._check(head)
        if data and not fit:
            return data
        if data:
            raise Unfit(400, "nothing may follow the request for a WebSocket before it is answered")
        return bytes(fit)

    def _check(self, head: bytes) -> bytes:
        request, headers = _parse(head)
        if not request.target.startswith(b"/"):
            raise Unfit(400, "ask for a path of this trader, which begins with /")
        if b"transfer-encoding" in headers:
            raise Unfit(411, "send a body with its Content-Length")
        self.body_left = int(headers.get(b"content-length", b"0"))
        if self.body_left > BODY_BYTES_MAX:
            raise Unfit(413, f"a body has at most {BODY_BYTES_MAX} bytes")
        if b"upgrade" in headers:
            if why := _why_no_websocket(request, headers):
                raise Unfit(400, why)
            self.is_websocket = True
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"sec-websocket-extensions")]
        return b"\r\n".join(kept)


def _parse(head: bytes) -> tuple[h11.Request, dict[bytes, bytes]]:
    """The request and its headers, names in lower case, repeated ones joined. Raises `Unfit`."""
    if not head.isascii():
        raise Unfit(400, "a request's head is ASCII; other characters are percent-encoded")
    if b"\r\n " in head or b"\r\n\t" in head:
        raise Unfit(400, "a header stands on one line")
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX + len(_HEAD_END))
    parser.receive_data(head)
    try:
        request = parser.next_event()
    except h11.RemoteProtocolError as exc:
        raise Unfit(exc.error_status_hint, f"not understood: {exc}") from None
    if not isinstance(request, h11.Request) or not request.http_version.startswith(b"1."):
        raise Unfit(400, "not understood: this is not an HTTP/1 request")
    headers: dict[bytes, bytes] = {}
    for name, value in request.headers:
        headers[name] = headers[name] + b"," + value if name in headers else value
    return request, headers


def _why_no_websocket(request: h11.Request, headers: dict[bytes, bytes]) -> str | None:
    """Why this cannot become a WebSocket, or None."""
    if headers[b"upgrade"].lower() != b"websocket" or request.method != b"GET" or request.http_version != b"1.1":
        return "there is no upgrade but that of an HTTP/1.1 GET to a WebSocket"
    tokens = {token.strip().lower() for token in headers.get(b"connection", b"").split(b",")}
    if b"upgrade" not in tokens or headers.get(b"sec-websocket-version") != b"13" or b"content-length" in headers:
        return "a WebSocket takes Connection: Upgrade, Sec-WebSocket-Version: 13, and no body"
    try:
        nonce = b64decode(headers.get(b"sec-websocket-key", b""), validate=True)
    except binascii.Error:
        nonce = b""
    return None if len(nonce) == 16 else "Sec-WebSocket-Key is not 16 bytes in base64"


class CheckedStream(trio.abc.HalfCloseableStream):
    """One accepted connection. What is read from it has passed the intake; a peer that breaks the rules is answered here."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.socket = stream.socket  # Hypercorn asks it for both addresses
        self._stream = stream
        self._intake = Intake()
        self.wire = Wire(stream)  # whoever sends on this connection does it here
        self._answered = trio.Event()
        self._waiting = trio.CancelScope()
        self._due = math.inf  # Trio's clock: when a body, or the answer to our close frame, must have come
        self._is_closing = False  # our close frame is out
        self._closing_bytes = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Bytes that may be handed on; empty at the end, and for a peer that is late or unfit."""
        if self._intake.is_websocket:
            await self._answered.wait()
        while True:
            data = b""
            with trio.CancelScope(deadline=self._due) as self._waiting:
                data = bytes(await self._stream.receive_some(_READ_BYTES))
            if self._waiting.cancelled_caught or not data:
                return b""
            if self._is_closing:
                self._closing_bytes += len(data)
                return data if self._closing_bytes <= CLOSING_BYTES_MAX else b""
            had_body = self._intake.body_left > 0
            try:
                fit = self._intake.receive(data)
            except Unfit as why:
                await self.send_all(why.answer())
                await self.aclose()
                return b""
            if (self._intake.body_left > 0) != had_body:
                self._due = math.inf if had_body else trio.current_time() + BODY_S
            if fit:
                return fit

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, one caller after the other."""
        is_open = self._intake.is_websocket and self._answered.is_set()
        self._answered.set()
        if is_open and bytes(data[:1]) == _CLOSE_FRAME and not self._is_closing:
            self._is_closing = True
            self._due = self._waiting.deadline = trio.current_time() + CLOSING_S
        await self.wire.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Pass on."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Pass on."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the connection; whoever waits for its bytes hears of it."""
        self._answered.set()
        await self._stream.aclose()


def _finishing_answers(app: Any) -> Any:
    """The app with HTTP answers that are sent to their end.

    Quart-Trio cancels a request's task at the end of its answer, in the middle of Hypercorn's last step for it: without
    that the connection is neither closed where `Connection: close` asks for it nor ever again found idle.
    """

    async def finishing(scope: Any, receive: Any, send: Any) -> None:
        async def send_to_the_end(message: Any) -> None:
            with trio.CancelScope(shield=True):
                await send(message)

        await app(scope, receive, send_to_the_end if scope["type"] == "http" else send)

    return finishing


async def serve(
    app: Any,
    config: Config,
    listener: trio.SocketListener,
    *,
    started: Callable[[], object],
    stopping: trio.Event,
) -> None:
    """Serve an ASGI app on a listener until `stopping`; then what still runs has `config.graceful_timeout`."""
    state: LifespanState = {}
    wrapped = wrap_app(_finishing_answers(app), config.wsgi_max_body_size, "asgi")
    lifespan, context = Lifespan(wrapped, config, state), WorkerContext(None)
    async with trio.open_nursery() as living:
        await living.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        async with trio.open_nursery() as connections:

            async def admit(stream: trio.SocketStream) -> None:
                if len(connections.child_tasks) > CONNECTIONS_MAX:
                    full = Unfit(503, f"{CONNECTIONS_MAX} connections are open already")
                    await _turn_away(stream, full)
                    return
                checked: Any = CheckedStream(stream)
                own: Any = {**state, WIRE: checked.wire}
                await TCPServer(wrapped, config, context, ConnectionState(own), checked).run()

            try:
                async with trio.open_nursery() as accepting:
                    accept = partial(trio.serve_listeners, admit, [listener], handler_nursery=connections)
                    accepting.start_soon(accept)
                    started()
                    await stopping.wait()
                    accepting.cancel_scope.cancel()
            finally:
                await context.terminated.set()  # noqa: ASYNC102 - sets an event, and does not wait
                connections.cancel_scope.deadline = trio.current_time() + config.graceful_timeout
        await lifespan.wait_for_shutdown()
        living.cancel_scope.cancel()


async def _turn_away(stream: trio.SocketStream, why: Unfit) -> None:
    """Say why, as far as that goes without waiting for the peer."""
    with trio.move_on_after(1.0):
        with suppress(trio.BrokenResourceError):
            await stream.send_all(why.answer())
    await trio.aclose_forcefully(stream)
