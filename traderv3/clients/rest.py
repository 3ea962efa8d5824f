"""The venue's REST interface, as far as we read it: markets, exchange status, whether our key is accepted.

httpx2 on Trio, with nothing taken from the surroundings (no proxy, netrc or certificate variables) and redirects never
followed: an answer that points elsewhere is an error. The host is checked for every request, under httpx2.
Source: Kalshi's OpenAPI document 3.34.0.
Never: an order (that is the gateway's, behind risk), or a retry that nobody asked for.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final, TypeVar

import httpx2
import msgspec
import trio

from traderv3.clients.transport import make_tls_context, name_to_connect
from traderv3.clients.venue_clock import VenueClock
from traderv3.config.endpoints import Endpoint, check_host
from traderv3.domain.errors import ConnectivityError, EnvironmentMismatch, RemoteProtocolError, VenueRefused
from traderv3.protocol.rest import ExchangeStatus, Market, MarketsPage, advice, error_text
from traderv3.protocol.signing import Signer
from traderv3.protocol.wire import UNDECODABLE

REQUEST_S: Final = 10.0  # for each step of a request
ANSWER_S: Final = 20.0  # for the whole of it: a venue that drips must not hold us
PAGE: Final = 1000
PAGE_PAUSE_S: Final = 0.06  # the smallest tier may read 20 times a second
PAGES_MAX: Final = 200  # 200,000 markets; a venue that never ends its pages must not hold us
TICKERS_PER_REQUEST: Final = 100
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024

T = TypeVar("T")


class _CheckedTransport(httpx2.AsyncHTTPTransport):
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


class RestClient:
    """One venue's REST, read-only."""

    def __init__(self, api: Endpoint, signer: Signer, clock: VenueClock) -> None:
        self._api = api
        self._signer = signer
        self._clock = clock
        self._http = httpx2.AsyncClient(
            transport=_CheckedTransport(api), trust_env=False, follow_redirects=False, timeout=REQUEST_S
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def measure_clock(self) -> None:
        """Compare clocks by one unsigned request."""
        await self._get("/exchange/status")

    async def exchange_status(self) -> ExchangeStatus:
        """Whether the exchange and trading are open. A 503 that says so is an answer."""
        status, body = await self._get("/exchange/status", accepted=frozenset({503, 504}))
        if status != 200:
            try:
                return msgspec.json.decode(body, type=ExchangeStatus)
            except UNDECODABLE:
                raise _refusal("/exchange/status", status, body) from None
        return self._decode(body, ExchangeStatus, "/exchange/status")

    async def check_key(self) -> None:
        """Make one signed request. Raises `VenueRefused` if the key, the signature or the clock is not accepted."""
        await self._get("/account/limits", is_signed=True)

    async def markets(self, **filters: str) -> AsyncIterator[list[Market]]:
        """Pages of markets by the venue's own filters (`status`, `event_ticker`, `series_ticker`)."""
        cursor = ""
        for _ in range(PAGES_MAX):
            query = {**filters, "limit": str(PAGE), **({"cursor": cursor} if cursor else {})}
            _, body = await self._get("/markets", query)
            page = self._decode(body, MarketsPage, "/markets")
            yield page.markets
            cursor = page.cursor or ""
            if not cursor:
                return
            await trio.sleep(PAGE_PAUSE_S)

    async def markets_named(self, tickers: Iterable[str]) -> list[Market]:
        """The markets of these tickers that exist, whatever their status."""
        wanted = list(tickers)
        found: list[Market] = []
        for at in range(0, len(wanted), TICKERS_PER_REQUEST):
            chunk = wanted[at : at + TICKERS_PER_REQUEST]
            query = {"tickers": ",".join(chunk), "limit": str(PAGE)}
            _, body = await self._get("/markets", query)
            found += [m for m in self._decode(body, MarketsPage, "/markets").markets if m.ticker in chunk]
        return found

    async def _get(
        self,
        route: str,
        query: Mapping[str, str] | None = None,
        *,
        is_signed: bool = False,
        accepted: frozenset[int] = frozenset(),
    ) -> tuple[int, bytes]:
        path = f"{self._api.path}{route}"
        asked_us = self._clock.wall_us()
        headers = self._signer.headers("GET", path, at_ms=self._clock.now_ms()) if is_signed else {}
        try:
            with trio.fail_after(ANSWER_S):
                response, body = await self._fetch(f"{self._origin}{path}", dict(query or {}), headers)
        except (httpx2.HTTPError, trio.TooSlowError) as exc:
            why = f"{type(exc).__name__} {exc}" if str(exc) else type(exc).__name__
            msg = f"GET {route}: {why}"
            raise ConnectivityError(msg) from exc
        if "date" in response.headers:
            self._clock.learn(
                response.headers["date"],
                age=response.headers.get("age", "0"),
                asked_us=asked_us,
                answered_us=self._clock.wall_us(),
            )
        if response.status_code != 200 and response.status_code not in accepted:
            raise _refusal(route, response.status_code, body)
        return response.status_code, body

    async def _fetch(self, url: str, query: dict[str, str], headers: dict[str, str]) -> tuple[httpx2.Response, bytes]:
        body = bytearray()
        size = 0
        async with self._http.stream("GET", url, params=query, headers=headers) as response:
            async for piece in response.aiter_bytes():  # to its end, as httpx2 wants it, but not kept beyond the bound
                size += len(piece)
                if size <= ANSWER_BYTES_MAX:
                    body += piece
        if size > ANSWER_BYTES_MAX:
            msg = f"GET {url}: an answer of {size} bytes; at most {ANSWER_BYTES_MAX} are taken"
            raise RemoteProtocolError(msg)
        return response, bytes(body)

    @property
    def _origin(self) -> str:
        return f"{self._api.scheme}://{self._api.authority}"

    def _decode(self, body: bytes, kind: type[T], route: str) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except UNDECODABLE as exc:
            msg = f"GET {route}: {exc}"
            raise RemoteProtocolError(msg) from exc


def _refusal(route: str, status: int, body: bytes) -> VenueRefused | ConnectivityError:
    """What a status other than 200 means: 429 and 5xx pass, a redirect is never followed, the rest is a refusal."""
    code, sentence = error_text(body)
    msg = f"GET {route}: HTTP {status}: {sentence}{advice(sentence)}"
    if status == 429 or status >= 500:
        return ConnectivityError(msg)
    if 300 <= status < 400:
        msg = f"GET {route}: HTTP {status}: a redirect, which is never followed"
    return VenueRefused(msg, status=status, code=code)
