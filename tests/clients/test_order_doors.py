"""Every combination of environment, key, host, redirect and variable: not one order reaches a host that it should not.

Orders are tried with the real settings, doors, clients and transports; only what would open a socket is replaced, and
writes down where it would have gone.
"""

import dataclasses
import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.clients.http_venue import wall_us
from traderv3.clients.door import Door
from traderv3.clients.doors import open_door, open_order_rest
from traderv3.clients.order_rest import OrderPermit, OrderRest, OrderTransport
from traderv3.clients.rest import CheckedTransport, RestClient
from traderv3.clients.transport import make_tls_context
from traderv3.config.endpoints import Endpoint, parse_endpoint
from traderv3.config.environment import Environment
from traderv3.config.problems import ConfigurationProblems
from traderv3.config.settings import Settings, load
from traderv3.domain.errors import ConnectivityError, EnvironmentMismatch
from traderv3.protocol.order_requests import GROUPS, ORDERS, Asking, cancel_all
from traderv3.protocol.signing import Signer

SIM, PAPER, LOCAL, PRODUCTION = Environment
DEMO_HOSTS: Final = PAPER.policy.hosts
LIVE_HOSTS: Final = PRODUCTION.policy.hosts
DEMO_KEY, LIVE_KEY = "demo-key", "live-key"
PEM: Final = "-----BEGIN PRIVATE KEY-----\nused by nobody\n-----END PRIVATE KEY-----"
HOSTS: Final = (
    None,
    *sorted(DEMO_HOSTS | LIVE_HOSTS),
    "127.0.0.1",
    "evil.com",
    "demo-api.kalshi.co.evil.com",
    "demo-api.kalshi.co@evil.com",
)
ENABLED: Final = (None, "true", "false", "yes please")
ARMED: Final = (None, LIVE_KEY, DEMO_KEY, "true", "")
REDIRECTS: Final = (301, 302, 303, 307, 308)

Went = list[tuple[str, str]]  # method and host of whatever would have left


@pytest.fixture
def went(monkeypatch: pytest.MonkeyPatch) -> Went:
    """Stands under the checked transport: every answer is a redirect to another venue."""
    found: Went = []

    async def send(_: object, request: httpx2.Request) -> httpx2.Response:
        found.append((request.method, request.headers["host"].partition(":")[0]))
        await trio.lowlevel.checkpoint()
        elsewhere = "https://external-api.kalshi.com/trade-api/v2/portfolio/events/orders"
        return httpx2.Response(REDIRECTS[len(found) % len(REDIRECTS)], headers={"Location": elsewhere})

    context = make_tls_context()  # of no use here, and slow to make anew each time
    monkeypatch.setattr("traderv3.clients.rest.make_tls_context", lambda: context)
    monkeypatch.setattr("httpx2._transports.default.create_ssl_context", lambda **_: context)
    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", send)
    return found


def settings_of(directory: Path, environment: Environment, variables: Mapping[str, str]) -> Settings | None:
    """What these variables make of it; None if they are refused, as they then are before anything starts."""
    try:
        return load(
            environment=environment.value,
            overrides={},
            process={"KALSHI_PRIVATE_KEY_CONTENT": PEM, **variables},
            directory=directory,
            check_key=lambda _: None,
        )
    except ConfigurationProblems:
        return None


def door_to(settings: Settings, key_id: str) -> Door:
    api, ws = settings.api, settings.ws
    if api is None or ws is None:  # `sim` starts its own exchange
        api = parse_endpoint("http://127.0.0.1:8010/trade-api/v2", SIM, "api")
        ws = parse_endpoint("ws://127.0.0.1:8010/trade-api/ws/v2", SIM, "ws")
    signer = Signer(key_id, ed25519.Ed25519PrivateKey.generate())
    return open_door(api, ws, signer, wall_us=wall_us, rng=random.Random(1))


async def try_to_order(settings: Settings, key_id: str) -> None:
    """Whatever way there is."""
    door = door_to(settings, key_id)
    try:
        orders = open_order_rest(door, settings)
    except EnvironmentMismatch:
        pass
    else:
        await orders.ask(Asking("POST", ORDERS, b"{}"), is_urgent=True)
        await orders.aclose()
    with pytest.raises(EnvironmentMismatch, match="only reads"):
        await door.rest._http.post(f"{door.rest._origin}/trade-api/v2{ORDERS}", content=b"{}")
    await door.rest.aclose()


def may_reach(environment: Environment, variables: Mapping[str, str], key_id: str) -> frozenset[str]:
    """By the design's table, and by nothing else."""
    enabled, armed = variables.get("V3_ENABLE_TRADING"), variables.get("V3_ARM_PRODUCTION")
    if environment is SIM and enabled != "false":
        return frozenset({"127.0.0.1"})
    if environment is PAPER and enabled == "true":
        return DEMO_HOSTS
    if environment is PRODUCTION and enabled == "true" and armed == key_id == variables["KALSHI_API_KEY_ID"]:
        return LIVE_HOSTS
    return frozenset()


def url(kind: str, host: str | None) -> dict[str, str]:
    if host is None:
        return {}
    scheme = {"api": "http", "ws": "ws"}[kind] + ("" if host == "127.0.0.1" else "s")
    path = {"api": "/trade-api/v2", "ws": "/trade-api/ws/v2"}[kind]
    return {f"KALSHI_{kind.upper()}_URL": f"{scheme}://{host}{path}"}


@pytest.mark.parametrize("environment", Environment)
async def test_no_combination_lets_an_order_reach_the_wrong_host(
    environment: Environment, went: Went, tmp_path: Path
) -> None:
    tried = reached = 0
    for host, enabled, armed, configured, used in itertools.product(
        HOSTS, ENABLED, ARMED, (DEMO_KEY, LIVE_KEY), (DEMO_KEY, LIVE_KEY)
    ):
        given = {
            "V3_ENABLE_TRADING": enabled,
            "V3_ARM_PRODUCTION": armed,
            "KALSHI_API_KEY_ID": configured,
            **url("api", host),
            **url("ws", host),
        }
        variables = {name: value for name, value in given.items() if value is not None}
        settings = settings_of(tmp_path, environment, variables)
        if settings is None:
            continue
        tried += 1
        went.clear()
        await try_to_order(settings, used)
        allowed = may_reach(environment, variables, used)
        assert {host for _, host in went} <= allowed, variables
        assert {method for method, _ in went} <= {"POST"}
        assert len(went) <= 1, "a redirect was followed"
        reached += len(went)

    assert tried
    assert (reached > 0) is (environment is not LOCAL)


async def test_local_sends_no_order_whatever_is_set(went: Went, tmp_path: Path) -> None:
    variables = {"V3_ENABLE_TRADING": "true", "V3_ARM_PRODUCTION": LIVE_KEY, "KALSHI_API_KEY_ID": LIVE_KEY}
    settings = settings_of(tmp_path, LOCAL, variables)
    assert settings is not None
    assert settings.may_trade  # in the process alone
    await try_to_order(settings, LIVE_KEY)

    assert went == []


# -- later bugs, or malice --------------------------------------------------------------------------------------------


def endpoint(environment: Environment, kind: str = "api") -> Endpoint:
    policy = environment.policy
    url_text = policy.api_url if kind == "api" else policy.ws_url
    scheme = "http" if kind == "api" else "ws"
    path = "/trade-api/v2" if kind == "api" else "/trade-api/ws/v2"
    return parse_endpoint(url_text or f"{scheme}://127.0.0.1:8010{path}", environment, kind)  # type: ignore[arg-type]


def permit(environment: Environment = PAPER, key_id: str = DEMO_KEY) -> OrderPermit:
    return OrderPermit(endpoint(environment), key_id, is_enabled=True, armed_key_id=LIVE_KEY)


@pytest.mark.parametrize(
    ("environment", "kind", "key_id", "is_enabled", "armed"),
    [
        (LOCAL, "api", LIVE_KEY, True, LIVE_KEY),
        (PRODUCTION, "api", LIVE_KEY, True, None),
        (PRODUCTION, "api", LIVE_KEY, True, DEMO_KEY),
        (PRODUCTION, "api", LIVE_KEY, False, LIVE_KEY),
        (PAPER, "api", DEMO_KEY, False, None),
        (PAPER, "ws", DEMO_KEY, True, None),
        (SIM, "api", DEMO_KEY, False, None),
    ],
)
def test_a_permit_that_must_not_be_cannot_be(
    environment: Environment, kind: str, key_id: str, is_enabled: bool, armed: str | None
) -> None:
    with pytest.raises(EnvironmentMismatch):
        OrderPermit(endpoint(environment, kind), key_id, is_enabled, armed)


def test_a_permit_cannot_be_made_another_by_replacing_a_part_of_it() -> None:
    with pytest.raises(EnvironmentMismatch):
        dataclasses.replace(permit(), api=endpoint(LOCAL))
    with pytest.raises(EnvironmentMismatch):
        dataclasses.replace(permit(PRODUCTION, LIVE_KEY), key_id=DEMO_KEY)


def test_a_permit_is_for_one_key() -> None:
    signer = Signer(LIVE_KEY, ed25519.Ed25519PrivateKey.generate())
    door = Door(endpoint(PAPER), endpoint(PAPER, "ws"), signer, wall_us=wall_us, rng=random.Random(1))

    with pytest.raises(EnvironmentMismatch, match="another key"):
        OrderRest(permit(), signer, door.clock, door.rest)


API: Final = "https://external-api.demo.kalshi.co/trade-api/v2"
TRICKS: Final[Sequence[tuple[str, str, str]]] = [
    ("GET", f"{API}{ORDERS}", DEMO_KEY),
    ("PATCH", f"{API}{ORDERS}", DEMO_KEY),
    ("POST", f"{API}{ORDERS}", LIVE_KEY),
    ("POST", f"{API}/portfolio/orders", DEMO_KEY),
    ("POST", f"{API}/portfolio/events/ordersx", DEMO_KEY),
    ("POST", f"{API}/api_keys/generate", DEMO_KEY),
    ("DELETE", f"{API}{ORDERS}/../../api_keys", DEMO_KEY),
    ("DELETE", f"{API}{GROUPS}/%2e%2e/%2e%2e/api_keys", DEMO_KEY),
    ("POST", f"https://demo-api.kalshi.co/trade-api/v2{ORDERS}", DEMO_KEY),  # of paper, and not the permit's
    ("POST", f"https://external-api.kalshi.com/trade-api/v2{ORDERS}", DEMO_KEY),
    ("POST", f"https://evil.com/trade-api/v2{ORDERS}", DEMO_KEY),
    ("POST", f"http://external-api.demo.kalshi.co/trade-api/v2{ORDERS}", DEMO_KEY),
    ("POST", f"https://external-api.demo.kalshi.co:8443/trade-api/v2{ORDERS}", DEMO_KEY),
    ("POST", f"https://user@external-api.demo.kalshi.co/trade-api/v2{ORDERS}", DEMO_KEY),
]


@pytest.mark.parametrize(("method", "target", "key_id"), TRICKS)
async def test_the_transport_asks_the_permit_whatever_built_the_request(
    method: str, target: str, key_id: str, went: Went
) -> None:
    transport = OrderTransport(CheckedTransport(endpoint(PAPER)), permit())
    request = httpx2.Request(method, target, headers={"KALSHI-ACCESS-KEY": key_id})

    with pytest.raises(EnvironmentMismatch):
        await transport.handle_async_request(request)
    assert went == []


async def test_a_forged_permit_still_meets_the_host_check(went: Went) -> None:
    forged = permit()
    object.__setattr__(forged, "api", object.__new__(Endpoint))
    fields: dict[str, Any] = dataclasses.asdict(endpoint(PAPER)) | {"host": "evil.com"}
    for name, value in fields.items():
        object.__setattr__(forged.api, name, value)
    transport = OrderTransport(CheckedTransport(forged.api), forged)
    request = httpx2.Request("POST", f"https://evil.com/trade-api/v2{ORDERS}", headers={"KALSHI-ACCESS-KEY": DEMO_KEY})

    with pytest.raises(EnvironmentMismatch, match="may not talk to host"):
        await transport.handle_async_request(request)
    assert went == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "get", "OPTIONS"])
@pytest.mark.parametrize("environment", Environment)
async def test_the_reading_client_reads(environment: Environment, method: str, went: Went) -> None:
    signer = Signer(DEMO_KEY, ed25519.Ed25519PrivateKey.generate())
    door = Door(endpoint(environment), endpoint(environment, "ws"), signer, wall_us=wall_us, rng=random.Random(1))
    request = httpx2.Request(method, f"{door.rest._origin}/trade-api/v2{ORDERS}")
    request.method = method  # as it is written

    with pytest.raises(EnvironmentMismatch, match="only reads"):
        await door.rest._http.send(request)
    assert went == []
    assert isinstance(door.rest, RestClient)


async def test_a_redirect_of_an_order_is_an_order_of_which_nobody_knows(went: Went) -> None:
    signer = Signer(DEMO_KEY, ed25519.Ed25519PrivateKey.generate())
    door = Door(endpoint(PAPER), endpoint(PAPER, "ws"), signer, wall_us=wall_us, rng=random.Random(1))
    orders = door.open_orders(is_enabled=True, armed_key_id=None)
    status, _ = await orders.ask(cancel_all())

    assert status in REDIRECTS
    assert went == [("DELETE", "external-api.demo.kalshi.co")]


async def test_nobody_there_is_known_before_a_byte_is_sent() -> None:
    signer = Signer(DEMO_KEY, ed25519.Ed25519PrivateKey.generate())
    api = parse_endpoint("http://127.0.0.1:9/trade-api/v2", SIM, "api")
    ws = parse_endpoint("ws://127.0.0.1:9/trade-api/ws/v2", SIM, "ws")
    door = Door(api, ws, signer, wall_us=wall_us, rng=random.Random(1))
    orders = door.open_orders(is_enabled=True, armed_key_id=None)
    written: list[bool] = []

    with pytest.raises(ConnectivityError):
        await orders.ask(cancel_all(), at_wire=lambda: written.append(True))
    assert written == []
