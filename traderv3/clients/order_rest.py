"""The only way to change anything at a venue: one request, one signature, one try; and the permit without which it is not there.

An `OrderPermit` names one endpoint and one key and cannot be made where no order may go: `local` (orders stay in the
process), trading not switched on, `production` unless armed with this very key. The transport asks the permit again for
every request, under httpx2, after whoever built it: method, host, port, path and key id.
A request tells at the first byte that it goes on the wire (`at_wire`), and may be called back there.
Units: tokens of the account's write bucket (the gate of the reading client: one account, one picture); seconds.
Never: a second try of what may have been done. What became of a request that met no answer is looked for, not asked
again; a 429 says that nothing was done.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import httpx2
import trio

from traderv3.clients.rest import CheckedTransport, RestClient
from traderv3.clients.venue_clock import VenueClock
from traderv3.config.endpoints import Endpoint
from traderv3.config.environment import Orders
from traderv3.config.limits import LIMITS
from traderv3.core.breaker import BreakerState
from traderv3.domain.errors import ConnectivityError, EnvironmentMismatch, TraderError
from traderv3.protocol.order_requests import GROUPS, ORDERS, Asking
from traderv3.protocol.signing import KEY_HEADER, Signer

RESERVE: Final = 20  # tokens that new orders leave for cancels: ten of them, in the smallest tier
TOKENS_S: Final = 1.0  # an order that waited longer for its tokens is not the one that was approved
ANSWER_BYTES_MAX: Final = 1 << 20
URGENT_TRIES: Final = 4
THROTTLED: Final = 429
MOMENT_S: Final = 1e-6
# Nothing in it that another reader of paths could take for a step elsewhere; the venue's ids are UUIDs.
_PATH: Final = re.compile(rf"({re.escape(ORDERS)}|{re.escape(GROUPS)})(/[A-Za-z0-9_-]+){{0,2}}")
_WRITES: Final = frozenset({"POST", "PUT", "DELETE"})
_FIRST_BYTE: Final = "send_request_headers.started"


class NotSent(Exception):
    """The request never went on the wire; the message says why."""


@dataclass(frozen=True, slots=True)
class OrderPermit:
    """Leave to send orders to one place with one key. Making one raises `EnvironmentMismatch` where there is none."""

    api: Endpoint
    key_id: str
    is_enabled: bool  # V3_ENABLE_TRADING
    armed_key_id: str | None  # V3_ARM_PRODUCTION

    def __post_init__(self) -> None:
        environment = self.api.environment
        orders = environment.policy.orders
        if orders is Orders.SHADOW:
            msg = f"in {environment} no order leaves the process"
        elif not self.is_enabled:
            msg = f"in {environment} trading is not switched on"
        elif orders is Orders.REAL and self.armed_key_id != self.key_id:
            msg = f"{environment} is not armed with this key"
        elif self.api.kind != "api":
            msg = f"{self.api} is no place for orders"
        else:
            return
        raise EnvironmentMismatch(msg)


class OrderTransport(httpx2.AsyncBaseTransport):
    """Asks the permit before every request, whatever built it; says when it goes on the wire."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, permit: OrderPermit) -> None:
        self._inner = inner
        self._permit = permit

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url, own = request.url, self._permit.api
        port = url.port or (443 if url.scheme == "https" else 80)
        is_ours = (url.scheme, url.host, port) == (own.scheme, own.host, own.port) and not url.userinfo
        path = url.raw_path.decode("ascii", "replace").partition("?")[0]
        is_order = path.startswith(own.path) and _PATH.fullmatch(path.removeprefix(own.path)) is not None
        is_keyed = request.headers.get(KEY_HEADER) == self._permit.key_id
        if not (request.method in _WRITES and is_ours and is_order and is_keyed):
            msg = f"{request.method} {url.host}:{port}{path[:100]} through the door for orders to {own.authority}"
            raise EnvironmentMismatch(msg)
        if not isinstance(self._inner, CheckedTransport):  # of bytes only sockets know
            await request.extensions["trace"](_FIRST_BYTE, {})
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class OrderRest:
    """One venue's order endpoints. `reading` is the client of the same account: its gate, its clock measurements."""

    def __init__(
        self,
        permit: OrderPermit,
        signer: Signer,
        clock: VenueClock,
        reading: RestClient,
        *,
        make_http: Callable[[Endpoint], httpx2.AsyncBaseTransport] = CheckedTransport,
    ) -> None:
        if signer.key_id != permit.key_id:
            raise EnvironmentMismatch("the permit is another key's")
        self.clock = clock
        self._permit = permit
        self._signer = signer
        self._reading = reading
        self._gate = reading.gate
        # Connections apart: however many new orders wait for answers, a cancel has one.
        self._http, self._urgent = (
            httpx2.AsyncClient(
                transport=OrderTransport(make_http(permit.api), permit),
                trust_env=False,
                follow_redirects=False,
                timeout=LIMITS.order_s,
            )
            for _ in range(2)
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._urgent.aclose()

    def batch_max(self, method: str) -> int:
        """How many orders one batch may hold: a bill beyond the bucket is refused whole."""
        bucket = self._gate.write
        return max(1, (bucket.capacity - RESERVE) // self._gate.costs.of(method, f"{ORDERS}/batched"))

    async def ask(
        self, asking: Asking, *, at_wire: Callable[[], None] = lambda: None, is_urgent: bool = False
    ) -> tuple[int, bytes]:
        """Status and body of the answer. `at_wire` is called at the first byte and may raise `NotSent`.

        Raises `NotSent`, and `ConnectivityError` for whatever else ended without an answer within `LIMITS.order_s`. What
        is `is_urgent` (it makes our risk smaller) waits neither for tokens nor for the circuit breaker, and after a 429
        goes again as soon as there are tokens.
        """
        await self._pay(asking, is_urgent=is_urgent)
        if self.clock.has_jumped and not is_urgent:  # then the old offset has to do, and whoever reads measures anew
            with suppress(TraderError), trio.move_on_after(LIMITS.order_s):
                await self._reading.measure_clock()
        http = self._urgent if is_urgent else self._http
        bucket = self._gate.write
        tries = URGENT_TRIES if is_urgent else 1
        while True:
            status, body = await self._try(http, asking, at_wire)
            tries -= 1
            if status != THROTTLED:
                return status, body
            self._gate.throttled += 1
            bucket.empty(trio.current_time())
            if not tries:
                return status, body
            await trio.sleep(bucket.wait_s(self._cost(asking), trio.current_time()))

    async def _try(self, http: httpx2.AsyncClient, asking: Asking, at_wire: Callable[[], None]) -> tuple[int, bytes]:
        with trio.move_on_after(LIMITS.order_s):
            return await self._send(http, asking, at_wire)
        msg = f"{asking.method} {asking.route}: no whole answer within {LIMITS.order_s:g} s"
        raise ConnectivityError(msg)

    def _cost(self, asking: Asking) -> int:
        return min(self._gate.write.capacity, self._gate.costs.of(asking.method, asking.route) * asking.items)

    async def _pay(self, asking: Asking, *, is_urgent: bool) -> None:
        bucket = self._gate.write
        cost = self._cost(asking)
        if is_urgent:
            now = trio.current_time()
            bucket.take(min(cost, int(bucket.tokens(now))), now)
            return
        if self._gate.breaker.state is BreakerState.OPEN:
            raise NotSent(f"REST rests after failures ({self._gate.last_error})")
        wanted = min(bucket.capacity, cost + RESERVE)
        ends_at = trio.current_time() + TOKENS_S
        while (wait_s := bucket.wait_s(wanted, trio.current_time())) > MOMENT_S:
            if trio.current_time() + wait_s > ends_at:
                raise NotSent(f"our request tokens suffice in {wait_s:.1f} s only")
            await trio.sleep(wait_s)
        bucket.take(cost, trio.current_time())

    async def _send(self, http: httpx2.AsyncClient, asking: Asking, at_wire: Callable[[], None]) -> tuple[int, bytes]:
        api = self._permit.api
        path = f"{api.path}{asking.route}"

        async def trace(event: str, _: object) -> None:
            if event.endswith(_FIRST_BYTE):
                at_wire()

        headers = self._signer.headers(asking.method, path, at_ms=self.clock.now_ms())
        if asking.body:
            headers["Content-Type"] = "application/json"
        body = bytearray()
        self._gate.requests += 1
        try:
            async with http.stream(
                asking.method,
                f"{api.scheme}://{api.authority}{path}",
                params=dict(asking.query),
                headers=headers,
                content=asking.body or None,
                extensions={"trace": trace},
            ) as response:
                async for piece in response.aiter_bytes():
                    body += piece[: ANSWER_BYTES_MAX - len(body)]
        except httpx2.HTTPError as exc:
            self._gate.failures += 1
            why = f"{type(exc).__name__} {exc}".strip()
            msg = f"{asking.method} {asking.route}: {why}"
            raise ConnectivityError(msg) from exc
        return response.status_code, bytes(body)
