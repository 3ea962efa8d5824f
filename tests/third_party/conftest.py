"""Each test runs once with each foreign client; without its environment it is skipped, and says why."""

from pathlib import Path

import pytest

from tests.third_party.environments import CLIENTS, CannotMake, ThirdParty, interpreter_of


@pytest.fixture(scope="session", params=CLIENTS, ids=[client.package for client in CLIENTS])
def client(request: pytest.FixtureRequest) -> ThirdParty:
    """The foreign client under test."""
    found: ThirdParty = request.param
    return found


@pytest.fixture(scope="session")
def interpreter(client: ThirdParty) -> Path:
    """The Python of its environment, made at need."""
    try:
        return interpreter_of(client)
    except CannotMake as cause:
        pytest.skip(f"{client.package}: {cause}")
