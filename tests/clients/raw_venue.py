"""The other end of a WebSocket in memory: it writes whatever bytes a test wants and understands what we send."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio
from trio.abc import ReceiveStream, SendStream
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_pair
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, Ping, Pong, TextMessage

from tests.protocol.framing import CLOSE, PONG, frame
from traderv3.clients.transport import Transport, TransportLimits, open_transport
from traderv3.config.endpoints import Endpoint, parse_endpoint
from traderv3.config.environment import Environment
from traderv3.domain.errors import TraderError

ENDPOINT: Final[Endpoint] = parse_endpoint("ws://127.0.0.1:8010/trade-api/ws/v2", Environment.SIM, "ws")
LIMITS: Final = TransportLimits()
HEADERS: Final = {"KALSHI-ACCESS-KEY": "k", "KALSHI-ACCESS-TIMESTAMP": "1", "KALSHI-ACCESS-SIGNATURE": "s"}
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


ServerEnd = trio.StapledStream[MemorySendStream, MemoryReceiveStream] | trio.StapledStream[SendStream, ReceiveStream]


class RawVenue:
    """A server end. `heard` collects what the client sent, with the time of each."""

    def __init__(self, stream: ServerEnd) -> None:
        self.stream = stream
        self.request = b""
        self.heard: list[tuple[float, Event]] = []
        self.answers_pings = True
        self.answers_close = True
        self._client = Connection(ConnectionType.SERVER)

    async def read_request(self) -> dict[str, str]:
        while b"\r\n\r\n" not in self.request:
            data = await self.stream.receive_some()
            assert data
            self.request += data
        lines = self.request.decode().split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}

    async def accept(self) -> None:
        headers = await self.read_request()
        await self.send(self.acceptance(headers["sec-websocket-key"]))

    def acceptance(self, key: str) -> bytes:
        accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest())
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def listen(self) -> None:
        """Understand the client until it is gone; answer its pings and its close."""
        while data := await self.stream.receive_some():
            self._client.receive_data(bytes(data))
            for event in self._client.events():
                self.heard.append((trio.current_time(), event))
                if isinstance(event, Ping) and self.answers_pings:
                    await self.send(frame(PONG, bytes(event.payload)))
                if isinstance(event, CloseConnection) and self.answers_close:
                    await self.send(frame(CLOSE, b"\x03\xe8"))
                    await self.stream.aclose()
                    return

    def times(self, kind: type[Event]) -> list[float]:
        return [at for at, event in self.heard if isinstance(event, kind)]

    @property
    def texts(self) -> list[str]:
        return [event.data for _, event in self.heard if isinstance(event, TextMessage)]

    @property
    def pongs(self) -> list[bytes]:
        return [bytes(event.payload) for _, event in self.heard if isinstance(event, Pong)]


@asynccontextmanager
async def connected(limits: TransportLimits = LIMITS) -> AsyncIterator[tuple[Transport, RawVenue]]:
    """An accepted connection whose venue listens. An error of the connection leaves the block as itself."""
    client, server = memory_stream_pair()
    venue = RawVenue(server)
    outcome: TraderError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(venue.accept)
        try:
            async with open_transport(client, ENDPOINT, HEADERS, limits) as transport:
                nursery.start_soon(venue.listen)
                yield transport, venue
        except TraderError as error:
            outcome = error
        nursery.cancel_scope.cancel()
    if outcome is not None:
        raise outcome
