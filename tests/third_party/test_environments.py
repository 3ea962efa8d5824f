"""Only an index that does not answer excuses a missing environment."""

import re

import pytest

from tests.third_party.environments import CLIENTS, ThirdParty, is_unreachable

NO_ANSWER = """\
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by
'NewConnectionError('<HTTPConnection>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/anyio
"""
NOT_FOUND = """\
ERROR: Could not find a version that satisfies the requirement anyio==4.16.0 (from versions: none)
ERROR: No matching distribution found for anyio==4.16.0
"""
WRONG_HASH = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."


@pytest.mark.parametrize(
    ("said", "is_excused"),
    [
        (NO_ANSWER + NOT_FOUND, True),
        (NOT_FOUND, False),  # it answered: there is no wheel for this machine
        (WRONG_HASH, False),
        (NO_ANSWER + WRONG_HASH, False),
        ("", False),
    ],
)
def test_only_silence_of_the_index_is_an_excuse(said: str, is_excused: bool) -> None:
    assert is_unreachable(said) is is_excused


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.package)
def test_every_requirement_is_pinned_with_hashes_and_names_no_index(client: ThirdParty) -> None:
    text = client.requirements.read_text()
    requirements = [
        line for line in text.replace("\\\n", " ").splitlines() if line and not line.lstrip().startswith("#")
    ]

    assert "://" not in text
    assert any(re.match(rf"{client.package}==\S+ ", line) for line in requirements)
    assert all(re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:", line) for line in requirements)
