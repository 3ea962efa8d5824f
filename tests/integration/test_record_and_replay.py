"""What was recorded live can be played again and comes to the same, and recordings of others end as the reference."""

import io
import random
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.integration.test_main_job import FRAMES_MAX, SESSIONS, cut, levels, read_lines, reference
from tests.protocol.model_venue import snapshot, subscribed
from tests.running import clean_environment, running_exchange, running_trader
from traderv3.clients.replay import Replay
from traderv3.core.event_bus import EventBus
from traderv3.core.supervision import Backoff
from traderv3.domain.feed import Feed
from traderv3.domain.states import State
from traderv3.protocol.recording import RecordingReader, event_line, frame_lines, header_line
from traderv3.protocol.session import SessionLimits
from traderv3.storage.journal_reader import open_journal
from traderv3.trading.pilot import Pilot

FAULTS = "drop=0.002,duplicate=0.002,reorder=0.001,garbage=0.001,abort=0.0003,overflow=0.0001,terminal=0.0002"
LIVE_S = 600.0 if FRAMES_MAX is None else 8.0


async def replayed(recording: Path, cwd: Path) -> dict[str, Any]:
    """The last line of `traderv3 replay RECORDING --json --speed max`."""
    command = [sys.executable, "-m", "traderv3", "replay", str(recording), "--json", "--speed", "max"]
    done = await trio.run_process(
        command, cwd=cwd, env=clean_environment(), capture_stdout=True, capture_stderr=True, check=False
    )
    assert done.returncode in (0, 4), done.stderr[-2000:].decode()
    answer: dict[str, Any] = msgspec.json.decode(done.stdout)
    return answer


@pytest.mark.process
async def test_a_live_run_under_faults_and_its_replays_have_one_state_hash(tmp_path: Path) -> None:
    out = tmp_path / "run.jsonl.zst"
    async with (
        running_exchange(tmp_path, "--fault", FAULTS, "--seed", "7", "--activity", "8") as exchange,
        running_trader(tmp_path, V3_CONNECTIONS="2", **exchange.variables) as trader,
    ):
        await trader.until("something to play", lambda s: s["metrics"]["gaps_detected"] > 2)
        await trio.sleep(LIVE_S)
        lived = await trader.get("/v3/status")
        assert await trader.child.end() == 0
    first = await replayed(tmp_path / "data" / "journal" / "sim", tmp_path)
    again = await replayed(tmp_path / "data" / "journal" / "sim", tmp_path)
    hashes = (first["recorded_hash"], first["state_hash"], again["state_hash"])
    print(f"{LIVE_S:.0f} s live, {first['frames']} frames, {first['gaps']} gaps; live, replayed, again: {hashes}")

    assert not out.exists()
    assert lived["metrics"]["resyncs"] > 0
    assert (first["matches"], first["diverged"], first["damages"]) == (True, 0, 0)
    assert len(set(hashes)) == 1
    assert first["gaps"] >= lived["metrics"]["gaps_detected"]


@pytest.mark.parametrize(("away", "diverged"), [("two", 0), ("", 1)])
async def test_a_connection_that_was_not_waited_for_is_not_waited_for_in_the_replay(
    away: str, diverged: int, autojump_clock: MockClock
) -> None:
    """Tries in vain are not on the tape; that the machine went on without them is."""
    tape = [
        event_line("transition", at_us=1, conn=0, details={"target": State.INITIALIZING}),
        event_line("transition", at_us=2, conn=0, details={"target": State.CONNECTIVITY}),
        event_line("open", at_us=3, conn=1, details={"name": "one", "carries": "books", "markets": "A"}),
        event_line("open", at_us=4, conn=2, details={"name": "two", "carries": "books", "markets": "B"}),
        frame_lines([subscribed(1), snapshot("A", 1, {("yes", 4000): 100})], at_us=5, conn=1, is_inbound=True),
        event_line("close", at_us=6, conn=2, details={"reason": "reset"}),
        event_line("transition", at_us=7, conn=0, details={"target": State.READY, "away": away}),
    ]
    header = header_line(environment="sim", markets=["A", "B"], started_us=1, is_exact=True)
    feed, bus = Feed(), EventBus()
    pilot = Pilot(feed, bus, is_served=lambda: True, wall_us=lambda: 0, rng=random.Random(1), backoff=Backoff(1.0, 2.0))

    async def nothing(_: int) -> None:
        await trio.lowlevel.checkpoint()

    async def follow(target: State, context: str) -> None:
        await pilot.machine.to(target, context)

    replay = Replay(
        feed, bus, limits=SessionLimits(), look=pilot.look, follow=follow, state=lambda: pilot.machine.state
    )
    await replay.play(RecordingReader(io.BytesIO(header + b"".join(tape)), "a.jsonl"), nothing)

    assert pilot.machine.state is State.READY
    assert replay.played.diverged == diverged


@pytest.mark.process
async def test_a_trader_that_starts_again_remembers_what_it_showed(tmp_path: Path) -> None:
    async with running_trader(tmp_path) as trader:
        await trader.until_ready()
        first = await trader.get("/v3/status")
        assert await trader.child.end() == 0
    async with running_trader(tmp_path) as trader:
        second = await trader.until_ready()

    path = [transition["to_state"] for transition in second["transitions"]]
    assert path[: len(first["transitions"])] == [transition["to_state"] for transition in first["transitions"]]
    assert "shutdown" in path
    assert [t["metrics"] is None for t in second["transitions"]].count(False) == 3
    assert {event["connection"] for event in second["connection_events"]} >= {"orderbook_connector"}
    assert len(second["connection_events"]) > len(first["connection_events"])


async def test_a_recording_grows_in_one_file_and_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "traderv3", "record", "sim", "--port", "0", "--out", "day.jsonl.zst", "--for", "3"]
    done = await trio.run_process(command, cwd=tmp_path, env=clean_environment(), capture_stderr=True, check=False)
    answer = await replayed(tmp_path / "day.jsonl.zst", tmp_path)

    assert done.returncode == 0
    assert b"recorded to day.jsonl.zst" in done.stderr
    assert answer["matches"] is True
    assert answer["frames"] > 15
    assert not (tmp_path / "day.jsonl.zst.parts").exists()


@pytest.mark.parametrize("session", SESSIONS)
async def test_the_replay_of_every_recorded_session_ends_with_the_reference_books(
    session: str, recordings: Path, tmp_path: Path
) -> None:
    recording = cut(recordings / f"{session}.jsonl.zst", tmp_path / "recording.jsonl", FRAMES_MAX)
    lines = read_lines(recording) if recording.suffix == ".zst" else iter(recording.read_bytes().splitlines())
    expected, _ = reference(lines)
    feed = Feed()

    async def nothing(*_: object) -> None:
        await trio.lowlevel.checkpoint()

    replay = Replay(feed, EventBus(), limits=SessionLimits(), look=nothing, follow=nothing, state=lambda: State.READY)
    await replay.play(open_journal(recording), nothing)
    held = {ticker: book for ticker, book in feed.books.items() if book.yes or book.no}

    assert {ticker: shown(book.levels(True), book.levels(False)) for ticker, book in held.items()} == {
        ticker: shown(*(sorted((round(float(p) * 10_000), q) for p, q in levels(side).items()) for side in sides))
        for ticker, sides in expected.items()
        if any(levels(side) for side in sides)
    }
    assert feed.counters.negative_levels == 0


def shown(yes: list[tuple[int, int]], no: list[tuple[int, int]]) -> tuple[dict[int, int], dict[int, int]]:
    return dict(yes), dict(no)


async def test_a_file_that_is_no_recording_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "no.jsonl").write_text("hello\n")
    command = [sys.executable, "-m", "traderv3", "replay", "no.jsonl", "--json"]
    done = await trio.run_process(command, cwd=tmp_path, env=clean_environment(), capture_stderr=True, check=False)

    assert done.returncode == 2
    assert b"this is not a recording" in done.stderr
