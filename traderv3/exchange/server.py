"""The one loopback port: REST with keep-alive, the upgrade to a WebSocket, and the operator's control endpoint.

An upgrade is admitted or refused before it happens. Any Trio stream can be served, a pair in memory included.
Source: RFC 9112 by way of h11; Kalshi's pages for where the socket lives and what a refusal looks like.
Never: any address but 127.0.0.1, a request that waits for ever, or a body without bound.
"""

from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Final, NamedTuple

import h11
import msgspec
import trio

from traderv3.exchange import control
from traderv3.exchange.client import Client
from traderv3.exchange.exchange import WS_PATH, Exchange
from traderv3.exchange.transport import ClientStream

HOST: Final = "127.0.0.1"
CONNECTIONS_MAX: Final = 512  # the venue's default is 200 WebSockets a user; REST comes on top
IDLE_S: Final = 75.0
BODY_BYTES_MAX: Final = 1 << 20
READ_BYTES: Final = 64 << 10
NO_CONTENT: Final = 204

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

    def __init__(self, exchange: Exchange, *, report: Report = _say_nothing) -> None:
        self._exchange = exchange
        self._report = report
        self._connections = 0

    async def serve(self, listener: trio.SocketListener) -> None:
        """Serve until cancelled; clients are told that we go away."""
        await trio.serve_listeners(self.serve_stream, [listener])

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one connection to its end and close it."""
        if self._connections >= CONNECTIONS_MAX:
            await trio.aclose_forcefully(stream)
            return
        self._connections += 1
        try:
            http = HttpConnection(stream, now_ms=lambda: self._exchange.now_us() // 1000)
            await self._converse(http)
        except _GONE:
            pass  # the client is gone; that is its right
        finally:
            self._connections -= 1
            await trio.aclose_forcefully(stream)

    async def _converse(self, http: "HttpConnection") -> None:
        """Answer one request after the other until the connection ends or becomes a WebSocket."""
        while (request := await http.next_request()) is not None:
            path = request.target.partition("?")[0]
            if request.is_upgrade and path == WS_PATH:
                # Checked as an ordinary request first, so that a refusal is plain HTTP.
                admission = self._exchange.admit(request.headers)
                if admission.member is not None:
                    await self._upgrade(http, admission.member.user_id, may_read="read" in admission.member.scopes)
                    return
                self._report("client_refused", {"status": admission.status, "body": admission.body.decode()})
                await http.answer(request, admission.status, admission.body)
            elif control.is_control(path):
                status, body = control.handle(self._exchange, request.method, path, request.headers, request.body)
                await http.answer(request, status, body)
            else:
                answer = self._exchange.answer(request.method, request.target, request.headers, request.body)
                if answer.hold_s:
                    await trio.sleep(answer.hold_s)
                if answer.is_lost:
                    return
                await http.answer(request, answer.status, answer.body)

    async def _upgrade(self, http: "HttpConnection", user_id: str, *, may_read: bool) -> None:
        floor = self._exchange.floor
        self._report("client_connected", {"clients": len(floor.sessions) + 1})
        stream = ClientStream(http.stream, http.request_bytes())
        session = await Client(floor, stream, user_id=user_id, may_read=may_read).run()
        self._report("client_gone", {"frames": session.frames_sent, "overflows": session.overflows})


class Request(NamedTuple):
    """One request; header names in lower case, of repeated headers the last."""

    method: str
    target: str
    headers: dict[str, str]
    is_upgrade: bool
    body: bytes = b""


class HttpConnection:
    """The HTTP/1.1 state of one connection."""

    def __init__(self, stream: trio.abc.Stream, *, now_ms: Callable[[], int]) -> None:
        self.stream = stream
        self._now_ms = now_ms
        self._http = h11.Connection(h11.SERVER)
        self._raw = bytearray()  # since the request began: the WebSocket library reads its head again

    def request_bytes(self) -> bytes:
        """Everything received since the current request began."""
        return bytes(self._raw)

    async def next_request(self) -> Request | None:
        """The next request with its body, or None when the connection is to end."""
        if self._http.our_state in (h11.MUST_CLOSE, h11.CLOSED, h11.ERROR):
            return None
        if self._http.our_state is h11.DONE:
            self._raw = bytearray(self._http.trailing_data[0])
            self._http.start_next_cycle()
        request: Request | None = None
        body = bytearray()
        try:
            while True:
                event = await self._next_event()
                if isinstance(event, h11.Request):
                    request = _request(event)
                    if request.is_upgrade:
                        return request
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > BODY_BYTES_MAX:
                        return None
                elif isinstance(event, h11.EndOfMessage):
                    return None if request is None else request._replace(body=bytes(body))
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
        headers = [("Date", formatdate(self._now_ms() / 1000, usegmt=True))]
        if status != NO_CONTENT:
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        parts = [self._http.send(h11.Response(status_code=status, headers=headers))]
        if with_body:
            parts.append(self._http.send(h11.Data(data=body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        await self.stream.send_all(b"".join(part for part in parts if part))


def _request(event: h11.Request) -> Request:
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
    is_upgrade = headers.get("upgrade", "").lower() == "websocket"
    return Request(event.method.decode("ascii"), event.target.decode("ascii"), headers, is_upgrade)
