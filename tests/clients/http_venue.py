"""A REST venue on a real loopback socket: each answer is bytes that a test wrote."""

import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

import trio
from cryptography.hazmat.primitives.asymmetric import ed25519

from traderv3.clients.door import Door
from traderv3.clients.rest import RestClient
from traderv3.clients.transport import TransportLimits
from traderv3.clients.venue_clock import VenueClock
from traderv3.config.endpoints import Endpoint, parse_endpoint
from traderv3.config.environment import Environment
from traderv3.protocol.rest import Market, read_market
from traderv3.protocol.signing import Signer

SIGNER: Final = Signer("key-id", ed25519.Ed25519PrivateKey.generate())
NOW_US: Final = 1_795_359_761_000_000  # 2026-11-22T15:02:41Z
DATE: Final = "Sun, 22 Nov 2026 15:02:41 GMT"


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    route: str  # the path behind /trade-api/v2
    query: dict[str, str]
    headers: dict[str, str]


def answer(status: int = 200, body: object = None, **headers: str) -> bytes:
    """An HTTP answer with a JSON body (or the bytes given)."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


@dataclass
class HttpVenue:
    """Answers with what `respond` says; None is silence."""

    respond: Callable[[Asked], bytes | None]
    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    async def meet(self, stream: trio.SocketStream) -> None:
        await self.serve(stream)  # looked up for each connection: a test may put its own there

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                data = await stream.receive_some()
                if not data:
                    return
                head += data
            first, *lines = head.decode("latin-1").split("\r\n")
            path, _, query = first.split(" ")[1].partition("?")
            headers = dict(line.split(": ", 1) for line in lines if ": " in line)
            asked = Asked(
                path.removeprefix("/trade-api/v2"), dict(parse_qsl(query)), {k.lower(): v for k, v in headers.items()}
            )
            self.asked.append(asked)
            reply = self.respond(asked)
            if reply is None:
                await trio.sleep_forever()
            else:
                await stream.send_all(reply)

    def endpoint(self, host: str = "127.0.0.1") -> Endpoint:
        return parse_endpoint(f"http://{host}:{self.port}/trade-api/v2", Environment.SIM, "api")


def wall_us() -> int:
    return NOW_US


def rest_client(endpoint: Endpoint) -> RestClient:
    return RestClient(endpoint, SIGNER, VenueClock(wall_us), rng=random.Random(1))


def door_to(port: int, *, limits: TransportLimits | None = None) -> Door:
    api = parse_endpoint(f"http://127.0.0.1:{port}/trade-api/v2", Environment.SIM, "api")
    ws = parse_endpoint(f"ws://127.0.0.1:{port}/trade-api/ws/v2", Environment.SIM, "ws")
    return Door(api, ws, SIGNER, wall_us=wall_us, rng=random.Random(1), limits=limits)


@asynccontextmanager
async def http_venue(respond: Callable[[Asked], bytes | None] | bytes | None) -> AsyncIterator[HttpVenue]:
    """A venue that answers until the block ends."""
    venue = HttpVenue(respond if callable(respond) else lambda _: respond)
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, venue.meet, 0, host="127.0.0.1")
        listeners: list[trio.SocketListener] = await nursery.start(serve)
        venue.port = listeners[0].socket.getsockname()[1]
        yield venue
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def asking(
    respond: Callable[[Asked], bytes | None] | bytes | None,
) -> AsyncIterator[tuple[RestClient, HttpVenue]]:
    """A venue and a client of it."""
    async with http_venue(respond) as venue:
        client = rest_client(venue.endpoint())
        try:
            yield client, venue
        finally:
            with trio.CancelScope(shield=True):
                await client.aclose()


def market(
    ticker: str, event: str = "E", *, status: str = "active", volume: str = "0.00", interest: str = "0.00", **more: Any
) -> dict[str, Any]:
    """A market as the venue prints it."""
    return {
        "ticker": ticker,
        "event_ticker": event,
        "market_type": "binary",
        "yes_sub_title": f"Outcome {ticker}",
        "status": status,
        "result": "",
        "open_time": "2026-11-01T15:00:00Z",
        "close_time": "2026-12-31T15:00:00Z",
        "expected_expiration_time": "2026-12-31T18:00:00Z",
        "latest_expiration_time": "2027-01-07T15:00:00Z",
        "settlement_timer_seconds": 60,
        "can_close_early": False,
        "price_level_structure": "linear_cent",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        "last_price_dollars": "0.4700",
        "volume_fp": volume,
        "volume_24h_fp": volume,
        "open_interest_fp": interest,
        "notional_value_dollars": "1.0000",
        "exchange_index": 0,
        **more,
    }


def read(printed: dict[str, Any]) -> Market:
    """The fact of a market as printed by `market`."""
    return read_market(json.dumps({"market": printed}).encode())


def page(*markets: dict[str, Any], cursor: str | None = "") -> bytes:
    return answer(200, {"markets": list(markets), "cursor": cursor})
