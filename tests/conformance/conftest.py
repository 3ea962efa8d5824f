"""The venue's documents, loaded once; their folder is not part of this repository."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.schemas import VenueSchemas

SPEC = Path(__file__).resolve().parents[2].parent / "shared" / "kalshi-spec"


@pytest.fixture(scope="session")
def spec() -> Path:
    """The folder with the venue's AsyncAPI and OpenAPI documents and examples."""
    if not SPEC.is_dir():
        pytest.skip("the venue's own documents (../shared/kalshi-spec) are not on this machine")
    return SPEC


@pytest.fixture(scope="session")
def schemas(spec: Path) -> VenueSchemas:
    """The judge of messages, commands and REST answers."""
    return VenueSchemas(spec)


@pytest.fixture(scope="session")
def validate_message(schemas: VenueSchemas) -> Callable[[bytes], str]:
    """Judges one frame of the venue's: the name of the schema that it fits, or `Unfit`."""
    return schemas.check_message
