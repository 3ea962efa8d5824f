"""One pass finds everything: precedence, defaults, and every problem at once, none of them with a secret in it."""

import contextlib
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traderv3.config.environment import Environment
from traderv3.config.markets import AutoMarkets, NamedMarkets
from traderv3.config.problems import ConfigurationProblems
from traderv3.config.secret import Secret
from traderv3.config.settings import Settings, find_data_dir, load
from traderv3.config.sources import VARIABLES

PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIsecretsecretsecret\n-----END PRIVATE KEY-----"
KEYS = {"KALSHI_API_KEY_ID": "key-1", "KALSHI_PRIVATE_KEY_CONTENT": PEM}
Load = Callable[..., Settings]


def accept_any(_pem: str) -> str | None:
    return None


@pytest.fixture
def read(tmp_path: Path) -> Load:
    """Load in an empty directory; `files` are written there first."""

    def run(
        environment: str | None = None,
        process: Mapping[str, str] | None = None,
        overrides: Mapping[str, str] | None = None,
        check_key: Callable[[str], str | None] = accept_any,
        **files: str,
    ) -> Settings:
        for name, text in files.items():
            (tmp_path / f".{name.replace('_', '.')}").write_text(text)
        return load(
            environment=environment,
            overrides=overrides or {},
            process=process or {},
            directory=tmp_path,
            check_key=check_key,
        )

    return run


def problems_of(read: Load, *args: object, **more: object) -> dict[str, str]:
    with pytest.raises(ConfigurationProblems) as caught:
        read(*args, **more)
    return {problem.variable: problem.what for problem in caught.value.problems}


def test_sim_needs_nothing_at_all(read: Load, tmp_path: Path) -> None:
    settings = read("sim")

    assert settings.is_own_exchange
    assert settings.credentials is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8005)
    assert settings.markets == AutoMarkets(15)
    assert settings.data_dir == tmp_path / "data"
    assert settings.database_url.reveal() == f"sqlite:///{tmp_path}/data/sim.db"
    assert settings.may_trade


def test_paper_without_a_key_is_shown_the_way_to_sim(read: Load) -> None:
    with pytest.raises(ConfigurationProblems) as caught:
        read()

    assert len(caught.value.problems) == 2
    assert all("scripts/run-v3.sh sim" in problem.how for problem in caught.value.problems)


def test_precedence_is_command_line_own_file_process_common_file(read: Load) -> None:
    def port(own: str = "", process: str = "", common: str = "", line: str = "") -> int:
        named = {"V3_PORT": process} if process else {}
        typed = {"V3_PORT": line} if line else {}
        own, common = f"V3_PORT={own}\n" * bool(own), f"V3_PORT={common}\n" * bool(common)
        return read("sim", named, typed, env=common, env_sim=own).port

    assert port(common="4") == 4
    assert port(common="4", process="3") == 3
    assert port(common="4", process="3", own="2") == 2
    assert port(common="4", process="3", own="2", line="1") == 1


def test_an_empty_value_in_the_higher_place_means_the_default(read: Load) -> None:
    settings = read("paper", {**KEYS, "V3_ENABLE_TRADING": "true"}, env_paper="V3_ENABLE_TRADING=\n")

    assert not settings.may_trade


def test_files_are_not_searched_for_upward_nor_expanded(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("V3_PORT=1234\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / ".env.sim").write_text("V3_CONTROL_TOKEN=a-long-token-with-${HOME}\n")

    settings = load(environment="sim", overrides={}, process={}, directory=inner, check_key=accept_any)

    assert settings.port == 8005
    assert settings.control_token == Secret("a-long-token-with-${HOME}")


def test_the_argument_then_the_variable_then_the_common_file_name_the_environment(read: Load) -> None:
    assert read("SIM", {"ENVIRONMENT": "paper"}).environment is Environment.SIM
    assert read(None, {"ENVIRONMENT": "sim"}).environment is Environment.SIM
    assert read(None, env="ENVIRONMENT=sim\n").environment is Environment.SIM


@pytest.mark.parametrize("file", ["env", "env_sim"])
def test_a_file_that_names_another_environment_is_refused(read: Load, file: str) -> None:
    problems = problems_of(read, "sim", **{file: "ENVIRONMENT=production\n"})

    assert "says 'production'" in problems["ENVIRONMENT"]


def test_everything_is_reported_at_once(read: Load, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    process = {
        "KALSHI_API_URL": "https://demo-api.kalshi.co.evil.com/trade-api/v2",
        "KALSHI_WS_URL": "ws://demo-api.kalshi.co/trade-api/ws/v2",
        "KALSHI_PRIVATE_KEY_CONTENT": "nonsense",
        "V3_HOST": "0.0.0.0",
        "V3_PORT": "70000",
        "V3_MARKETS": "auto:0",
        "V3_LOG_LEVEL": "loud",
        "V3_DATABASE_URL": "mysql://u:hunter2@h/d",
        "V3_CONNECTIONS": "-1",
        "V3_ENABLE_TRADING": "maybe",
        "V3_DEV_ORIGIN": "https://evil.com",
    }

    problems = problems_of(read, "paper", process, check_key=lambda _: "not a PEM", env="BROKEN LINE\nV3_PORT\n")

    expected = {*process, "V3_CONTROL_TOKEN", "V3_DATA_DIR", "KALSHI_API_KEY_ID", ".env line 1"} - {"V3_HOST"}
    assert problems.keys() == expected


def test_an_unknown_environment_does_not_hide_the_rest(read: Load) -> None:
    problems = problems_of(read, "papper", {"V3_PORT": "x", "KALSHI_API_URL": "https://demo-api.kalshi.co/"})

    assert "sim, paper, local, production; did you mean paper?" in problems["ENVIRONMENT"]
    assert problems.keys() == {"ENVIRONMENT", "V3_PORT"}


def test_no_secret_is_in_any_text(read: Load) -> None:
    process = {**KEYS, "V3_CONTROL_TOKEN": "token-token-token-1", "V3_DATABASE_URL": "postgresql://u:hunter2@h/d"}
    settings = read("paper", process)
    shown = f"{settings!r} {settings} {settings.credentials} {settings.control_token}"

    assert not any(secret in shown for secret in ("secretsecret", "token-token", "hunter2"))
    assert settings.secrets == (PEM, "token-token-token-1", "hunter2")
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(settings.control_token)


def test_a_problem_never_quotes_a_key(read: Load) -> None:
    unquoted = f"KALSHI_API_KEY_ID=k\nKALSHI_PRIVATE_KEY_CONTENT={PEM}\nsecretsecret = 'x\n"

    with pytest.raises(ConfigurationProblems) as caught:
        read("paper", check_key=lambda _: "not a PEM private key", env_paper=unquoted)

    assert "secretsecret" not in str(caught.value)
    assert "double quotes" in str(caught.value)


def test_escaped_newlines_are_repaired(read: Load) -> None:
    seen: list[str] = []

    settings = read("paper", {**KEYS, "KALSHI_PRIVATE_KEY_CONTENT": PEM.replace("\n", "\\n")}, check_key=seen.append)

    assert seen == [PEM]
    assert settings.credentials is not None
    assert settings.credentials.private_key == Secret(PEM)


def test_the_key_may_come_from_a_file_beside_the_env_file(read: Load, tmp_path: Path) -> None:
    key = tmp_path / "demo.pem"
    key.write_text(PEM)
    key.chmod(0o600)

    settings = read("paper", env_paper="KALSHI_API_KEY_ID=k\nKALSHI_PRIVATE_KEY_PATH=demo.pem\n")

    assert settings.credentials is not None
    assert settings.credentials.private_key.reveal() == PEM
    assert settings.warnings == ()


def test_a_key_file_that_others_may_read_is_a_warning(read: Load, tmp_path: Path) -> None:
    key = tmp_path / "demo.pem"
    key.write_text(PEM)
    key.chmod(0o644)

    warnings = read("paper", {"KALSHI_API_KEY_ID": "k", "KALSHI_PRIVATE_KEY_PATH": str(key)}).warnings

    assert [(w.variable, w.how) for w in warnings] == [("KALSHI_PRIVATE_KEY_PATH", f"chmod 600 {key}")]


@pytest.mark.parametrize("path", ["missing.pem", ".", "\0"])
def test_a_key_file_that_cannot_be_read_is_a_problem(read: Load, path: str) -> None:
    problems = problems_of(read, "paper", {"KALSHI_API_KEY_ID": "k", "KALSHI_PRIVATE_KEY_PATH": path})

    assert problems.keys() == {"KALSHI_PRIVATE_KEY_PATH"}


def test_of_two_keys_the_higher_place_decides_and_the_same_place_is_a_problem(read: Load) -> None:
    own = f'KALSHI_PRIVATE_KEY_CONTENT="{PEM}"\n'
    settings = read("paper", {"KALSHI_API_KEY_ID": "k", "KALSHI_PRIVATE_KEY_PATH": "missing.pem"}, env_paper=own)

    assert settings.credentials is not None
    both = problems_of(read, "paper", {**KEYS, "KALSHI_PRIVATE_KEY_PATH": "x"}, env_paper="")
    assert both.keys() == {"KALSHI_PRIVATE_KEY_CONTENT"}


@pytest.mark.parametrize("live", ["local", "production"])
@pytest.mark.parametrize("started", ["paper", "local", "production"])
def test_one_key_for_demo_and_production_is_refused(read: Load, started: str, live: str) -> None:
    files = {"env_paper": "KALSHI_API_KEY_ID=same-key\n", f"env_{live}": "KALSHI_API_KEY_ID=same-key\n"}

    with pytest.raises(ConfigurationProblems) as caught:
        read(started, {"KALSHI_PRIVATE_KEY_CONTENT": PEM, "KALSHI_API_KEY_ID": "key-1"}, **files)

    shared = [p.what for p in caught.value.problems if "same key id" in p.what]
    assert len(shared) == 1
    assert ".env.paper" in shared[0]
    assert f".env.{live}" in shared[0]


def test_local_and_production_may_share_a_key(read: Load) -> None:
    shared = "KALSHI_API_KEY_ID=same-key\n"

    assert read("local", {"KALSHI_PRIVATE_KEY_CONTENT": PEM}, env_local=shared, env_production=shared).may_trade


def test_a_demo_run_with_the_key_of_the_production_file_is_refused(read: Load) -> None:
    problems = problems_of(read, "paper", KEYS, env_production="KALSHI_API_KEY_ID=key-1\n")

    assert "the same key id" in problems["KALSHI_API_KEY_ID"]


@pytest.mark.parametrize(
    ("environment", "enable", "armed", "may_trade"),
    [
        ("paper", None, None, False),
        ("paper", "true", None, True),
        ("local", None, None, True),
        ("local", "false", None, False),
        ("production", None, "key-1", False),
        ("production", "true", None, False),
        ("production", "true", "key-2", False),
        ("production", "true", "true", False),
        ("production", "true", "key-1", True),
    ],
)
def test_what_arms_trading(
    read: Load, environment: str, enable: str | None, armed: str | None, may_trade: bool
) -> None:
    given = {"V3_ENABLE_TRADING": enable, "V3_ARM_PRODUCTION": armed}

    settings = read(environment, {**KEYS, **{name: value for name, value in given.items() if value}})

    assert settings.may_trade is may_trade
    is_told = any(warning.variable == "V3_ARM_PRODUCTION" for warning in settings.warnings)
    assert is_told is (environment == "production" and enable == "true" and not may_trade)


def test_sim_takes_both_urls_or_none(read: Load) -> None:
    urls = {"KALSHI_API_URL": "http://127.0.0.1:8010/trade-api/v2", "KALSHI_WS_URL": "ws://[::1]:8010/trade-api/ws/v2"}
    settings = read("sim", urls | KEYS)

    assert not settings.is_own_exchange
    assert settings.credentials is not None
    assert read("sim", urls).credentials is None  # found in the data directory later
    assert problems_of(read, "sim", {"KALSHI_API_URL": urls["KALSHI_API_URL"]}).keys() == {"KALSHI_WS_URL"}


def test_sim_with_its_own_exchange_takes_no_venues_key(read: Load) -> None:
    assert read("sim", KEYS).credentials is None


@pytest.mark.parametrize(
    ("host", "needs_token"),
    [("127.0.0.1", False), ("::1", False), ("localhost", False)]
    + [(host, True) for host in ("0.0.0.0", "::", "192.168.1.5", "trader.example")],
)
def test_only_loopback_needs_no_token(read: Load, host: str, needs_token: bool) -> None:
    if needs_token:
        assert problems_of(read, "sim", {"V3_HOST": host}).keys() == {"V3_CONTROL_TOKEN"}
    assert read("sim", {"V3_HOST": host, "V3_CONTROL_TOKEN": "0123456789abcdef"}).host == host


def test_a_misspelt_variable_is_named_with_its_neighbour(read: Load) -> None:
    warnings = read("sim", env_sim="V3_MARKET=auto\nOTHER=1\n").warnings

    assert [(w.variable, w.how) for w in warnings] == [("V3_MARKET", "Did you mean V3_MARKETS?")]


def test_an_env_file_that_is_not_text_is_a_problem(read: Load, tmp_path: Path) -> None:
    (tmp_path / ".env.sim").write_bytes(b"\xff\xfe\x00")
    (tmp_path / ".env").mkdir()

    assert problems_of(read, "sim").keys() == {".env", ".env.sim"}


@pytest.mark.parametrize(
    ("text", "selection"),
    [
        ("auto", AutoMarkets(15)),
        ("AUTO:3", AutoMarkets(3)),
        ("KXA-1, KXB-2,KXA-1,", NamedMarkets(("KXA-1", "KXB-2"))),
        ("KXHIGHNY-26NOV22-B60.5", NamedMarkets(("KXHIGHNY-26NOV22-B60.5",))),
    ],
)
def test_markets_are_a_list_or_auto(read: Load, text: str, selection: AutoMarkets | NamedMarkets) -> None:
    assert read("sim", overrides={"V3_MARKETS": text}).markets == selection


@pytest.mark.parametrize(
    "text", [",", "auto:", "auto:x", "auto:10001", "auto:٣", "auto,KXA", "KX A", "-KXA", "KX/../A"]
)
def test_markets_that_cannot_be_read_are_a_problem(read: Load, text: str) -> None:
    assert problems_of(read, "sim", overrides={"V3_MARKETS": text}).keys() == {"V3_MARKETS"}


@given(values=st.dictionaries(st.sampled_from(VARIABLES), st.text(max_size=40).filter(lambda text: "\0" not in text)))
@example(values={"ENVIRONMENT": "", "KALSHI_PRIVATE_KEY_PATH": "~0"})
@example(values={"ENVIRONMENT": "sim", "V3_DATA_DIR": "~nobody-of-that-name"})
def test_no_values_whatever_raise_anything_else(values: dict[str, str]) -> None:
    with contextlib.suppress(ConfigurationProblems):
        load(environment=None, overrides={}, process=values, directory=Path("/nonexistent"), check_key=accept_any)


def test_the_data_directory_is_found_without_a_key(tmp_path: Path) -> None:
    (tmp_path / ".env.paper").write_text("V3_DATA_DIR=state\n")

    assert find_data_dir("paper", {}, tmp_path) == tmp_path / "state"
    assert find_data_dir("sim", {"V3_DATA_DIR": "/var/trader"}, tmp_path) == Path("/var/trader")


def test_the_example_file_documents_every_variable() -> None:
    text = (Path(__file__).parents[2] / ".env.example").read_text()

    assert [name for name in VARIABLES if f"\n#{name}=" not in text] == []
