"""What the tests of this room share: a quiet log, and Trio's scheduler shuffled in several known ways."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.core.stage import scheduler_random

SEEDS = range(4)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """The lines logged during a test, which are printed nowhere."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture(params=SEEDS)
def scheduler_seed(request: pytest.FixtureRequest) -> Iterator[int]:
    """Run the test once for each of several orders in which Trio runs what is ready; one seed gives one order."""
    seed = int(request.param)
    before = scheduler_random.getstate()
    scheduler_random.seed(seed)
    yield seed
    scheduler_random.setstate(before)
