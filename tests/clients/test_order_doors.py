"""Every combination of environment, key, host, redirect and variable: not one order reaches a host that it should not.

Orders are tried with the real settings, doors, clients and transports; only what would open a socket is replaced, and
writes down where it would have gone. It answers each request with the next kind of redirect to where nothing may go.
"""

import dataclasses
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
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
from traderv3.domain.errors import ConnectivityError, EnvironmentMismatch, VenueRefused
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

WRITES: Final = (Asking("POST", ORDERS, b"{}"), Asking("DELETE", f"{ORDERS}/an-id"), cancel_all())


Went = list[tuple[str, str]]  # method and host
Answers = set[tuple[str, int]]  # method and status


@dataclass
class Wire:
    """Stands under the checked transport. `went`: whatever would have left."""

    went: Went = field(default_factory=list)
    redirects: Iterator[int] = field(default_factory=lambda: cycle(REDIRECTS))

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        host = request.headers["host"].partition(":")[0]
        self.went.append((request.method, host))
        await trio.lowlevel.checkpoint()
        elsewhere = "evil.com" if host in LIVE_HOSTS else "external-api.kalshi.com"
        location = f"https://{elsewhere}/trade-api/v2{ORDERS}"
        return httpx2.Response(next(self.redirects), headers={"Location": location})


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """In place of every socket."""
    made = Wire()

    async def send(_: object, request: httpx2.Request) -> httpx2.Response:
        return await made.send(request)

    context = make_tls_context()  # of no use here, and slow to make anew each time
    monkeypatch.setattr("traderv3.clients.rest.make_tls_context", lambda: context)
    monkeypatch.setattr("httpx2._transports.default.create_ssl_context", lambda **_: context)
    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", send)
    return made


@pytest.fixture
def went(wire: Wire) -> Went:
    """What would have left."""
    return wire.went


def settings_of(
    directory: Path, environment: Environment, variables: Mapping[str, str], key: str = "KALSHI_PRIVATE_KEY_CONTENT"
) -> Settings | None:
    """What these variables make of it; None if they are refused, as they then are before anything starts."""
    try:
        return load(
            environment=environment.value,
            overrides={},
            process={key: PEM, **variables} if key else {},
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


async def try_to_order(settings: Settings, key_id: str) -> list[tuple[str, int]]:
    """Whatever way there is, and every verb; methods and statuses of what was answered."""
    door = door_to(settings, key_id)
    answered: list[tuple[str, int]] = []
    try:
        orders = open_order_rest(door, settings)
    except EnvironmentMismatch:
        pass
    else:
        for write in WRITES:
            status, _ = await orders.ask(write, is_urgent=True)
            answered.append((write.method, status))
        await orders.aclose()
    for method in ("POST", "DELETE"):
        with pytest.raises(EnvironmentMismatch, match="only reads"):
            await door.rest._http.request(method, f"{door.rest._origin}/trade-api/v2{ORDERS}", content=b"{}")
    with pytest.raises(VenueRefused, match="never followed") as refused:
        await door.rest.order("an-id")
    answered.append(("GET", refused.value.status))
    await door.rest.aclose()
    return answered


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


def combinations() -> Iterator[dict[str, str]]:
    """All variables with both URLs at one host; and the permitting ones with each pair of two hosts."""
    keys = (DEMO_KEY, LIVE_KEY)
    alike = itertools.product(zip(HOSTS, HOSTS, strict=True), ENABLED, ARMED, keys)
    crossed = itertools.product(itertools.permutations(HOSTS, 2), (None, "true"), (None, LIVE_KEY), keys)
    for (api, ws), enabled, armed, configured in itertools.chain(alike, crossed):
        given = {"V3_ENABLE_TRADING": enabled, "V3_ARM_PRODUCTION": armed, "KALSHI_API_KEY_ID": configured}
        known = {name: value for name, value in given.items() if value is not None}
        yield {**known, **url("api", api), **url("ws", ws)}


async def try_all(environment: Environment, variables: Mapping[str, str], settings: Settings, wire: Wire) -> Answers:
    """With each key: what was answered. Asserts that nothing went where it should not."""
    answers: Answers = set()
    for used in (DEMO_KEY, LIVE_KEY):
        wire.went.clear()
        answered = await try_to_order(settings, used)
        read, writes = wire.went[-1], wire.went[:-1]
        assert {host for _, host in writes} <= may_reach(environment, variables, used), variables
        assert read[0] == "GET", variables
        assert read[1] in environment.policy.hosts, variables
        assert [method for method, _ in wire.went] == [method for method, _ in answered], "a redirect was followed"
        answers |= set(answered)
    return answers


def each_redirect(environment: Environment) -> Answers:
    """What must have been answered for the test to be worth anything."""
    methods = ("GET",) if environment is LOCAL else ("GET", "POST", "DELETE")
    return set(itertools.product(methods, REDIRECTS))


@pytest.mark.parametrize("environment", Environment)
async def test_no_combination_lets_an_order_reach_the_wrong_host(
    environment: Environment, wire: Wire, tmp_path: Path
) -> None:
    answers: Answers = set()
    for variables in combinations():
        if settings := settings_of(tmp_path, environment, variables):
            answers |= await try_all(environment, variables, settings, wire)

    assert answers == each_redirect(environment)


def write_env_file(path: Path, variables: Mapping[str, str]) -> None:
    known = {"KALSHI_PRIVATE_KEY_CONTENT": PEM, **variables}
    path.write_text("".join(f'{name}="{value}"\n' for name, value in known.items()))


@pytest.mark.parametrize("environment", Environment)
async def test_nor_does_any_that_stands_in_a_file_while_all_the_other_files_permit_everything(
    environment: Environment, wire: Wire, tmp_path: Path
) -> None:
    answers: Answers = set()
    key_ids = {SIM: DEMO_KEY, PAPER: DEMO_KEY, LOCAL: LIVE_KEY, PRODUCTION: LIVE_KEY}
    for other in Environment:
        permitting = {"V3_ENABLE_TRADING": "true", "V3_ARM_PRODUCTION": LIVE_KEY, "KALSHI_API_KEY_ID": key_ids[other]}
        host = min(other.policy.hosts)
        write_env_file(tmp_path / other.env_file, {**permitting, **url("api", host), **url("ws", host)})
    pairs = [(None, None), *zip(HOSTS, HOSTS, strict=True), *itertools.pairwise(HOSTS[1:])]
    for (api, ws), enabled, armed in itertools.product(pairs, (None, "true", "false"), (None, LIVE_KEY, DEMO_KEY)):
        given = {"V3_ENABLE_TRADING": enabled, "V3_ARM_PRODUCTION": armed, "KALSHI_API_KEY_ID": key_ids[environment]}
        known = {name: value for name, value in given.items() if value is not None}
        variables = {**known, **url("api", api), **url("ws", ws)}
        write_env_file(tmp_path / environment.env_file, variables)
        if settings := settings_of(tmp_path, environment, {}, key=""):
            answers |= await try_all(environment, variables, settings, wire)

    assert answers == each_redirect(environment)


async def test_local_sends_no_order_whatever_is_set(went: Went, tmp_path: Path) -> None:
    variables = {"V3_ENABLE_TRADING": "true", "V3_ARM_PRODUCTION": LIVE_KEY, "KALSHI_API_KEY_ID": LIVE_KEY}
    settings = settings_of(tmp_path, LOCAL, variables)
    assert settings is not None
    assert settings.may_trade  # in the process alone
    await try_to_order(settings, LIVE_KEY)

    assert {method for method, _ in went} == {"GET"}


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
