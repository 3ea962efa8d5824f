"""A PostgreSQL server that goes away under a real trader and comes back: each row is there once, and the feed knew nothing."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from tests.running import RunningTrader, running_exchange, running_trader
from tests.storage.making import read
from tests.storage.postgres_server import NoPostgres, PostgresServer
from traderv3.storage.journal_reader import open_journal
from traderv3.storage.rows import ROW_TYPES

pytestmark = pytest.mark.process

OUTAGE_S = 60.0 if os.environ.get("V3_SOAK") == "1" else 3.0
LOAD_S = OUTAGE_S / 2  # before and after
LOOK_S = 0.2


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A running server of this test's own."""
    try:
        server = PostgresServer()
    except NoPostgres as cause:
        pytest.skip(str(cause))
    try:
        server.start()
        yield server
    finally:
        server.remove()


async def look_on(trader: RunningTrader, for_s: float) -> list[dict[str, Any]]:
    """The status again and again."""
    seen = []
    with trio.move_on_after(for_s):
        while True:
            seen.append(await trader.get("/v3/status"))
            await trio.sleep(LOOK_S)
    return seen


async def test_no_row_is_lost_or_there_twice_and_the_feed_knows_nothing_of_it(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.new_database()
    async with (
        running_exchange(tmp_path, "--activity", "8") as exchange,
        running_trader(tmp_path, V3_DATABASE_URL=url, **exchange.variables) as trader,
    ):
        await trader.until("healthy", lambda s: s["state"] == "ready" and s["health"] == "healthy")
        before = await look_on(trader, LOAD_S)
        await trio.to_thread.run_sync(postgres.stop, signal.SIGQUIT)  # as a crash
        await trader.until("said", lambda s: "the database is away" in str(s["reasons"]))
        during = await look_on(trader, OUTAGE_S)
        await trio.to_thread.run_sync(postgres.start)
        after = await trader.until("healthy", lambda s: s["health"] == "healthy", 60.0)
        await look_on(trader, LOAD_S)
        assert await trader.child.end() == 0
    ids, states = told_to_the_journal(tmp_path / "data" / "journal" / "sim")
    numbers = sorted(seq for kind in ROW_TYPES for (seq,) in read(url, f"SELECT seq FROM {kind.table}"))

    assert numbers == list(range(1, len(numbers) + 1))
    assert [trade for (trade,) in read(url, "SELECT trade_id FROM trades ORDER BY seq")] == ids
    assert read(url, "SELECT target FROM transitions ORDER BY seq") == [(state,) for state in states]
    assert read(url, "SELECT reason FROM run_ended") == [("stopped in order",)]
    assert {reason["component"] for status in during for reason in status["reasons"]} == {"storage"}
    for status in (*before, *during, after):
        metrics = status["metrics"]
        assert (status["state"], metrics["markets_connected"]) == ("ready", len(status["markets"]))
        assert (metrics["gaps_detected"], metrics["reconnects"]) == (0, 0)
        assert all(node["restarts"] == 0 for node in status["components"].values())
    assert rate(during) > 0.5 * rate(before)  # the exchange's own pace varies, on a busy machine the more


def told_to_the_journal(folder: Path) -> tuple[list[str], list[str | None]]:
    """The public trades that the venue told us, and the states that the trader went through."""
    ids, states = [], []
    for entry in open_journal(folder):
        if entry.event == "transition":
            states.append(entry.target)
        elif entry.is_inbound and (frame := msgspec.json.decode(entry.exact))["type"] == "trade":
            ids.append(frame["msg"]["trade_id"])
    return ids, states


def rate(seen: list[dict[str, Any]]) -> float:
    """Deltas a second over these looks."""
    first, last = seen[0], seen[-1]
    deltas: int = last["metrics"]["deltas_received"] - first["metrics"]["deltas_received"]
    return deltas / float(last["uptime"] - first["uptime"])
