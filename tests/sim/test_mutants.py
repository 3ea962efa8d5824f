"""Deliberate faults: each still fits the code (always), and each is noticed by the simulation or a test (soak)."""

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MUTANTS: list[dict[str, Any]] = tomllib.loads((REPOSITORY / "mutants" / "mutants.toml").read_text())["mutant"]


def test_there_are_enough_and_no_two_are_of_one_name() -> None:
    assert len(MUTANTS) >= 25
    assert len({mutant["name"] for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["name"])
def test_a_mutant_fits_the_code(mutant: dict[str, Any]) -> None:
    text = (REPOSITORY / mutant["file"]).read_text(encoding="utf-8")

    assert text.count(mutant["old"]) == 1, f"its old text stands {text.count(mutant['old'])} times in {mutant['file']}"
    assert mutant["old"] != mutant["new"]
    assert all((REPOSITORY / test).exists() for test in mutant["tests"])


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants_script", REPOSITORY / "scripts" / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses ask for it
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "end",
    [
        "import os; os.kill(os.getpid(), 9)",
        "import os; os.kill(os.getpid(), 15)",
        "raise SystemExit(2)",
        "print('seed 3: the run itself raised BrokenProcessPool'); raise SystemExit(1)",
    ],
)
def test_a_look_that_is_ended_from_outside_judges_nothing(script: ModuleType, tmp_path: Path, end: str) -> None:
    with pytest.raises(script.Interrupted):
        script.run(tmp_path, "-c", end)


def test_a_look_that_fails_is_told_with_what_it_said(script: ModuleType, tmp_path: Path) -> None:
    look = script.run(tmp_path, "-c", "print('x'); print('seed 3: broken'); raise SystemExit(1)")

    assert (look.code, look.first_line("seed")) == (1, "seed 3: broken")


def test_a_look_that_takes_too_long_is_ended_and_said_as_such(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "LIMIT_S", 0.5)

    assert script.run(tmp_path, "-c", "import time; time.sleep(60)").code is None


@pytest.mark.soak
def test_every_mutant_is_killed() -> None:
    command = [sys.executable, "scripts/mutants.py"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=4 * 3600)

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
