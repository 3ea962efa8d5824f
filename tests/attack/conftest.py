"""One trader for a whole module of attackers."""

from collections.abc import Iterator

import pytest

from tests.serving import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A trader in `sim` that serves its console."""
    with serving(tmp_path_factory.mktemp("trader")) as trader:
        yield trader
