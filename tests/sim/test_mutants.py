"""Deliberate faults: each still fits the code (always), and each is noticed by the simulation or a test (soak)."""

import subprocess
import sys
import tomllib
from pathlib import Path
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


@pytest.mark.soak
def test_every_mutant_is_killed() -> None:
    command = [sys.executable, "scripts/mutants.py"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=4 * 3600)

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
