"""A disk that fills up under a real trader: said, survived, what was lost recorded, and over by itself once there is room."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import running_exchange, running_trader
from tests.storage import short_of_memory
from tests.storage.making import read
from tests.storage.small_disk import SmallDisk, small_disk
from traderv3.protocol.recording import LOST
from traderv3.storage.journal_reader import open_journal
from traderv3.storage.rows import ROW_TYPES

pytestmark = pytest.mark.process


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", size=8 << 20) as disk:
        yield disk


async def test_a_disk_that_is_full_degrades_the_trader_and_nothing_else(
    tmp_path: Path, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.running.COMMAND", (sys.executable, str(short_of_memory.__file__)))
    async with (
        running_exchange(tmp_path, "--activity", "8") as exchange,
        running_trader(
            tmp_path,
            V3_DATA_DIR=str(disk.folder),
            KALSHI_API_KEY_ID=exchange.announcement["key_id"],
            KALSHI_PRIVATE_KEY_PATH=exchange.announcement["private_key_path"],
            **exchange.variables,
        ) as trader,
    ):
        before = await trader.until("healthy", lambda s: s["state"] == "ready" and s["health"] == "healthy")
        disk.fill(trader.child.process.pid)
        full = await trader.until("journal and database say so", lambda s: kept_badly(s) == 2)
        beyond = full["metrics"]["deltas_received"] + 2 * short_of_memory.QUEUE_FRAMES_MAX
        during = await trader.until("more than waits", lambda s: s["metrics"]["deltas_received"] > beyond, 60.0)
        disk.free(trader.child.process.pid)
        after = await trader.until("healthy", lambda s: s["health"] == "healthy", 60.0)
        assert await trader.child.end() == 0
    said = trader.child.err.decode()
    entries = list(open_journal(disk.folder / "journal" / "sim"))
    lost = sum(entry.lost_frames for entry in entries if entry.event == LOST)
    kept = sum(entry.is_inbound for entry in entries)

    for status in (before, full, during, after):
        assert (status["state"], status["metrics"]["markets_connected"]) == ("ready", len(status["markets"]))
        assert (status["metrics"]["gaps_detected"], status["metrics"]["reconnects"]) == (0, 0)
        assert all(node["restarts"] == 0 for node in status["components"].values())
    assert full["health"] == during["health"] == "degraded"
    assert [kept_badly(status) for status in (before, full, during, after)] == [0, 2, 2, 0]
    assert {reason["component"] for reason in during["reasons"]} <= {"storage", "log"}
    assert "the journal cannot be written" in said
    assert "the journal is written again" in said
    assert "the database is back" in said
    assert lost >= int(re.findall(r"lost_frames=(\d+)", said)[-1]) > 0
    assert kept + lost >= after["metrics"]["deltas_received"]
    assert_no_row_is_lost(f"sqlite:///{disk.folder}/sim.db")


def kept_badly(status: dict[str, Any]) -> int:
    """How many troubles storage has: the journal is one, the database the other."""
    return sum(reason["component"] == "storage" for reason in status["reasons"])


def assert_no_row_is_lost(url: str) -> None:
    """Every number of the run is in one of the tables, once."""
    found = sorted(seq for kind in ROW_TYPES for (seq,) in read(url, f"SELECT seq FROM {kind.table}"))

    assert found == list(range(1, len(found) + 1))
    assert read(url, "SELECT reason FROM run_ended") == [("stopped in order",)]
