"""REST between trader and exchange: requests in memory, answered by the exchange itself, or not, as the faults have it.

Stands where `clients.rest.CheckedTransport` stands. Never: an answer that the exchange did not give, but for the faults.
"""

import random
from collections.abc import Callable
from email.utils import formatdate
from typing import Final, NamedTuple

import httpx2
import trio

from traderv3.config.endpoints import Endpoint, check_host
from traderv3.exchange.exchange import Exchange
from traderv3.simulation.trace import Trace

LATENCY_S: Final = (0.002, 0.05)
SILENT_S: Final = 10.0  # what `clients.rest` gives each step of a request

# What may befall a request, by the fault's name: the status and body in place of the exchange's answer.
REFUSALS: Final[dict[str, tuple[int, bytes]]] = {
    "401": (401, b'{"error":{"code":"authentication_error","message":"authentication_error","details":"NOT_FOUND"}}'),
    "404": (404, b'{"error":{"code":"not_found","message":"not found"}}'),
    "429": (429, b'{"error":{"code":"too_many_requests","message":"too many requests"}}'),
    "500": (500, b'{"error":{"code":"internal_server_error","message":"internal server error"}}'),
    "503": (503, b"<html>upstream connect error</html>"),
    "nonsense": (200, b'{"markets": 7, "cursor": ["'),
    "moved": (302, b""),
}
SILENCES: Final = ("refused", "lost", "half")
KINDS: Final = (*REFUSALS, *SILENCES)


class RestFault(NamedTuple):
    """`kind` befalls this share of the requests until then."""

    kind: str
    share: float
    until_s: float


class SimulatedHttp(httpx2.AsyncBaseTransport):
    """`exchange` gives the one that listens now, or None."""

    def __init__(
        self,
        endpoint: Endpoint,
        exchange: Callable[[], Exchange | None],
        now_us: Callable[[], int],
        rng: random.Random,
        trace: Trace,
    ) -> None:
        self._endpoint = endpoint
        self._exchange = exchange
        self._now_us = now_us
        self._rng = rng
        self._trace = trace
        self.fault: RestFault | None = None
        self.requests = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Carry one request there and its answer back."""
        own = self._endpoint
        check_host(own.environment, request.url.host, request.url.port or 0, request.url.scheme)
        self.requests += 1
        fault = self._drawn()
        await trio.sleep(self._rng.uniform(*LATENCY_S))
        exchange = self._exchange()
        if exchange is None or fault == "refused":
            raise httpx2.ConnectError("refused")
        if fault == "lost":
            await self._be_silent(request, fault)
        target = request.url.raw_path.decode()
        if fault in REFUSALS:
            status, body, hold_s = *REFUSALS[fault], 0.0
        else:
            headers = {name.lower(): value for name, value in request.headers.items()}
            answer = exchange.answer(request.method, target, headers, request.content)
            status, body, hold_s = answer.status, answer.body, answer.hold_s
        self._trace.note("rest", f"{request.method} {target}: {fault or ''}{status}")
        await trio.sleep(hold_s + self._rng.uniform(*LATENCY_S))
        if fault == "half":  # what was done is done, and nobody hears of it
            await self._be_silent(request, fault)
        date = formatdate(self._now_us() / 1e6, usegmt=True)
        return httpx2.Response(status, headers={"date": date, "content-type": "application/json"}, content=body)

    async def _be_silent(self, request: httpx2.Request, fault: str) -> None:
        self._trace.note("rest", f"{request.method} {request.url.path}: {fault}")
        await trio.sleep(SILENT_S)
        raise httpx2.ReadTimeout("nothing came")

    def _drawn(self) -> str | None:
        fault = self.fault
        if fault is None or trio.current_time() >= fault.until_s or self._rng.random() >= fault.share:
            return None
        return fault.kind
