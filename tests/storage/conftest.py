"""What the tests of this room share: a quiet log, a PostgreSQL server, and a database of each kind."""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.storage.postgres_server import NoPostgres, PostgresServer


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """The lines logged during a test, which are printed nowhere."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture(scope="session")
def postgres_made() -> Iterator[PostgresServer]:
    """One server for the session; `postgres` is the way to it."""
    try:
        server = PostgresServer()
    except NoPostgres as cause:
        pytest.skip(str(cause))
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres(postgres_made: PostgresServer) -> PostgresServer:
    """The server, running, whatever the test before did to it."""
    postgres_made.start()
    return postgres_made


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.process)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'trader.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()
