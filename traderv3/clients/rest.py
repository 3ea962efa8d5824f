"""The venue's REST interface, as far as we read it: the exchange, its markets and books, and our account.

httpx2 on Trio, with nothing taken from the surroundings (no proxy, netrc or certificate variables) and redirects never
followed: an answer that points elsewhere is an error. The host is checked for every request, under httpx2. Every
request passes `rest_gate`; a signature is made for one try, at the last moment, with the venue's time.
Source: Kalshi's OpenAPI document 3.34.0.
Never: an order (that is `order_rest`'s, behind risk): the transport of this client lets nothing but GET through.
"""

import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

import httpx2
import structlog
import trio

from traderv3.clients.rest_gate import RestGate, RestStats, Throttled
from traderv3.clients.transport import make_tls_context, name_to_connect
from traderv3.clients.venue_clock import VenueClock
from traderv3.config.endpoints import Endpoint, check_host
from traderv3.domain.errors import ConnectivityError, EnvironmentMismatch, RemoteProtocolError, VenueRefused
from traderv3.protocol.rest import (
    Event,
    ExchangeStatus,
    ListedMarket,
    Market,
    RestBook,
    Series,
    advice,
    error_text,
    read_book,
    read_books,
    read_event,
    read_market,
    read_markets,
    read_series,
    read_status,
)
from traderv3.protocol.rest_account import (
    Fill,
    Order,
    read_account_limits,
    read_as_of,
    read_costs,
    read_fills,
    read_order,
    read_orders,
)
from traderv3.protocol.rest_holdings import (
    Balance,
    Holdings,
    Settlement,
    read_balance,
    read_holdings,
    read_settlements,
)
from traderv3.protocol.schedule import Schedule, read_schedule
from traderv3.protocol.signing import Signer

log = structlog.get_logger(component="rest")

REQUEST_S: Final = 10.0  # for each step of a request
ANSWER_S: Final = 20.0  # for the whole of one try: a venue that drips must not hold us
PAGE: Final = 1000
PAGES_MAX: Final = 500  # half a million markets; a venue that never ends its pages must not hold us
TICKERS_PER_REQUEST: Final = 100
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024

T = TypeVar("T")


class _Paged(Protocol):
    @property
    def cursor(self) -> str: ...


P = TypeVar("P", bound=_Paged)


class CheckedTransport(httpx2.AsyncHTTPTransport):
    """Asks the environment before every single request, whatever built its URL."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(verify=make_tls_context() if endpoint.is_tls else True, trust_env=False, retries=0)
        self._endpoint = endpoint

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url, own = request.url, self._endpoint
        port = url.port or (443 if url.scheme == "https" else 80)
        check_host(own.environment, url.host, port, url.scheme)
        if (url.host, port) != (own.host, own.port) or url.userinfo:
            msg = f"a request for {url.host}:{port} through the door to {own.authority}"
            raise EnvironmentMismatch(msg)
        request.url = url.copy_with(host=await name_to_connect(own))  # the Host header stays
        return await super().handle_async_request(request)


class ReadingTransport(httpx2.AsyncBaseTransport):
    """Lets questions through and nothing else: whoever has the reading client cannot change anything at the venue."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method != "GET":
            msg = f"a {request.method} through the door that only reads"
            raise EnvironmentMismatch(msg)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class RestClient:
    """One venue's REST, read-only.

    Every method raises `ConnectivityError` (away, silent, 5xx, 429, or resting after failures), `VenueRefused` (4xx) or
    `RemoteProtocolError` (an answer that cannot be read). Filters are the venue's own, by its names.
    """

    def __init__(
        self,
        api: Endpoint,
        signer: Signer,
        clock: VenueClock,
        *,
        rng: random.Random,
        http: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`http` carries the requests: sockets, unless something else is given."""
        self._api = api
        self._signer = signer
        self._clock = clock
        self.gate = RestGate(wall_us=clock.wall_us, rng=rng)
        self._http = httpx2.AsyncClient(
            transport=ReadingTransport(http or CheckedTransport(api)),
            trust_env=False,
            follow_redirects=False,
            timeout=REQUEST_S,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # -- the account's limits, clock and key -----------------------------------------------------------------------

    async def read_limits(self) -> None:
        """Learn the account's buckets and the costs of requests, and keep to them. A venue without costs has the default.

        The first request is signed: `VenueRefused` if the key, the signature or the clock is not accepted.
        """
        self.gate.adopt(await self._get("/account/limits", read_account_limits, is_signed=True))
        try:
            self.gate.costs = await self._get("/account/endpoint_costs", read_costs)
        except VenueRefused as exc:
            log.info("no table of request costs", error=str(exc))

    async def measure_clock(self) -> None:
        """Compare clocks by one unsigned request."""
        await self.exchange_status()

    def stats(self) -> RestStats:
        """How REST stands at this moment."""
        return self.gate.stats(self._clock)

    # -- the exchange ----------------------------------------------------------------------------------------------

    async def exchange_status(self) -> ExchangeStatus:
        """Whether the exchange and trading are open. A 503 or 504 that says so is an answer."""
        return await self._get("/exchange/status", read_status, is_answer_when_closed=True)

    async def schedule(self) -> Schedule:
        """The announced hours and maintenance windows."""
        return await self._get("/exchange/schedule", read_schedule)

    async def user_data_timestamp(self) -> int:
        """How fresh reads of our account are at least, by the venue's clock in microseconds since the epoch."""
        return await self._get("/exchange/user_data_timestamp", read_as_of)

    # -- markets ---------------------------------------------------------------------------------------------------

    async def market(self, ticker: str) -> Market:
        """One market, whatever its status."""
        return await self._get(f"/markets/{_part(ticker)}", read_market)

    async def markets(self, **filters: str) -> AsyncIterator[list[ListedMarket]]:
        """Pages of markets (`status`, `event_ticker`, `series_ticker`)."""
        async for page in self._pages("/markets", read_markets, {"limit": str(PAGE), **filters}):
            yield page.items

    async def markets_named(self, tickers: Iterable[str]) -> AsyncIterator[list[ListedMarket]]:
        """Pages of the markets of these tickers that exist, whatever their status."""
        for chunk in _chunks(tickers):
            query = {"tickers": ",".join(chunk), "limit": str(PAGE)}
            page = await self._get("/markets", read_markets, query)
            yield [market for market in page.items if market.ticker in chunk]

    async def orderbook(self, ticker: str) -> RestBook:
        """One market's book at full depth, up to 15 s old (the venue's cache)."""
        return await self._get(f"/markets/{_part(ticker)}/orderbook", read_book)

    async def orderbooks(self, tickers: Iterable[str]) -> dict[str, RestBook]:
        """The books of these tickers that exist, as `orderbook`."""
        books: dict[str, RestBook] = {}
        for chunk in _chunks(tickers):
            books |= await self._get("/markets/orderbooks", read_books, {"tickers": ",".join(chunk)})
        return books

    async def event(self, ticker: str) -> Event:
        """One event, without its markets."""
        return await self._get(f"/events/{_part(ticker)}", read_event)

    async def series(self, ticker: str) -> Series:
        """One series with its fees."""
        return await self._get(f"/series/{_part(ticker)}", read_series)

    # -- our account -----------------------------------------------------------------------------------------------

    async def orders(self, **filters: str) -> AsyncIterator[list[Order]]:
        """Pages of our orders (`ticker`, `status`, `min_ts`, `max_ts`)."""
        async for page in self._pages("/portfolio/orders", read_orders, filters, is_signed=True):
            yield page.items

    async def order(self, order_id: str) -> Order:
        """One order of ours."""
        return await self._get(f"/portfolio/orders/{_part(order_id)}", read_order, is_signed=True)

    async def fills(self, **filters: str) -> AsyncIterator[list[Fill]]:
        """Pages of our fills (`ticker`, `order_id`, `min_ts`, `max_ts`)."""
        async for page in self._pages("/portfolio/fills", read_fills, filters, is_signed=True):
            yield page.items

    async def positions(self, **filters: str) -> AsyncIterator[Holdings]:
        """Pages of our positions (`ticker`, `event_ticker`, `settlement_status`)."""
        async for page in self._pages("/portfolio/positions", read_holdings, filters, is_signed=True):
            yield page

    async def settlements(self, **filters: str) -> AsyncIterator[list[Settlement]]:
        """Pages of what was settled (`ticker`, `min_ts`, `max_ts`)."""
        async for page in self._pages("/portfolio/settlements", read_settlements, filters, is_signed=True):
            yield page.items

    async def balance(self) -> Balance:
        """Our money. Once a second at most."""
        return await self._get("/portfolio/balance", read_balance, is_signed=True)

    # -- one request -----------------------------------------------------------------------------------------------

    async def _pages(
        self, route: str, read: Callable[[bytes], P], query: Mapping[str, str], *, is_signed: bool = False
    ) -> AsyncIterator[P]:
        """Pages to the last. Raises `RemoteProtocolError` on a cursor that came before, and beyond `PAGES_MAX`."""
        seen = {""}
        cursor = ""
        for _ in range(PAGES_MAX):
            asked = {**query, "cursor": cursor} if cursor else query
            page = await self._get(route, read, asked, is_signed=is_signed)
            yield page
            cursor = page.cursor
            if not cursor:
                return
            if cursor in seen:
                msg = f"GET {route}: the pages go round in a circle"
                raise RemoteProtocolError(msg)
            seen.add(cursor)
        msg = f"GET {route}: more than {PAGES_MAX} pages"
        raise RemoteProtocolError(msg)

    async def _get(
        self,
        route: str,
        read: Callable[[bytes], T],
        query: Mapping[str, str] | None = None,
        *,
        is_signed: bool = False,
        is_answer_when_closed: bool = False,
    ) -> T:
        if is_signed and self._clock.has_jumped:
            await self.measure_clock()

        async def attempt(left_s: float) -> T:
            with trio.move_on_after(min(ANSWER_S, left_s)):
                status, body = await self._send(route, dict(query or {}), is_signed=is_signed)
                return self._judge(route, status, body, read, is_answer_when_closed=is_answer_when_closed)
            msg = f"GET {route}: no whole answer within {min(ANSWER_S, left_s):.0f} s"
            raise ConnectivityError(msg)

        return await self.gate.ask("GET", route, attempt)

    def _judge(
        self, route: str, status: int, body: bytes, read: Callable[[bytes], T], *, is_answer_when_closed: bool
    ) -> T:
        is_closed = is_answer_when_closed and status in (503, 504)
        if status != 200 and not is_closed:
            raise _refusal(route, status, body)
        try:
            return read(body)
        except RemoteProtocolError as exc:
            if is_closed:
                raise _refusal(route, status, body) from None
            msg = f"GET {route}: {exc}"
            raise RemoteProtocolError(msg) from exc

    async def _send(self, route: str, query: dict[str, str], *, is_signed: bool) -> tuple[int, bytes]:
        path = f"{self._api.path}{route}"
        asked_us = self._clock.wall_us()
        headers = self._signer.headers("GET", path, at_ms=self._clock.now_ms()) if is_signed else {}
        body = bytearray()
        size = 0
        try:
            async with self._http.stream("GET", self._origin + path, params=query, headers=headers) as response:
                self._learn_time(response.headers, asked_us)
                async for piece in response.aiter_bytes():  # to its end, as httpx2 wants it
                    size += len(piece)
                    if size <= ANSWER_BYTES_MAX:
                        body += piece
        except httpx2.HTTPError as exc:
            why = f"{type(exc).__name__} {exc}" if str(exc) else type(exc).__name__
            msg = f"GET {route}: {why}"
            raise ConnectivityError(msg) from exc
        if size > ANSWER_BYTES_MAX:
            msg = f"GET {route}: an answer of {size} bytes; at most {ANSWER_BYTES_MAX} are taken"
            raise RemoteProtocolError(msg)
        return response.status_code, bytes(body)

    def _learn_time(self, headers: httpx2.Headers, asked_us: int) -> None:
        if "date" in headers:
            answered_us = self._clock.wall_us()
            self._clock.learn(headers["date"], age=headers.get("age", "0"), asked_us=asked_us, answered_us=answered_us)

    @property
    def _origin(self) -> str:
        return f"{self._api.scheme}://{self._api.authority}"


def _part(text: str) -> str:
    """One segment of a path."""
    return quote(text, safe="")


def _chunks(tickers: Iterable[str]) -> list[list[str]]:
    wanted = list(tickers)
    return [wanted[at : at + TICKERS_PER_REQUEST] for at in range(0, len(wanted), TICKERS_PER_REQUEST)]


def _refusal(route: str, status: int, body: bytes) -> VenueRefused | ConnectivityError:
    """What a status other than 200 means: 429 and 5xx pass, a redirect is never followed, the rest is a refusal."""
    code, sentence = error_text(body)
    msg = f"GET {route}: HTTP {status}: {sentence}{advice(sentence)}"
    if status == 429:
        return Throttled(msg)
    if status >= 500:
        return ConnectivityError(msg)
    if 300 <= status < 400:
        msg = f"GET {route}: HTTP {status}: a redirect, which is never followed"
    return VenueRefused(msg, status=status, code=code)
