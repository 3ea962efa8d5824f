"""No trick opens a connection to anything that the environment does not allow."""

import itertools
import os
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from tests.clients.http_venue import SIGNER, answer, asking, door_to, http_venue, rest_client, wall_us
from traderv3.clients.door import HANDSHAKE_GAP_S, Door, Wires
from traderv3.clients.doors import open_door
from traderv3.clients.kalshi_demo_client import KalshiDemoClient
from traderv3.clients.order_rest import OrderTransport
from traderv3.clients.rest import CheckedTransport, ReadingTransport, RestClient
from traderv3.clients.transport import TransportLimits, make_tls_context, open_stream
from traderv3.clients.venue_clock import VenueClock
from traderv3.config.endpoints import DemoEndpoint, Endpoint, parse_endpoint
from traderv3.config.environment import Environment
from traderv3.domain.errors import ConnectivityError, EnvironmentMismatch, TraderError, VenueRefused

PAPER, LOCAL, SIM = Environment.PAPER, Environment.LOCAL, Environment.SIM
API_PATH, WS_PATH = "/trade-api/v2", "/trade-api/ws/v2"
OPEN: Final = {"exchange_active": True, "trading_active": True}


def demo(kind: str) -> DemoEndpoint:
    policy = PAPER.policy
    url = policy.api_url if kind == "api" else policy.ws_url
    endpoint = parse_endpoint(url or "", PAPER, "api" if kind == "api" else "ws")
    assert isinstance(endpoint, DemoEndpoint)
    return endpoint


def sim(kind: str, port: int = 9, host: str = "127.0.0.1") -> Endpoint:
    if kind == "api":
        return parse_endpoint(f"http://{host}:{port}{API_PATH}", SIM, "api")
    return parse_endpoint(f"ws://{host}:{port}{WS_PATH}", SIM, "ws")


def forged(endpoint: Endpoint, **changes: object) -> Endpoint:
    """An endpoint that no check let through: a later bug, or malice."""
    for name, value in changes.items():
        object.__setattr__(endpoint, name, value)
    return endpoint


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every host to which a connection was attempted; none is made."""
    hosts: list[str] = []

    async def refuse(host: str, port: int, **_: Any) -> trio.SocketStream:
        hosts.append(f"{host}:{port}")
        raise OSError("no network in this test")

    monkeypatch.setattr(trio, "open_tcp_stream", refuse)
    return hosts


# -- the demo client -----------------------------------------------------------------------------------------------

LOOK_ALIKES: Final = [
    "https://demo-api.kalshi.co.evil.com/trade-api/v2",
    "https://demo-api.kalshi.com/trade-api/v2",
    "https://demo-api.kaIshi.co/trade-api/v2",
    "https://demo-api.kalshi.co./trade-api/v2",
    "https://demo-api.k\u0430lshi.co/trade-api/v2",
    "https://xn--demo-api.kalshi.co/trade-api/v2",
    "https://demo-api.kalshi.co@evil.com/trade-api/v2",
    "https://evil.com@demo-api.kalshi.co/trade-api/v2",
    "https://user:pass@demo-api.kalshi.co/trade-api/v2",
    "https://demo-api.kalshi.co:8443/trade-api/v2",
    "https://demo-api.kalshi.co:443@evil.com/trade-api/v2",
    "https://demo-api.kalshi.co#@evil.com/trade-api/v2",
    "https://demo-api.kalshi.co?@evil.com/trade-api/v2",
    "https://demo-api.kalshi.co\\@evil.com/trade-api/v2",
    "https://demo-api.kalshi.co%2eevil.com/trade-api/v2",
    "https://demo-api.kalshi.co\n.evil.com/trade-api/v2",
    "https://external-api.kalshi.com/trade-api/v2",
    "https://api.elections.kalshi.com/trade-api/v2",
    "https://127.0.0.1/trade-api/v2",
    "http://demo-api.kalshi.co/trade-api/v2",
    "wss://demo-api.kalshi.co/trade-api/v2",
    "https://demo-api.kalshi.co/trade-api/v2/../../evil",
    "https:/demo-api.kalshi.co/trade-api/v2",
    "//demo-api.kalshi.co/trade-api/v2",
]


@pytest.mark.parametrize("url", LOOK_ALIKES)
def test_no_look_alike_becomes_a_demo_endpoint(url: str) -> None:
    with pytest.raises(EnvironmentMismatch):
        parse_endpoint(url, PAPER, "api")


def test_the_demo_client_takes_demo_endpoints() -> None:
    client = KalshiDemoClient(demo("api"), demo("ws"), SIGNER, wall_us=wall_us, rng=random.Random(1))

    assert client.ws.host in PAPER.policy.hosts


def other_endpoints() -> dict[str, tuple[Any, Any]]:
    live_api = parse_endpoint(LOCAL.policy.api_url or "", LOCAL, "api")
    live_ws = parse_endpoint(LOCAL.policy.ws_url or "", LOCAL, "ws")
    return {
        "live": (live_api, live_ws),
        "one live": (demo("api"), live_ws),
        "loopback": (sim("api"), sim("ws")),
        "text": (demo("api").url, demo("ws").url),
        "forged host": (forged(demo("api"), host="evil.com"), demo("ws")),
        "forged ws host": (demo("api"), forged(demo("ws"), host="external-api-ws.kalshi.com")),
        "a subclass of the plain kind": (
            Endpoint(PAPER, "api", "https", "demo-api.kalshi.co", 443, API_PATH),
            demo("ws"),
        ),
    }


@pytest.mark.parametrize("case", other_endpoints())
def test_the_demo_client_takes_nothing_else(case: str) -> None:
    api, ws = other_endpoints()[case]
    with pytest.raises(EnvironmentMismatch, match="not an endpoint of the demo exchange"):
        KalshiDemoClient(api, ws, SIGNER, wall_us=wall_us, rng=random.Random(1))


def test_paper_gets_the_demo_client_and_the_others_a_plain_door() -> None:
    assert type(open_door(demo("api"), demo("ws"), SIGNER, wall_us=wall_us, rng=random.Random(1))) is KalshiDemoClient
    assert type(open_door(sim("api"), sim("ws"), SIGNER, wall_us=wall_us, rng=random.Random(1))) is Door


def test_paper_without_demo_endpoints_gets_no_door() -> None:
    plain = Endpoint(PAPER, "api", "https", "demo-api.kalshi.co", 443, API_PATH)
    with pytest.raises(EnvironmentMismatch):
        open_door(plain, demo("ws"), SIGNER, wall_us=wall_us, rng=random.Random(1))


def test_two_environments_make_no_door() -> None:
    with pytest.raises(AssertionError):
        Door(sim("api"), demo("ws"), SIGNER, wall_us=wall_us, rng=random.Random(1))


# -- below every door ----------------------------------------------------------------------------------------------

FORGERIES: Final[list[dict[str, object]]] = [
    {"host": "evil.com"},
    {"host": "external-api-ws.kalshi.com"},
    {"host": "external-api.kalshi.com"},
    {"port": 8443},
    {"scheme": "ws"},
    {"scheme": "http"},
    {"host": "127.0.0.1", "scheme": "ws", "port": 80},
]


@pytest.mark.parametrize("changes", FORGERIES, ids=str)
async def test_the_transport_refuses_a_forged_endpoint(changes: dict[str, object], dialled: list[str]) -> None:
    with pytest.raises(EnvironmentMismatch):
        await open_stream(forged(demo("ws"), **changes))

    assert dialled == []


@pytest.mark.parametrize("changes", FORGERIES, ids=str)
async def test_rest_refuses_a_forged_endpoint(changes: dict[str, object], dialled: list[str]) -> None:
    endpoint = demo("api")
    client = RestClient(endpoint, SIGNER, VenueClock(wall_us), rng=random.Random(1))
    forged(endpoint, **changes)
    with pytest.raises(EnvironmentMismatch):
        await client.exchange_status()
    await client.aclose()

    assert dialled == []


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.com/x",
        "https://external-api.kalshi.com/trade-api/v2/portfolio/orders",
        "https://demo-api.kalshi.co/trade-api/v2/exchange/status",  # allowed to paper, but not this door's
        "https://external-api.demo.kalshi.co:8443/x",
        "http://external-api.demo.kalshi.co/x",
        "https://a:b@external-api.demo.kalshi.co/x",
    ],
)
async def test_rest_sends_no_request_to_anywhere_but_its_own_endpoint(url: str, dialled: list[str]) -> None:
    client = RestClient(demo("api"), SIGNER, VenueClock(wall_us), rng=random.Random(1))
    with pytest.raises(EnvironmentMismatch):
        await client._http.get(url)
    await client.aclose()

    assert dialled == []


async def test_the_transport_goes_where_it_may_and_by_tls(dialled: list[str]) -> None:
    with pytest.raises(ConnectivityError, match=r"external-api-ws\.demo\.kalshi\.co"):
        await open_stream(demo("ws"))

    assert dialled == ["external-api-ws.demo.kalshi.co:443"]


# -- loopback ------------------------------------------------------------------------------------------------------


class Resolver(trio.abc.HostnameResolver):
    """Answers in turn with these addresses, the last for ever."""

    def __init__(self, *answers: Iterable[str]) -> None:
        self.answers = [list(found) for found in answers]
        self.asked: list[str] = []

    async def getaddrinfo(self, host: Any, port: Any, family: int = 0, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(host.decode() if isinstance(host, bytes) else str(host))
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, int(port or 0)))
            for a in addresses
        ]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> Any:
        raise NotImplementedError


@asynccontextmanager
async def resolving(*answers: Iterable[str]) -> AsyncIterator[Resolver]:
    resolver = Resolver(*answers)
    before = trio.socket.set_custom_hostname_resolver(resolver)
    try:
        yield resolver
    finally:
        trio.socket.set_custom_hostname_resolver(before)


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["127.0.0.2"], ["0.0.0.0"], ["::ffff:10.0.0.1"]]
)
async def test_a_localhost_that_leads_elsewhere_is_refused(addresses: list[str], dialled: list[str]) -> None:
    async with resolving(addresses):
        with pytest.raises(EnvironmentMismatch, match="not loopback"):
            await open_stream(sim("ws", host="localhost"))
        client = rest_client(sim("api", host="localhost"))
        with pytest.raises(EnvironmentMismatch, match="not loopback"):
            await client.exchange_status()
        await client.aclose()

    assert dialled == []


async def test_a_localhost_that_changes_its_mind_after_the_check_is_not_asked_again(dialled: list[str]) -> None:
    async with resolving(["127.0.0.1"], ["10.0.0.1"]) as resolver:
        with pytest.raises(ConnectivityError):
            await open_stream(sim("ws", host="localhost"))

    assert dialled == ["127.0.0.1:9"]
    assert resolver.asked == ["localhost"]


async def test_rest_does_not_ask_again_where_localhost_is() -> None:
    async with http_venue(answer(200, OPEN)) as venue, resolving(["127.0.0.1"], ["10.0.0.1"]) as resolver:
        client = rest_client(venue.endpoint("localhost"))
        await client.exchange_status()
        await client.aclose()

    assert resolver.asked == ["localhost"]
    assert venue.asked[0].headers["host"] == f"localhost:{venue.port}"


async def test_a_localhost_that_cannot_be_resolved_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror("no such host")

    monkeypatch.setattr(trio.socket, "getaddrinfo", fail)
    with pytest.raises(ConnectivityError, match="cannot resolve"):
        await open_stream(sim("ws", host="localhost"))


# -- surroundings --------------------------------------------------------------------------------------------------


@pytest.fixture
def hostile_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every variable by which a machine may lead a client astray."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    certificates = tmp_path / "empty.pem"
    certificates.write_text("")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    return tmp_path


async def test_nothing_in_the_surroundings_changes_where_rest_goes(hostile_surroundings: Path) -> None:
    async with asking(answer(200, OPEN)) as (client, venue):
        await client.exchange_status()

    assert len(venue.asked) == 1
    assert "authorization" not in venue.asked[0].headers


def test_certificates_come_from_certifi_alone(hostile_surroundings: Path) -> None:
    context = make_tls_context()

    assert os.environ["SSL_CERT_FILE"]
    assert len(context.get_ca_certs()) > 50
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.keylog_filename is None


def test_the_http_client_trusts_nothing_and_follows_nothing(hostile_surroundings: Path) -> None:
    door = door_to(9)
    orders = door.open_orders(is_enabled=True, armed_key_id=None)

    for http in (door.rest._http, orders._http, orders._urgent):
        assert http.trust_env is False
        assert http.follow_redirects is False
        assert http._mounts == {}
        guard = http._transport
        assert isinstance(guard, ReadingTransport | OrderTransport)
        assert isinstance(guard._inner, CheckedTransport)


# -- tls -----------------------------------------------------------------------------------------------------------


async def test_a_venue_without_a_trusted_certificate_gets_not_one_byte_of_ours(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    client, server = memory_stream_pair()
    hellos: list[bytes] = []

    async def answer_with_plain_text() -> None:
        hellos.append(bytes(await server.receive_some()))
        await server.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def dial(_host: str, _port: int) -> trio.abc.Stream:
        return client

    monkeypatch.setattr(trio, "open_tcp_stream", dial)
    with pytest.raises(ConnectivityError, match="no secure connection"):
        await in_background(answer_with_plain_text, lambda: open_stream(demo("ws")))

    assert hellos[0][:1] == b"\x16"  # a TLS hello, which names the host and carries no secret
    assert b"KALSHI-ACCESS" not in hellos[0]


async def in_background(serve: Callable[[], Awaitable[None]], act: Callable[[], Awaitable[object]]) -> None:
    outcome: TraderError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        try:
            await act()
        except TraderError as error:
            outcome = error
        nursery.cancel_scope.cancel()
    if outcome is not None:
        raise outcome


async def test_a_tls_handshake_that_hangs_is_bounded(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    client, _server = memory_stream_pair()

    async def dial(_host: str, _port: int) -> trio.abc.Stream:
        return client

    monkeypatch.setattr(trio, "open_tcp_stream", dial)
    door = KalshiDemoClient(
        demo("api"), demo("ws"), SIGNER, wall_us=wall_us, rng=random.Random(1), limits=TransportLimits(connect_s=7)
    )
    with pytest.raises(ConnectivityError, match="within 7 s"):
        async with door.connect():
            pass

    assert trio.current_time() == 7


# -- the whole way in ----------------------------------------------------------------------------------------------


async def test_a_refused_handshake_over_a_real_socket() -> None:
    async with http_venue(answer(401, {"error": {"code": "header_timestamp_expired"}})) as venue:
        with pytest.raises(VenueRefused, match="header_timestamp_expired") as refused:
            async with door_to(venue.port).connect():
                pass
    headers = venue.asked[0].headers

    assert refused.value.is_about_the_key
    assert headers["kalshi-access-key"] == "key-id"
    assert headers["kalshi-access-timestamp"] == str(wall_us() // 1000)


async def test_a_redirected_handshake_is_refused_and_not_followed() -> None:
    async with http_venue(answer(200, b"")) as elsewhere:
        location = f"http://127.0.0.1:{elsewhere.port}/trade-api/ws/v2"
        async with http_venue(answer(302, b"", Location=location)) as venue:
            with pytest.raises(VenueRefused, match="302"):
                async with door_to(venue.port).connect():
                    pass

        assert elsewhere.asked == []


async def test_nobody_listening_is_no_connection() -> None:
    async with http_venue(None) as venue:
        port = venue.port
    with pytest.raises(ConnectivityError, match=f"127.0.0.1:{port}"):
        async with door_to(port).connect():
            pass


async def test_a_clock_that_leapt_is_measured_before_there_is_a_connection_to_leave_open(
    autojump_clock: MockClock,
) -> None:
    order: list[str] = []

    class Away(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            order.append("measured")
            raise httpx2.ConnectError("down")

    async def refuse(endpoint: Endpoint) -> trio.abc.Stream:
        order.append("connected")
        raise ConnectivityError("down")

    wires = Wires(open_stream=refuse, make_http=lambda _: Away())
    now_us = 1_790_000_000_000_000
    door = Door(sim("api"), sim("ws"), SIGNER, wall_us=lambda: now_us, rng=random.Random(1), wires=wires)
    door.clock.learn("Mon, 21 Sep 2026 14:13:20 GMT", asked_us=now_us, answered_us=now_us)
    now_us += 3_600_000_000
    with pytest.raises(ConnectivityError):
        async with door.connect():
            raise AssertionError

    assert order[0] == "measured"
    assert order[-1] == "connected"


# -- many at once --------------------------------------------------------------------------------------------------


async def test_connections_lost_together_come_back_one_after_the_other(autojump_clock: MockClock) -> None:
    at: list[float] = []

    async def refuse(endpoint: Endpoint) -> trio.abc.Stream:
        at.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        raise ConnectivityError("down")

    wires = Wires(open_stream=refuse)
    door = Door(sim("api"), sim("ws"), SIGNER, wall_us=wall_us, rng=random.Random(1), wires=wires)

    async def attempt() -> None:
        with pytest.raises(ConnectivityError):
            async with door.connect():
                raise AssertionError

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(attempt)

    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert at[0] == 0.0
    assert min(gaps) >= HANDSHAKE_GAP_S * 0.999
    assert at[-1] < 20 * HANDSHAKE_GAP_S
    assert not door.proven.is_set()
