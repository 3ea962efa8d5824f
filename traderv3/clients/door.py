"""What may be reached at all: one venue's endpoints, the key to them, and the ways in (REST, WebSocket, orders).

A door is made from endpoints that their environment allowed; each connection asks again. Signing is late: the headers
are made for one attempt, with the venue's time as far as it was measured. However many connections are lost at once,
handshakes go out one after the other, `HANDSHAKE_GAP_S` apart.
Never: a second way to open a connection to a venue.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import httpx2
import trio

from traderv3.clients.order_rest import OrderPermit, OrderRest
from traderv3.clients.rest import CheckedTransport, RestClient
from traderv3.clients.transport import Transport, TransportLimits, open_stream, open_transport
from traderv3.clients.venue_clock import VenueClock
from traderv3.config.endpoints import Endpoint
from traderv3.domain.errors import ConnectivityError, TraderError
from traderv3.protocol.signing import Signer

HANDSHAKE_GAP_S: Final = 0.1  # each is an authenticated request; the smallest tier takes 20 of those a second


@dataclass(frozen=True, slots=True)
class Wires:
    """What carries our bytes: sockets, or in a simulation memory. Raises what `open_stream` and `CheckedTransport` raise."""

    open_stream: Callable[[Endpoint], Awaitable[trio.abc.Stream]] = open_stream
    make_http: Callable[[Endpoint], httpx2.AsyncBaseTransport] = CheckedTransport


SOCKETS: Final = Wires()


class Door:
    """One venue: its REST client and its market-data sockets. `proven` is set once the venue took our key on one."""

    def __init__(
        self,
        api: Endpoint,
        ws: Endpoint,
        signer: Signer,
        *,
        wall_us: Callable[[], int],
        rng: random.Random,
        limits: TransportLimits | None = None,
        wires: Wires = SOCKETS,
    ) -> None:
        assert (api.kind, ws.kind) == ("api", "ws")
        assert api.environment is ws.environment
        self.ws = ws
        self.clock = VenueClock(wall_us)
        self.rest = RestClient(api, signer, self.clock, rng=rng, http=wires.make_http(api))
        self.proven = trio.Event()
        self._api = api
        self._signer = signer
        self._wires = wires
        self._limits = limits or TransportLimits()
        self._next_handshake_at = 0.0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Transport]:
        """An accepted WebSocket for the block. Raises `ConnectivityError`, `VenueRefused`, `EnvironmentMismatch`."""
        await self._wait_for_turn()
        if self.clock.has_jumped:  # the machine slept: what was measured holds no more
            with suppress(TraderError):
                await self.rest.measure_clock()  # before there is a connection, which nobody would close meanwhile
        with trio.move_on_after(self._limits.connect_s) as scope:
            stream = await self._wires.open_stream(self.ws)
        if scope.cancelled_caught:
            msg = f"{self.ws.authority} did not accept a connection within {self._limits.connect_s:g} s"
            raise ConnectivityError(msg)
        headers = self._signer.headers("GET", self.ws.path, at_ms=self.clock.now_ms())
        async with open_transport(stream, self.ws, headers, self._limits) as transport:
            self.proven.set()
            yield transport

    def open_orders(self, *, is_enabled: bool, armed_key_id: str | None) -> OrderRest:
        """The way for orders, with connections of its own. Raises `EnvironmentMismatch` where no order may go."""
        permit = OrderPermit(self._api, self._signer.key_id, is_enabled, armed_key_id)
        return OrderRest(permit, self._signer, self.clock, self.rest, make_http=self._wires.make_http)

    async def _wait_for_turn(self) -> None:
        turn_at = max(trio.current_time(), self._next_handshake_at)
        self._next_handshake_at = turn_at + HANDSHAKE_GAP_S
        await trio.sleep_until(turn_at)
