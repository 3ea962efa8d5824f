"""The one loopback port: REST with keep-alive, and the upgrade to a WebSocket, which is admitted or refused before it.

Source: RFC 9112 by way of h11; Kalshi's pages for where the socket lives and what a refusal looks like.
Never: any address but 127.0.0.1, a request that waits for ever, or a body without bound.
"""

from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Final, NamedTuple

import h11
import msgspec
import trio

from traderv3.exchange.auth import KeyRegistry
from traderv3.exchange.client import Client
from traderv3.exchange.floor import Floor
from traderv3.exchange.rest import Router
from traderv3.exchange.transport import ClientStream

HOST: Final = "127.0.0.1"
WS_PATH: Final = "/trade-api/ws/v2"
CONNECTIONS_MAX: Final = 512  # the venue's default is 200 WebSockets a user; REST comes on top
IDLE_S: Final = 75.0
BODY_BYTES_MAX: Final = 1 << 20
READ_BYTES: Final = 64 << 10

Report = Callable[[str, dict[str, Any]], None]  # an event's name and its facts


def _say_nothing(event: str, facts: dict[str, Any]) -> None:
    """A report that nobody wants."""


_GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError)


async def open_listener(port: int) -> trio.SocketListener:
    """Listen on loopback; 0 takes any free port. Raises `OSError` if the port is taken."""
    (listener,) = await trio.open_tcp_listeners(port, host=HOST)
    return listener


def port_of(listener: trio.SocketListener) -> int:
    """The port a listener got."""
    port: int = listener.socket.getsockname()[1]
    return port


class Server:
    """Serves every connection of one exchange."""

    def __init__(
        self, floor: Floor, keys: KeyRegistry, *, now_ms: Callable[[], int], report: Report = _say_nothing
    ) -> None:
        self._floor = floor
        self._keys = keys
        self._now_ms = now_ms
        self._report = report
        self._router = Router(floor, keys, now_ms=now_ms)
        self._connections = 0

    async def serve(self, listener: trio.SocketListener) -> None:
        """Serve until cancelled; clients are told that we go away."""
        await trio.serve_listeners(self._handle, [listener])

    async def _handle(self, stream: trio.SocketStream) -> None:
        if self._connections >= CONNECTIONS_MAX:
            await trio.aclose_forcefully(stream)
            return
        self._connections += 1
        try:
            http = HttpConnection(stream, now_ms=self._now_ms)
            await self._converse(http)
        except _GONE:
            pass  # the client is gone; that is its right
        finally:
            self._connections -= 1
            await trio.aclose_forcefully(stream)

    async def _converse(self, http: "HttpConnection") -> None:
        """Answer one request after the other until the connection ends or becomes a WebSocket."""
        while (request := await http.next_request()) is not None:
            if request.is_upgrade and request.target.partition("?")[0] == WS_PATH:
                # Checked as an ordinary request first, so that a refusal is plain HTTP.
                refusal = self._keys.why_refused(request.headers, "GET", WS_PATH, now_ms=self._now_ms())
                if refusal is None:
                    self._report("client_connected", {"clients": len(self._floor.sessions) + 1})
                    session = await Client(self._floor, ClientStream(http.stream, http.request_bytes())).run()
                    self._report("client_gone", {"frames": session.frames_sent, "overflows": session.overflows})
                    return
                self._report("client_refused", refusal["error"])
                await http.answer(request, 401, msgspec.json.encode(refusal))
            else:
                status, body = self._router.handle(request.method, request.target, request.headers)
                await http.answer(request, status, body)


class Request(NamedTuple):
    """One request; header names in lower case, of repeated headers the last."""

    method: str
    target: str
    headers: dict[str, str]
    is_upgrade: bool


class HttpConnection:
    """The HTTP/1.1 state of one connection."""

    def __init__(self, stream: trio.SocketStream, *, now_ms: Callable[[], int]) -> None:
        self.stream = stream
        self._now_ms = now_ms
        self._http = h11.Connection(h11.SERVER)
        self._raw = bytearray()  # since the request began: the WebSocket library reads its head again

    def request_bytes(self) -> bytes:
        """Everything received since the current request began."""
        return bytes(self._raw)

    async def next_request(self) -> Request | None:
        """The next request with its body read (and so far not needed), or None when the connection is to end."""
        if self._http.our_state in (h11.MUST_CLOSE, h11.CLOSED, h11.ERROR):
            return None
        if self._http.our_state is h11.DONE:
            self._raw = bytearray(self._http.trailing_data[0])
            self._http.start_next_cycle()
        request: Request | None = None
        body_bytes = 0
        try:
            while True:
                event = await self._next_event()
                if isinstance(event, h11.Request):
                    request = _request(event)
                    if request.is_upgrade:
                        return request
                elif isinstance(event, h11.Data):
                    body_bytes += len(event.data)
                    if body_bytes > BODY_BYTES_MAX:
                        return None
                elif isinstance(event, h11.EndOfMessage):
                    return request
                else:
                    return None
        except h11.RemoteProtocolError as cause:
            await self._refuse(cause)
            return None

    async def answer(self, request: Request, status: int, body: bytes) -> None:
        """Send one JSON answer with the venue's time in `Date`, by which clients set their signing clock."""
        await self._send(status, body, with_body=request.method != "HEAD")
        if request.is_upgrade:
            self._http.send_failed()  # the request's end was never read: this connection has said its last

    async def _next_event(self) -> object:
        """h11's next event; None when nothing came for too long."""
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                go_on = self._http.send(h11.InformationalResponse(status_code=100, headers=[]))
                await self.stream.send_all(go_on or b"")
            data = b""
            with trio.move_on_after(IDLE_S) as waiting:
                data = bytes(await self.stream.receive_some(READ_BYTES))
            if waiting.cancelled_caught:
                return None
            self._raw += data
            self._http.receive_data(data)

    async def _refuse(self, cause: h11.RemoteProtocolError) -> None:
        """Answer what is not HTTP, if there is still somebody to answer."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = msgspec.json.encode({"code": "bad_request", "message": str(cause)})
            await self._send(cause.error_status_hint, body)

    async def _send(self, status: int, body: bytes, *, with_body: bool = True) -> None:
        headers = [
            ("Date", formatdate(self._now_ms() / 1000, usegmt=True)),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        parts = [self._http.send(h11.Response(status_code=status, headers=headers))]
        if with_body:
            parts.append(self._http.send(h11.Data(data=body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        await self.stream.send_all(b"".join(part for part in parts if part))


def _request(event: h11.Request) -> Request:
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
    is_upgrade = headers.get("upgrade", "").lower() == "websocket"
    return Request(event.method.decode("ascii"), event.target.decode("ascii"), headers, is_upgrade)
