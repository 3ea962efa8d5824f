"""What all tests share: Hypothesis profiles, the recordings of real sessions, and which tests run when."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent
RECORDINGS = REPOSITORY.parent / "shared" / "recordings"

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("soak", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Full counts run only when asked for: `scripts/soak.sh`."""
    if os.environ.get("V3_SOAK") == "1":
        return
    skip = pytest.mark.skip(reason="full counts run in scripts/soak.sh (V3_SOAK=1)")
    for item in items:
        if "soak" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real sessions, which is not part of this repository."""
    if not RECORDINGS.is_dir():
        pytest.skip("the recordings of real sessions (../shared/recordings) are not on this machine")
    return RECORDINGS
