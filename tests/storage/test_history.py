"""What is read back after a restart: the newest of this trader's own, and nothing at all rather than an error."""

from pathlib import Path

import msgspec
import pytest

from tests.storage.making import AT_US, stored, transition
from tests.storage.postgres_server import free_port
from traderv3.domain.feed import GapEntry
from traderv3.storage.database import open_database
from traderv3.storage.history import History, read_history
from traderv3.storage.rows import ConnectionRow, RunStartedRow, Stored, gap_row


def run_of(run_id: str, environment: str = "sim", trader: str = "here", first: int = 0) -> list[Stored]:
    """A run with five transitions, a gap that was repaired, one that was not, and a connection."""
    open_gap = GapEntry("one", 100 + first, "gap: expected 5, got 8", 3, 15)
    lasting = GapEntry("two", 101 + first, "reset", 0, 15)
    mended = msgspec.structs.replace(gap_row(open_gap), how="snapshot", stale_ms=12)
    return stored(
        RunStartedRow(at_us=first, environment=environment, trader=trader, version="1"),
        *(transition(first + number) for number in range(5)),
        gap_row(open_gap),
        gap_row(lasting),
        mended,
        ConnectionRow(at_us=first, connection="one", kind="up"),
        run_id=run_id,
    )


def write(url: str, *runs: list[Stored]) -> None:
    database = open_database(url, wall_us=lambda: AT_US)
    for run in runs:
        database.write(run)
    database.close()


def test_the_newest_rows_come_back_oldest_first_over_several_runs(url: str) -> None:
    write(url, run_of("a", first=1_000), run_of("b", first=2_000))

    history = read_history(url, environment="sim", trader="here", most=7)

    assert [row.at_us for row in history.transitions] == [1_003, 1_004, 2_000, 2_001, 2_002, 2_003, 2_004]
    assert [row.at_us for row in history.connections] == [1_000, 2_000]
    assert history.trouble is None


def test_a_gap_comes_back_once_as_it_ended(url: str) -> None:
    write(url, run_of("a"))

    assert read_history(url, environment="sim", trader="here").gaps == (
        GapEntry("one", 100, "gap: expected 5, got 8", 3, 15, "snapshot", 12),
        GapEntry("two", 101, "reset", 0, 15),
    )


def test_runs_of_other_traders_environments_and_the_one_that_asks_are_not_shown(url: str) -> None:
    write(url, run_of("a", environment="paper"), run_of("b", trader="elsewhere"), run_of("own"))

    assert read_history(url, environment="sim", trader="here", except_run="own") == History()


def test_a_database_that_nobody_wrote_to_is_an_empty_history(url: str) -> None:
    assert read_history(url, environment="sim", trader="here") == History()


def test_a_database_that_is_away_or_damaged_is_an_empty_history_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"once upon a time " * 100)
    away = read_history(f"postgresql://x@127.0.0.1:{free_port()}/x", environment="sim", trader="here")
    damaged = read_history(f"sqlite:///{tmp_path / 'bad.db'}", environment="sim", trader="here")

    assert away.transitions == damaged.transitions == ()
    assert "refused" in str(away.trouble)
    assert "not a database" in str(damaged.trouble)


@pytest.mark.parametrize("url_text", ["", "sqlite:///"])
def test_a_url_of_no_use_says_so(url_text: str) -> None:
    assert "neither" in str(read_history(url_text, environment="sim", trader="here").trouble)
