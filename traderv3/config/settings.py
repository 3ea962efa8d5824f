"""One checked configuration, or every reason why there is none.

`load` reads the sources, validates everything in one pass and raises one `ConfigurationProblems` with all problems.
Source: design, section 2 (variables and their defaults).
Never: a socket; a file outside the working directory other than the key file that was named.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from traderv3.config.credentials import CheckKey, Credentials, check_separation, find_credentials
from traderv3.config.endpoints import Endpoint, EndpointKind, parse_endpoint
from traderv3.config.environment import Environment, Orders
from traderv3.config.markets import AutoMarkets, MarketSelection, parse_markets
from traderv3.config.problems import Findings, Problem
from traderv3.config.secret import Secret
from traderv3.config.sources import Sources, open_sources
from traderv3.config.strategy_file import NOTHING_TO_SET, read_strategy_file
from traderv3.config.values import (
    LOG_LEVEL_DEFAULT,
    expand,
    is_loopback,
    parse_bind_host,
    parse_connections,
    parse_database_url,
    parse_flag,
    parse_log_level,
    parse_origin,
    parse_port,
)
from traderv3.domain.errors import EnvironmentMismatch
from traderv3.domain.risk_limits import DEFAULT_LIMITS, RiskLimits

HOST_DEFAULT: Final = "127.0.0.1"
PORT_DEFAULT: Final = 8005
DATA_DIR_DEFAULT: Final = "data"
STRATEGY_DEFAULT: Final = "hold"  # never trades
TOKEN_LENGTH_ADVISED: Final = 16  # shorter ones can be guessed by whoever reaches the port

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run was told. `api` and `ws` are None in `sim` when the trader is to start its own exchange."""

    environment: Environment
    api: Endpoint | None
    ws: Endpoint | None
    credentials: Credentials | None
    host: str
    port: int
    markets: MarketSelection
    log_level: str
    data_dir: Path
    database_url: Secret  # a PostgreSQL URL may hold a password
    connections: int | None  # None: by number of markets
    control_token: Secret | None
    dev_origin: str | None
    strategy: str
    enable_trading: bool
    arm_production: str | None
    strategy_parameters: object = NOTHING_TO_SET  # of that strategy's own class
    risk: RiskLimits = DEFAULT_LIMITS
    warnings: tuple[Problem, ...] = ()

    @property
    def folder(self) -> Path:
        """Where this environment's token, latch, kill file, intent log and day book lie (`Whereabouts.folder` is the same)."""
        return self.data_dir / self.environment

    @property
    def is_own_exchange(self) -> bool:
        """Whether the trader starts the embedded exchange itself (`sim` without URLs)."""
        return self.api is None

    @property
    def may_trade(self) -> bool:
        """Whether an order may be made at all; with real money only when the key itself was named to arm it."""
        if not self.enable_trading:
            return False
        if self.environment.policy.orders is not Orders.REAL:
            return True
        return self.credentials is not None and self.arm_production == self.credentials.key_id

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that the log must mask."""
        key = (self.credentials.private_key.reveal(),) if self.credentials else ()
        token = (self.control_token.reveal(),) if self.control_token else ()
        url = self.database_url.reveal()
        password = url.partition("://")[2].partition("@")[0].partition(":")[2] if "@" in url else ""
        return (*key, *token, *((password,) if password else ()))

    def console_url(self, port: int) -> str:
        """Where the console is, on the port that is really listened on."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}/v3-trader"


def load(
    *,
    environment: str | None,
    overrides: Mapping[str, str],
    process: Mapping[str, str],
    directory: Path,
    check_key: CheckKey,
    strategy: str | None = None,
    strategies: Mapping[str, object] | None = None,
) -> Settings:
    """Read and check everything, or raise `ConfigurationProblems` with every problem found.

    `overrides` are variables set by the command line, `process` is the process environment, `directory` the working
    directory; `check_key` says why a PEM text cannot be used, or None. `strategies` are those that may be named, each
    with the defaults of its parameters.
    """
    findings = Findings()
    chosen, sources = open_sources(environment, overrides, process, directory, findings)
    reader = _Reader(chosen or Environment.SIM, chosen is not None, sources, directory.absolute(), findings)
    settings = reader.settings(
        check_key, strategy or STRATEGY_DEFAULT, strategies or {STRATEGY_DEFAULT: NOTHING_TO_SET}
    )
    findings.raise_if_any()
    return settings


def find_data_dir(environment: str | None, process: Mapping[str, str], directory: Path) -> Path:
    """Where a run with these sources would keep its state; for commands that need nothing else of them."""
    _, sources = open_sources(environment, {}, process, directory, Findings())
    return expand(directory.absolute(), sources.get("V3_DATA_DIR") or DATA_DIR_DEFAULT)


@dataclass(frozen=True, slots=True)
class _Reader:
    """One pass over the variables; a value with a problem gives way to its default so that the pass goes on."""

    environment: Environment
    is_known: bool  # False: it was misspelt; whatever does not depend on it is still looked at
    sources: Sources
    directory: Path
    findings: Findings

    def settings(self, check_key: CheckKey, strategy: str, strategies: Mapping[str, object]) -> Settings:
        api, ws = self._endpoints()
        parameters, risk = self._strategy(strategy, strategies)
        credentials = self._credentials(check_key)
        host = self._read("V3_HOST", HOST_DEFAULT, parse_bind_host, f"The usual value is {HOST_DEFAULT}")
        data_dir = self._data_dir()
        database_url = f"sqlite:///{data_dir / self.environment}.db"
        is_trading = self.environment.policy.is_trading_by_default
        enable_trading = self._read("V3_ENABLE_TRADING", is_trading, parse_flag, "Write true or false")
        any_markets: MarketSelection = AutoMarkets()
        return Settings(
            environment=self.environment,
            api=api,
            ws=ws,
            credentials=credentials,
            host=host,
            port=self._read("V3_PORT", PORT_DEFAULT, parse_port, f"The usual value is {PORT_DEFAULT}"),
            markets=self._read("V3_MARKETS", any_markets, parse_markets, "Write auto, auto:N or TICKER,TICKER,…"),
            log_level=self._read("V3_LOG_LEVEL", LOG_LEVEL_DEFAULT, parse_log_level, "Choose one of them"),
            data_dir=data_dir,
            database_url=Secret(
                self._read("V3_DATABASE_URL", database_url, parse_database_url, "Leave it out for a local database")
            ),
            connections=self._read("V3_CONNECTIONS", None, parse_connections, "Leave it out to let the trader choose"),
            control_token=self._control_token(host),
            dev_origin=self._read("V3_DEV_ORIGIN", None, parse_origin, "Write for example http://localhost:5173"),
            strategy=strategy,
            strategy_parameters=parameters,
            risk=risk,
            enable_trading=enable_trading,
            arm_production=self._arm_production(credentials, enable_trading=enable_trading),
            warnings=tuple(self.findings.warnings),
        )

    def _read(self, variable: str, default: T, parse: Callable[[str], T], how: str) -> T:
        text = self.sources.get(variable)
        if text is None:
            return default
        try:
            return parse(text)
        except ValueError as cause:  # ValueProblem and MarketsProblem: their messages are made for people
            self.findings.problem(variable, str(cause), how)
            return default

    @property
    def _is_own_exchange(self) -> bool:
        urls = (self.sources.get("KALSHI_API_URL"), self.sources.get("KALSHI_WS_URL"))
        return self.environment.policy.api_url is None and urls == (None, None)

    def _endpoints(self) -> tuple[Endpoint | None, Endpoint | None]:
        if not self.is_known:
            return None, None
        policy = self.environment.policy
        api_url = self.sources.get("KALSHI_API_URL") or policy.api_url
        ws_url = self.sources.get("KALSHI_WS_URL") or policy.ws_url
        if (api_url is None) != (ws_url is None):
            missing = "KALSHI_API_URL" if api_url is None else "KALSHI_WS_URL"
            how = "Give both URLs of the running exchange, or neither: then the trader starts its own"
            self.findings.problem(missing, "is missing while the other URL is set", how)
        return self._endpoint("KALSHI_API_URL", api_url, "api"), self._endpoint("KALSHI_WS_URL", ws_url, "ws")

    def _endpoint(self, variable: str, url: str | None, kind: EndpointKind) -> Endpoint | None:
        if url is None:
            return None
        try:
            return parse_endpoint(url, self.environment, kind)
        except EnvironmentMismatch as cause:
            usual = self.environment.policy.api_url if kind == "api" else self.environment.policy.ws_url
            how = f"The usual value is {usual}" if usual else "Leave both URLs out: the trader starts its own exchange"
            self.findings.problem(variable, str(cause), how)
            return None

    def _credentials(self, check_key: CheckKey) -> Credentials | None:
        check_separation(self.environment, self.sources.get("KALSHI_API_KEY_ID"), self.directory, self.findings)
        if not self.is_known or self._is_own_exchange:
            return None  # it makes its own key; one of a venue has no business there
        return find_credentials(self.environment, self.sources, self.directory, check_key, self.findings)

    def _data_dir(self) -> Path:
        path = expand(self.directory, self.sources.get("V3_DATA_DIR") or DATA_DIR_DEFAULT)
        if path.exists() and not path.is_dir():
            self.findings.problem(
                "V3_DATA_DIR", f"{path} is not a directory", "Name a directory; it is made if missing"
            )
        return path

    def _strategy(self, name: str, strategies: Mapping[str, object]) -> tuple[object, RiskLimits]:
        if name not in strategies:
            self.findings.problem("--strategy", f"{name[:40]!r} is no strategy", f"Known: {', '.join(strategies)}")
        file = self.sources.get("V3_STRATEGY_FILE")
        path = None if file is None else expand(self.directory, file)
        return read_strategy_file(path, name, strategies, self.findings)

    def _control_token(self, host: str) -> Secret | None:
        token = self.sources.get("V3_CONTROL_TOKEN")
        if token is None:
            if not is_loopback(host):
                how = "Set it to a long random text, or leave V3_HOST at 127.0.0.1"
                self.findings.problem("V3_CONTROL_TOKEN", f"is required because V3_HOST {host} is not loopback", how)
            return None
        if len(token) < TOKEN_LENGTH_ADVISED:
            how = f"Use at least {TOKEN_LENGTH_ADVISED} random characters"
            self.findings.warning("V3_CONTROL_TOKEN", "is short enough to be guessed", how)
        return Secret(token)

    def _arm_production(self, credentials: Credentials | None, *, enable_trading: bool) -> str | None:
        """What was written there; anything but the key id leaves trading off, which is said, not refused."""
        armed = self.sources.get("V3_ARM_PRODUCTION")
        is_real = self.environment.policy.orders is Orders.REAL
        if is_real and enable_trading and (credentials is None or armed != credentials.key_id):
            what = "is not the API key id, so no order is sent: market data only"
            how = "To trade with real money set it to the value of KALSHI_API_KEY_ID; otherwise V3_ENABLE_TRADING=false"
            self.findings.warning("V3_ARM_PRODUCTION", what, how)
        return armed
