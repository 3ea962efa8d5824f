"""What all tests share: Hypothesis profiles, the recordings of real sessions, and which tests run when."""

import functools
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

REPOSITORY = Path(__file__).resolve().parent.parent
RECORDINGS = REPOSITORY.parent / "shared" / "recordings"
PROCESSES, BROWSERS = "real processes", "browsers"  # what lives on the wall clock
MARKS = {BROWSERS: re.compile(r"\bmark\.browser\b"), PROCESSES: re.compile(r"\bmark\.process\b")}

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("soak", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Full counts run only when asked for (`scripts/soak.sh`); on several workers the wall clock's tests start first."""
    if os.environ.get("V3_SOAK") != "1":
        skip = pytest.mark.skip(reason="full counts run in scripts/soak.sh (V3_SOAK=1)")
        for item in items:
            if "soak" in item.keywords:
                item.add_marker(skip)
    if "PYTEST_XDIST_WORKER" in os.environ:
        for item in items:
            is_real = "process" in item.keywords or "browser" in item.keywords
            assert not is_real or group_of(item.nodeid) in MARKS, item.nodeid
        items.sort(key=lambda item: group_of(item.nodeid) not in MARKS)


def group_of(nodeid: str) -> str:
    """Which tests share a worker: those with real processes and those with a browser, each one after another; the others
    file by file.

    One trader with its exchange, one browser, one PostgreSQL server at a time is what the first two take for granted.
    """
    file = nodeid.partition("::")[0]
    return PROCESSES if "[postgres" in nodeid else wall_clock_group(file) or file


@functools.cache
def wall_clock_group(file: str) -> str | None:
    """By the marks in the file: workers tell no more of a test than its name."""
    text = (REPOSITORY / file).read_text()
    return next((group for group, mark in MARKS.items() if mark.search(text)), None)


class GroupScheduling(LoadScopeScheduling):
    """Two workers, divided by `group_of`. (pytest-xdist's own groups are not heard by pytest 9.)"""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    """How `-n 2` divides the tests."""
    return GroupScheduling(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What campaigns counted (`record_property("campaign", ...)`), on the controller, before the closing line."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    for report in reports:
        for name, said in getattr(report, "user_properties", []):
            if name == "campaign":
                terminalreporter.write_line(f"campaign: {said}")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real sessions, which is not part of this repository."""
    if not RECORDINGS.is_dir():
        pytest.skip("the recordings of real sessions (../shared/recordings) are not on this machine")
    return RECORDINGS
