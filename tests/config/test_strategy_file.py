"""The strategy file: exact numbers, defaults for what it leaves out, and every problem at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.config.problems import ConfigurationProblems, Findings
from traderv3.config.settings import Settings, load
from traderv3.config.strategy_file import NOTHING_TO_SET, read_strategy_file
from traderv3.domain.risk_limits import DEFAULT_LIMITS, RiskLimits
from traderv3.domain.units import Money, Price, Qty


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """A strategy's, of every unit."""

    size: Qty
    edge: Price
    budget: Money
    ttl_s: int

    def __post_init__(self) -> None:
        if self.edge > 5_000:
            msg = "edge must not be above half a dollar"
            raise ValueError(msg)


DEFAULTS = Parameters(size=Qty(100), edge=Price(100), budget=Money(0), ttl_s=60)
STRATEGIES: Mapping[str, object] = {"hold": NOTHING_TO_SET, "maker": DEFAULTS}
Read = Callable[[str], tuple[object, RiskLimits]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(text: str) -> tuple[object, RiskLimits]:
        path, findings = tmp_path / "strategy.toml", Findings()
        path.write_text(text)
        found = read_strategy_file(path, "maker", STRATEGIES, findings)
        findings.raise_if_any()
        return found

    return run


def problems(read: Read, text: str) -> dict[str, str]:
    with pytest.raises(ConfigurationProblems) as caught:
        read(text)
    return {problem.variable: f"{problem.what}. {problem.how}" for problem in caught.value.problems}


def test_without_a_file_everything_has_its_default() -> None:
    findings = Findings()

    assert read_strategy_file(None, "maker", STRATEGIES, findings) == (DEFAULTS, DEFAULT_LIMITS)
    assert findings.problems == []


def test_numbers_are_read_as_they_are_written(read: Read) -> None:
    text = """
        [maker]
        size = 2.5
        edge = 0.0001
        budget = "12.000001"
        ttl_s = 7
        [risk.market]
        notional = 0.1
        open_orders = 3
        [risk.gate]
        collar = 0.05
    """
    parameters, limits = read(text)

    assert parameters == Parameters(size=Qty(250), edge=Price(1), budget=Money(12_000_001), ttl_s=7)
    assert limits.market == replace(DEFAULT_LIMITS.market, notional=Money(100_000), open_orders=3)
    assert limits.gate.collar == 500
    assert limits.event == DEFAULT_LIMITS.event


def test_every_problem_is_found_at_once_and_says_how_to_mend_it(read: Read) -> None:
    text = """
        [makr]
        [maker]
        size = 0.001
        edge = -0.01
        budget = true
        ttl_s = 1.5
        egde = 1
        [risk]
        markets = 1
        day = 3
        [risk.order]
        size = [1]
    """
    found = problems(read, text)

    assert found["strategy.toml [makr]"] == "is no strategy. Did you mean maker?"
    assert found["strategy.toml [maker] size"].startswith("'0.001' is not a count with at most 2 decimals")
    assert found["strategy.toml [maker] edge"].startswith("is below 0")
    assert found["strategy.toml [maker] budget"].startswith("is not a number")
    assert found["strategy.toml [maker] ttl_s"].startswith("'1.5' is not a whole number")
    assert found["strategy.toml [maker] egde"] == "is not known. Did you mean edge?"
    assert found["strategy.toml [risk] markets"] == "is not known. Did you mean market?"
    assert found["strategy.toml [risk.day]"].startswith("is not a table")
    assert found["strategy.toml [risk.order] size"].startswith("is not a number")
    assert len(found) == 9


def test_fields_that_contradict_each_other_are_a_problem(read: Read) -> None:
    assert problems(read, "[maker]\nedge = 0.6\n") == {
        "strategy.toml [maker]": "edge must not be above half a dollar. Change one of them"
    }


@pytest.mark.parametrize("text", ["[maker", "a = ", "\x00", "[[maker]]\nsize = 1"])
def test_what_is_not_toml_or_no_table_is_a_problem(read: Read, text: str) -> None:
    assert problems(read, text)


@given(st.text(max_size=80))
def test_whatever_is_in_the_file_nothing_but_problems_is_raised(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "stat", lambda _: type("Stat", (), {"st_size": 1})())
        patch.setattr(Path, "read_text", lambda *_, **__: text)
        read_strategy_file(Path("strategy.toml"), "maker", STRATEGIES, Findings())


def load_sim(tmp_path: Path, strategy: str | None = None, **variables: str) -> Settings:
    return load(
        environment="sim",
        overrides=variables,
        process={},
        directory=tmp_path,
        check_key=lambda _: None,
        strategy=strategy,
        strategies=STRATEGIES,
    )


def test_the_settings_have_the_chosen_strategys_parameters_and_the_limits(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[maker]\nttl_s = 5\n[risk.order]\nsize = 1\n")
    settings = load_sim(tmp_path, "maker", V3_STRATEGY_FILE="mine.toml")

    assert (settings.strategy, settings.strategy_parameters) == ("maker", replace(DEFAULTS, ttl_s=5))
    assert settings.risk.order.size == 100
    assert load_sim(tmp_path).strategy == "hold"
    assert load_sim(tmp_path).strategy_parameters == NOTHING_TO_SET


def test_a_strategy_or_a_file_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationProblems) as caught:
        load_sim(tmp_path, "makr", V3_STRATEGY_FILE="none.toml")
    said = {problem.variable: str(problem) for problem in caught.value.problems}

    assert "'makr' is no strategy" in said["--strategy"]
    assert "Known: hold, maker" in said["--strategy"]
    assert "No such file" in said["V3_STRATEGY_FILE"]
