"""One seed gives one trace, byte for byte: in one process, and in two with different hashing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import clean_environment
from traderv3.simulation.plan import draw_plan
from traderv3.simulation.world import simulate

EVENTFUL = 133  # gaps, lost connections, actors that die


def trace_of(seed: int) -> list[str]:
    return simulate(draw_plan(seed)).trace.lines


def test_one_seed_gives_one_trace() -> None:
    assert trace_of(EVENTFUL) == trace_of(EVENTFUL)


def test_another_seed_gives_another_trace() -> None:
    assert trace_of(EVENTFUL) != trace_of(EVENTFUL + 1)


def test_a_plan_is_drawn_from_its_seed_alone() -> None:
    assert [draw_plan(seed) for seed in range(50)] == [draw_plan(seed) for seed in range(50)]


@pytest.mark.process
def test_two_processes_with_different_hashing_give_one_trace(tmp_path: Path) -> None:
    traces = []
    for hash_seed in ("1", "2"):
        trace = tmp_path / hash_seed
        command = [
            sys.executable,
            "-m",
            "traderv3",
            "simulate",
            "--seed",
            str(EVENTFUL),
            "--quiet",
            "--trace",
            str(trace),
        ]
        done = subprocess.run(
            command, env=clean_environment(PYTHONHASHSEED=hash_seed), capture_output=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        traces.append(trace.read_bytes())

    assert traces[0] == traces[1]
    assert len(traces[0]) > 10_000
