"""REST between trader and exchange: requests in memory, answered by the exchange itself, or not, as the faults have it.

Stands where `clients.rest.CheckedTransport` stands. A request that may change something, once it is on the wire, gets
there whether anybody still waits for its answer or not; no later than `LIMITS.order_s`, when whoever sent it closes.
Never: an answer that the exchange did not give, but for the faults.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final, NamedTuple

import httpx2
import trio

from traderv3.config.endpoints import Endpoint, check_host
from traderv3.config.limits import LIMITS
from traderv3.exchange.exchange import Answer, Exchange
from traderv3.simulation.trace import Trace

LATENCY_S: Final = (0.002, 0.05)
SILENT_S: Final = 10.0  # what `clients.rest` gives each step of a request
LATE_S: Final = LIMITS.order_s - 0.1  # how late a request may get there, its connection being closed then

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
# Of orders alone: carried out and refused all the same, or carried out late and in silence.
DONE: Final[dict[str, tuple[int, bytes]]] = {f"{name} though done": REFUSALS[name] for name in ("500", "503")}
ORDER_KINDS: Final = ("401", "429", "500", "503", *SILENCES, *DONE, "late", "late")


class RestFault(NamedTuple):
    """`kind` befalls this share of the requests until then."""

    kind: str
    share: float
    until_s: float


@dataclass
class RestWeather:
    """What requests meet, whoever makes them."""

    rng: random.Random
    spawn: Callable[[Callable[[], Awaitable[None]]], None]  # outlives whoever sends
    on_wire: Callable[[str, str, bytes], None]
    fault: RestFault | None = None
    order_fault: RestFault | None = None  # of whatever is not a GET
    requests: int = 0

    def drawn(self, *, is_write: bool) -> str | None:
        """Which fault befalls the next request."""
        faults = (self.order_fault, self.fault) if is_write else (self.fault,)
        for fault in faults:
            if fault is not None and trio.current_time() < fault.until_s and self.rng.random() < fault.share:
                return fault.kind
        return None


class SimulatedHttp(httpx2.AsyncBaseTransport):
    """`exchange` gives the one that listens now, or None."""

    def __init__(
        self,
        endpoint: Endpoint,
        exchange: Callable[[], Exchange | None],
        now_us: Callable[[], int],
        weather: RestWeather,
        trace: Trace,
    ) -> None:
        self._endpoint = endpoint
        self._exchange = exchange
        self._now_us = now_us
        self._weather = weather
        self._trace = trace

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Carry one request there and its answer back."""
        own = self._endpoint
        check_host(own.environment, request.url.host, request.url.port or 0, request.url.scheme)
        is_write = request.method != "GET"
        self._weather.requests += 1
        self._weather.on_wire(request.method, request.url.path, request.content)
        fault = self._weather.drawn(is_write=is_write)
        delay_s = self._latency_s()
        if not is_write:
            await trio.sleep(delay_s)
            answer = self._ask(request, fault)
        else:
            answers: list[Answer | None] = []
            answered = trio.Event()

            async def carry() -> None:
                await trio.sleep(self._weather.rng.uniform(delay_s, LATE_S) if fault == "late" else delay_s)
                answers.append(self._ask(request, fault))
                answered.set()

            self._weather.spawn(carry)
            await answered.wait()
            (answer,) = answers
        if answer is None:
            raise httpx2.ConnectError("refused")
        status, body, hold_s, is_lost = answer
        self._trace.note("rest", f"{request.method} {request.url.raw_path.decode()}: {fault or ''}{status}")
        if is_lost:
            await trio.sleep(SILENT_S)
            raise httpx2.ReadTimeout("nothing came")
        await trio.sleep(hold_s + self._latency_s())
        date = formatdate(self._now_us() / 1e6, usegmt=True)
        return httpx2.Response(status, headers={"date": date, "content-type": "application/json"}, content=body)

    def _ask(self, request: httpx2.Request, fault: str | None) -> Answer | None:
        """What the exchange says, or what comes in its place; None: nobody is there."""
        exchange = self._exchange()
        if exchange is None or fault == "refused":
            return None
        if fault == "lost":
            return Answer(0, b"", is_lost=True)
        if fault in REFUSALS:
            return Answer(*REFUSALS[fault])
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = exchange.answer(request.method, request.url.raw_path.decode(), headers, request.content)
        if fault in DONE:
            return Answer(*DONE[fault])
        return answer._replace(is_lost=True) if fault in ("half", "late") else answer

    def _latency_s(self) -> float:
        return self._weather.rng.uniform(*LATENCY_S)
