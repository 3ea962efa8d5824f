"""The four environments as one table: whom each may talk to, and what becomes of an order.

Source: design, section 2. Hosts: docs.kalshi.com, "API environments" (2026-08-20).
Never: a host that is matched by anything but equality.
"""

import difflib
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


class Environment(enum.StrEnum):
    """Where a run lives; chosen once, before anything else is read."""

    SIM = "sim"
    PAPER = "paper"
    LOCAL = "local"
    PRODUCTION = "production"

    @property
    def policy(self) -> "Policy":
        """This environment's row of the table."""
        return POLICIES[self]

    @property
    def env_file(self) -> str:
        """The file in the working directory that belongs to this environment alone."""
        return f".env.{self.value}"


class Orders(enum.Enum):
    """What becomes of an order."""

    PLAY = "play money, on the embedded exchange"
    DEMO = "demo money, at Kalshi's demo exchange"
    SHADOW = "never leaves the process: filled here, against the live books"
    REAL = "real money"


class Account(enum.Enum):
    """Whose keys an environment uses: a key id must never serve both venues."""

    EMBEDDED = "embedded exchange"
    DEMO = "demo"
    LIVE = "production"


@dataclass(frozen=True, slots=True)
class Policy:
    """One row of the table. A URL of None: the trader starts its own exchange unless told otherwise."""

    hosts: frozenset[str]
    api_url: str | None
    ws_url: str | None
    account: Account
    orders: Orders
    is_trading_by_default: bool

    @property
    def is_loopback_only(self) -> bool:
        return self.hosts == LOOPBACK_HOSTS


LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
LOOPBACK_ADDRESSES: Final = frozenset({"127.0.0.1", "::1"})  # what `localhost` may resolve to
_DEMO_HOSTS: Final = frozenset(
    {"demo-api.kalshi.co", "external-api.demo.kalshi.co", "external-api-ws.demo.kalshi.co"},
)
_LIVE_HOSTS: Final = frozenset(
    {"api.elections.kalshi.com", "external-api.kalshi.com", "external-api-ws.kalshi.com"},
)

POLICIES: Final[Mapping[Environment, Policy]] = MappingProxyType(
    {
        Environment.SIM: Policy(
            hosts=LOOPBACK_HOSTS,
            api_url=None,
            ws_url=None,
            account=Account.EMBEDDED,
            orders=Orders.PLAY,
            is_trading_by_default=True,
        ),
        Environment.PAPER: Policy(
            hosts=_DEMO_HOSTS,
            api_url="https://external-api.demo.kalshi.co/trade-api/v2",
            ws_url="wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2",
            account=Account.DEMO,
            orders=Orders.DEMO,
            is_trading_by_default=False,
        ),
        Environment.LOCAL: Policy(
            hosts=_LIVE_HOSTS,
            api_url="https://external-api.kalshi.com/trade-api/v2",
            ws_url="wss://external-api-ws.kalshi.com/trade-api/ws/v2",
            account=Account.LIVE,
            orders=Orders.SHADOW,
            is_trading_by_default=True,
        ),
        Environment.PRODUCTION: Policy(
            hosts=_LIVE_HOSTS,
            api_url="https://external-api.kalshi.com/trade-api/v2",
            ws_url="wss://external-api-ws.kalshi.com/trade-api/ws/v2",
            account=Account.LIVE,
            orders=Orders.REAL,
            is_trading_by_default=False,
        ),
    }
)

assert set(POLICIES) == set(Environment)
assert len(LOOPBACK_HOSTS | _DEMO_HOSTS | _LIVE_HOSTS) == len(LOOPBACK_HOSTS) + len(_DEMO_HOSTS) + len(_LIVE_HOSTS)
assert all(policy.is_trading_by_default is False for policy in POLICIES.values() if policy.orders is Orders.REAL)

DEFAULT: Final = Environment.PAPER  # as in the original


class UnknownEnvironment(ValueError):
    """A word that names none of the four; the message lists them and the nearest."""


def parse_environment(text: str) -> Environment:
    """The environment of that name (case and surrounding blanks do not matter), or `UnknownEnvironment`."""
    name = text.strip().lower()
    try:
        return Environment(name)
    except ValueError:
        near = difflib.get_close_matches(name, list(Environment), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        msg = f"{text[:40]!r} is none of {', '.join(Environment)}{hint}"
        raise UnknownEnvironment(msg) from None
