"""The only way to name a host: an `Endpoint` that its environment allows, checked by equality when it is made.

Kinds: "api" (REST) and "ws" (WebSocket). Outside loopback TLS and port 443 only; inside it plain http and ws, any port.
Source: design, section 2; paths from docs.kalshi.com, "API environments".
Never: repair a URL. Whatever is not written exactly as expected is refused with the reason, so that no two parsers
can disagree about where it points.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from traderv3.config.environment import Environment
from traderv3.domain.errors import EnvironmentMismatch

EndpointKind = Literal["api", "ws"]

PATHS: Final[dict[EndpointKind, str]] = {"api": "/trade-api/v2", "ws": "/trade-api/ws/v2"}
TLS_PORT: Final = 443
PORT_MAX: Final = 65_535

_SCHEMES_TLS: Final[dict[EndpointKind, str]] = {"api": "https", "ws": "wss"}
_SCHEMES_PLAIN: Final[dict[EndpointKind, str]] = {"api": "http", "ws": "ws"}
_PLAIN_PORT: Final = 80
_URL_LENGTH_MAX: Final = 200  # the longest URL of the table has 52

_URL: Final = re.compile(r"([a-z]+)://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?(/[a-z0-9/-]*)?")
_TRICKS: Final = (  # in the order in which they are looked for; the first found is the reason
    (re.compile(r"[^\x00-\x7f]"), "contains a character that is not ASCII (look-alike letters are not repaired)"),
    (re.compile(r"[\x00-\x20\x7f]"), "contains a blank, tab, newline or control character"),
    (re.compile(r"\\"), "contains a backslash"),
    (re.compile(r"@"), "contains '@' (user information has no place here)"),
    (re.compile(r"%"), "contains a percent escape"),
    (re.compile(r"\?"), "contains a query"),
    (re.compile(r"#"), "contains a fragment"),
    (re.compile(r"[A-Z]"), "contains an upper-case letter; write it in lower case"),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place that `environment` may talk to. Cannot exist otherwise: making one runs the transport's own check."""

    environment: Environment
    kind: EndpointKind
    scheme: str
    host: str
    port: int
    path: str

    def __post_init__(self) -> None:
        check_host(self.environment, self.host, self.port, self.scheme)
        if self.path != PATHS[self.kind]:
            msg = f"path {self.path!r} is not {PATHS[self.kind]}"
            raise EnvironmentMismatch(msg)

    @property
    def authority(self) -> str:
        """Host and, where it is not the scheme's own, port: what goes into a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port == (TLS_PORT if self.is_tls else _PLAIN_PORT)
        return host if is_default else f"{host}:{self.port}"

    @property
    def is_tls(self) -> bool:
        return self.scheme in _SCHEMES_TLS.values()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class DemoEndpoint(Endpoint):
    """An endpoint of Kalshi's demo exchange: what the demo client asks for by type."""

    def __post_init__(self) -> None:
        # Written out: `super()` does not work in a slotted dataclass.
        Endpoint.__post_init__(self)
        if self.environment is not Environment.PAPER:
            msg = f"{self.url} is not a demo endpoint ({self.environment})"
            raise EnvironmentMismatch(msg)


def check_host(environment: Environment, host: str, port: int, scheme: str) -> None:
    """Raise `EnvironmentMismatch` unless `environment` may connect there. The transport asks before each connection."""
    policy = environment.policy
    if host not in policy.hosts:
        msg = f"{environment} may not talk to host {host[:100]!r}; it may talk to {', '.join(sorted(policy.hosts))}"
        raise EnvironmentMismatch(msg)
    allowed = _SCHEMES_PLAIN if policy.is_loopback_only else _SCHEMES_TLS
    if scheme not in allowed.values():
        msg = f"{environment} does not use scheme {scheme[:20]!r} with {host}; it uses {' and '.join(allowed.values())}"
        raise EnvironmentMismatch(msg)
    is_port_allowed = 0 < port <= PORT_MAX if policy.is_loopback_only else port == TLS_PORT
    if not is_port_allowed:
        msg = f"{environment} does not use port {port} of {host}; outside loopback only {TLS_PORT} is allowed"
        raise EnvironmentMismatch(msg)


def parse_endpoint(url: str, environment: Environment, kind: EndpointKind) -> Endpoint:
    """Read a URL exactly as written, or raise `EnvironmentMismatch` with the reason. Nothing is normalised."""
    if len(url) > _URL_LENGTH_MAX:
        msg = f"is longer than {_URL_LENGTH_MAX} characters"
        raise EnvironmentMismatch(msg)
    for trick, reason in _TRICKS:
        if trick.search(url):
            raise EnvironmentMismatch(reason)
    match = _URL.fullmatch(url)
    if match is None:
        msg = "is not a URL of the form scheme://host[:port]/path"
        raise EnvironmentMismatch(msg)
    scheme, host, port_text, path = match.groups()
    schemes = _SCHEMES_PLAIN if environment.policy.is_loopback_only else _SCHEMES_TLS
    if scheme != schemes[kind]:
        msg = f"scheme {scheme!r} is not {schemes[kind]!r}"
        raise EnvironmentMismatch(msg)
    port = int(port_text) if port_text else (TLS_PORT if scheme in _SCHEMES_TLS.values() else _PLAIN_PORT)
    make = DemoEndpoint if environment is Environment.PAPER else Endpoint
    host = host.removeprefix("[").removesuffix("]")
    return make(environment=environment, kind=kind, scheme=scheme, host=host, port=port, path=path or "")
