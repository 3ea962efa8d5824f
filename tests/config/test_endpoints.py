"""No URL outside the table is ever accepted, however it is written."""

import dataclasses
import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traderv3.config.endpoints import PATHS, DemoEndpoint, Endpoint, EndpointKind, check_host, parse_endpoint
from traderv3.config.environment import LOOPBACK_HOSTS, POLICIES, Environment, Orders
from traderv3.domain.errors import EnvironmentMismatch

ACCEPTED: list[tuple[Environment, EndpointKind, str]] = [
    (Environment.PAPER, "api", "https://demo-api.kalshi.co/trade-api/v2"),
    (Environment.PAPER, "api", "https://demo-api.kalshi.co:443/trade-api/v2"),
    (Environment.PAPER, "api", "https://external-api.demo.kalshi.co/trade-api/v2"),
    (Environment.PAPER, "ws", "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2"),
    (Environment.LOCAL, "api", "https://api.elections.kalshi.com/trade-api/v2"),
    (Environment.LOCAL, "ws", "wss://external-api-ws.kalshi.com/trade-api/ws/v2"),
    (Environment.PRODUCTION, "api", "https://external-api.kalshi.com/trade-api/v2"),
    (Environment.SIM, "api", "http://127.0.0.1:8010/trade-api/v2"),
    (Environment.SIM, "api", "http://localhost/trade-api/v2"),
    (Environment.SIM, "ws", "ws://[::1]:8010/trade-api/ws/v2"),
]

TRICKS = {  # each with a part of the reason that a person is given
    "https://demo-api.kalshi.co.evil.com/trade-api/v2": "may not talk to host",
    "https://evil.com/demo-api.kalshi.co/trade-api/v2": "form scheme",
    "https://evil.com/trade-api/v2": "may not talk to host",
    "https://xdemo-api.kalshi.co/trade-api/v2": "may not talk to host",
    "https://demo-api.kalshi.com/trade-api/v2": "may not talk to host",
    "https://kalshi.co/trade-api/v2": "may not talk to host",
    "https://external-api.kalshi.com/trade-api/v2": "may not talk to host",
    "https://demo-api.kalshi.co./trade-api/v2": "may not talk to host",
    "https://.demo-api.kalshi.co/trade-api/v2": "may not talk to host",
    "https://demo-api.kalshi.co@evil.com/trade-api/v2": "user information",
    "https://user:pass@demo-api.kalshi.co/trade-api/v2": "user information",
    "https://evil.com\\@demo-api.kalshi.co/trade-api/v2": "backslash",
    "https://demo-api.kalshi.co\\.evil.com/trade-api/v2": "backslash",
    "https:\\\\demo-api.kalshi.co/trade-api/v2": "backslash",
    "https://demo-api.kalshi.co\t.evil.com/trade-api/v2": "control character",
    "https://demo-api.kalshi.co\n/trade-api/v2": "control character",
    "https://demo-api.kalshi.co\r\nHost: evil.com/trade-api/v2": "control character",
    "https://demo-api.kalshi.co\x00.evil.com/trade-api/v2": "control character",
    " https://demo-api.kalshi.co/trade-api/v2": "blank",
    "https://demo-api.kalshi.co/trade-api/v2\n": "control character",
    "https://demo-api.k\u0430lshi.co/trade-api/v2": "not ASCII",  # Cyrillic a
    "https://demo-api\u3002kalshi.co/trade-api/v2": "not ASCII",  # ideographic full stop, a dot to IDNA
    "https://demo-api.kalshi.co\uff0fevil/trade-api/v2": "not ASCII",
    "https://demo%2Dapi.kalshi.co/trade-api/v2": "percent",
    "https://DEMO-API.kalshi.co/trade-api/v2": "lower case",
    "HTTPS://demo-api.kalshi.co/trade-api/v2": "lower case",
    "https://demo-api.kalshi.co/trade-api/v2?x=1": "query",
    "https://demo-api.kalshi.co/trade-api/v2#x": "fragment",
    "https://evil.com#demo-api.kalshi.co/trade-api/v2": "fragment",
    "https://evil.com?demo-api.kalshi.co/trade-api/v2": "query",
    "https://demo-api.kalshi.co:8443/trade-api/v2": "port 8443",
    "https://demo-api.kalshi.co:80/trade-api/v2": "port 80",
    "https://demo-api.kalshi.co:0443/trade-api/v2": "form scheme",
    "https://demo-api.kalshi.co:/trade-api/v2": "form scheme",
    "https://demo-api.kalshi.co:443:443/trade-api/v2": "form scheme",
    "https://demo-api.kalshi.co:+443/trade-api/v2": "form scheme",
    "http://demo-api.kalshi.co/trade-api/v2": "scheme",
    "ws://demo-api.kalshi.co/trade-api/v2": "scheme",
    "wss://demo-api.kalshi.co/trade-api/v2": "scheme",
    "ftp://demo-api.kalshi.co/trade-api/v2": "scheme",
    "file:///etc/passwd": "form scheme",
    "//demo-api.kalshi.co/trade-api/v2": "form scheme",
    "demo-api.kalshi.co/trade-api/v2": "form scheme",
    "https:/demo-api.kalshi.co/trade-api/v2": "form scheme",
    "https:///demo-api.kalshi.co/trade-api/v2": "form scheme",
    "https://demo-api.kalshi.co": "path",
    "https://demo-api.kalshi.co/": "path",
    "https://demo-api.kalshi.co/trade-api/v2/": "path",
    "https://demo-api.kalshi.co/trade-api/v1": "path",
    "https://demo-api.kalshi.co//trade-api/v2": "path",
    "https://demo-api.kalshi.co/trade-api/ws/v2": "path",
    "https://demo-api.kalshi.co/x/../trade-api/v2": "form scheme",
    "https://demo-api.kalshi.co/trade-api/v2;x": "form scheme",
    "http://127.0.0.1:8010/trade-api/v2": "scheme",
    "https://127.0.0.1/trade-api/v2": "may not talk to host",
    "https://localhost/trade-api/v2": "may not talk to host",
    "https://[::1]/trade-api/v2": "may not talk to host",
    "https://[::ffff:127.0.0.1]/trade-api/v2": "may not talk to host",
    "": "form scheme",
    "https://" + "a" * 300 + ".kalshi.co/trade-api/v2": "longer than",
}

LOOPBACK_TRICKS = [
    "http://127.0.0.1.evil.com/trade-api/v2",
    "http://127.1/trade-api/v2",
    "http://2130706433/trade-api/v2",
    "http://0x7f000001/trade-api/v2",
    "http://0177.0.0.1/trade-api/v2",
    "http://127.0.0.2/trade-api/v2",
    "http://0.0.0.0/trade-api/v2",
    "http://[::]/trade-api/v2",
    "http://[::ffff:127.0.0.1]/trade-api/v2",
    "http://[0:0:0:0:0:0:0:1]/trade-api/v2",
    "http://::1/trade-api/v2",
    "http://localhost.evil.com/trade-api/v2",
    "http://localhost./trade-api/v2",
    "http://192.168.0.1/trade-api/v2",
    "http://127.0.0.1:0/trade-api/v2",
    "http://127.0.0.1:65536/trade-api/v2",
    "https://127.0.0.1/trade-api/v2",
    "https://demo-api.kalshi.co/trade-api/v2",
    "http://demo-api.kalshi.co/trade-api/v2",
    "https://external-api.kalshi.com/trade-api/v2",
]

HOSTS = sorted(set().union(*(policy.hosts for policy in POLICIES.values())))


@pytest.mark.parametrize(("environment", "kind", "url"), ACCEPTED)
def test_the_table_is_accepted_as_written(environment: Environment, kind: EndpointKind, url: str) -> None:
    endpoint = parse_endpoint(url, environment, kind)

    assert endpoint.url == url.replace(":443", "")
    assert endpoint.host in environment.policy.hosts
    assert isinstance(endpoint, DemoEndpoint) is (environment is Environment.PAPER)


@pytest.mark.parametrize("url", TRICKS)
def test_a_trick_is_refused_with_its_reason(url: str) -> None:
    with pytest.raises(EnvironmentMismatch) as caught:
        parse_endpoint(url, Environment.PAPER, "api")

    assert TRICKS[url] in str(caught.value)


@pytest.mark.parametrize("url", LOOPBACK_TRICKS)
def test_sim_stays_on_loopback(url: str) -> None:
    with pytest.raises(EnvironmentMismatch):
        parse_endpoint(url, Environment.SIM, "api")


@pytest.mark.parametrize("environment", Environment)
def test_the_default_urls_are_on_the_list(environment: Environment) -> None:
    policy = environment.policy
    if policy.api_url is None or policy.ws_url is None:
        assert policy.is_loopback_only
        return

    assert parse_endpoint(policy.api_url, environment, "api").url == policy.api_url
    assert parse_endpoint(policy.ws_url, environment, "ws").url == policy.ws_url


@pytest.mark.parametrize(
    ("environment", "host", "scheme", "port"),
    list(itertools.product(Environment, [*HOSTS, "evil.com"], ["https", "wss", "http", "ws"], [443, 80, 8010, 0])),
)
def test_the_transports_check_is_the_table(environment: Environment, host: str, scheme: str, port: int) -> None:
    is_loopback = environment is Environment.SIM
    is_scheme_right = scheme in ({"http", "ws"} if is_loopback else {"https", "wss"})
    is_allowed = host in environment.policy.hosts and is_scheme_right and (port > 0 if is_loopback else port == 443)

    if is_allowed:
        check_host(environment, host, port, scheme)
    else:
        with pytest.raises(EnvironmentMismatch):
            check_host(environment, host, port, scheme)


def test_an_endpoint_cannot_be_made_past_the_check() -> None:
    good = parse_endpoint("https://demo-api.kalshi.co/trade-api/v2", Environment.PAPER, "api")

    with pytest.raises(EnvironmentMismatch):
        dataclasses.replace(good, host="evil.com")
    with pytest.raises(EnvironmentMismatch):
        dataclasses.replace(good, path="/")
    with pytest.raises(EnvironmentMismatch):
        Endpoint(Environment.PAPER, "api", "https", "external-api.kalshi.com", 443, PATHS["api"])
    with pytest.raises(EnvironmentMismatch, match="not a demo endpoint"):
        DemoEndpoint(Environment.PRODUCTION, "api", "https", "external-api.kalshi.com", 443, PATHS["api"])


def test_only_real_money_and_demo_money_wait_for_a_switch() -> None:
    waiting = {name for name, policy in POLICIES.items() if not policy.is_trading_by_default}

    assert waiting == {Environment.PAPER, Environment.PRODUCTION}
    assert [name for name, policy in POLICIES.items() if policy.orders is Orders.REAL] == [Environment.PRODUCTION]
    assert POLICIES[Environment.SIM].hosts == LOOPBACK_HOSTS


SCRAPS = "https wss http ws :// // / : 443 8010 @ \\ ? # . %2e evil.com [::1] [ ] \t \u3002 \u2100 DEMO-API.KALSHI.CO"
PIECES = st.sampled_from([*SCRAPS.split(" "), *HOSTS, *PATHS.values()])
URLS = st.text(max_size=80) | st.lists(PIECES, max_size=8).map("".join)


@given(url=URLS, environment=st.sampled_from(Environment), kind=st.sampled_from(list(PATHS)))
@example(url="https://demo-api.kalshi.co/trade-api/v2", environment=Environment.PAPER, kind="api")
def test_what_is_accepted_is_literally_on_the_list(url: str, environment: Environment, kind: EndpointKind) -> None:
    try:
        endpoint = parse_endpoint(url, environment, kind)
    except EnvironmentMismatch:
        return
    shown = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    after_scheme = url.removeprefix(f"{endpoint.scheme}://")

    assert endpoint.host in environment.policy.hosts
    assert after_scheme in {f"{shown}{PATHS[kind]}", f"{shown}:{endpoint.port}{PATHS[kind]}"}
