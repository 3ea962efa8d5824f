"""The main job on real input: every recorded session through the real exchange into the real trader."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.running import running_exchange, running_trader

pytestmark = pytest.mark.process

SESSIONS = [
    "btc15m-20260511T0537",
    "btc15m-20260513T1541",
    "btc15m-20260514T0438",
    "btc15m-20260515T1130",
    "btcrange-20260418-frames",
    "mixed-20260701-session",
    "nba-20260307-6mkt",
    "ufc-20260307-2mkt",
]
FRAMES_MAX = None if os.environ.get("V3_SOAK") == "1" else 100_000

Side = dict[str, int]


def read_lines(path: Path) -> Iterator[bytes]:
    import zstandard

    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        rest = b""
        while chunk := stream.read(1 << 20):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines


def reference(lines: Iterator[bytes]) -> tuple[dict[str, tuple[Side, Side]], int]:
    """The ten lines that everything else is measured by: the final books, and how many deltas there were."""
    books: dict[str, tuple[Side, Side]] = {t: ({}, {}) for t in msgspec.json.decode(next(lines))["markets"]}
    deltas = 0
    for line in lines:
        frame = msgspec.json.decode(line).get("frame", {})
        msg: dict[str, Any] = frame.get("msg", {})
        if frame.get("type") == "orderbook_snapshot":
            yes, no = (dict(msg.get(f"{side}_dollars_fp", [])) for side in ("yes", "no"))
            books[msg["market_ticker"]] = ({p: cents(q) for p, q in yes.items()}, {p: cents(q) for p, q in no.items()})
        elif frame.get("type") == "orderbook_delta":
            side = books[msg["market_ticker"]][msg["side"] == "no"]
            side[msg["price_dollars"]] = side.get(msg["price_dollars"], 0) + cents(msg["delta_fp"])
            deltas += 1
    return {t: (levels(yes), levels(no)) for t, (yes, no) in books.items()}, deltas


def cents(count: str) -> int:
    return int(count.replace(".", ""))


def levels(side: Side) -> Side:
    return {price: count for price, count in side.items() if count}


def cut(source: Path, target: Path, frames_max: int | None) -> Path:
    """The recording itself, or its beginning."""
    if frames_max is None:
        return source
    with target.open("wb") as out:
        for number, line in enumerate(read_lines(source)):
            if number > frames_max:
                break
            out.write(line + b"\n")
    return target


@pytest.mark.parametrize("session", SESSIONS)
async def test_every_book_of_a_recorded_session_ends_as_the_reference(
    session: str, recordings: Path, tmp_path: Path
) -> None:
    recording = cut(recordings / f"{session}.jsonl.zst", tmp_path / "recording.jsonl", FRAMES_MAX)
    lines = read_lines(recording) if recording.suffix == ".zst" else iter(recording.read_bytes().splitlines())
    expected, deltas = reference(lines)
    async with (
        running_exchange(tmp_path, "--recording", str(recording), "--speed", "max") as exchange,
        running_trader(tmp_path, "--markets", "auto:100", **exchange.variables) as trader,
    ):
        finished = await exchange.child.wait_for(rb'\{"finished": ?true.*\}\n', where="out")
        status = await trader.until("all received", lambda s: s["metrics"]["deltas_received"] >= deltas)
        ready = await trader.until_ready()
        books = {ticker: await trader.get(f"/v3/markets/{ticker}/book") for ticker in expected}

    assert {t: (shown(book["yes"]), shown(book["no"])) for t, book in books.items()} == expected
    assert {book["book_state"] for book in books.values()} == {"live"}
    assert status["metrics"]["deltas_received"] == deltas == msgspec.json.decode(finished[0])["deltas"]
    assert (status["metrics"]["gaps_detected"], status["metrics"]["protocol_errors"]) == (0, 0)
    assert ready["health"] == "healthy"


def shown(printed: list[list[str]]) -> Side:
    return {price: cents(count) for price, count in printed}


async def test_what_a_recording_misses_is_reported_by_the_exchange(recordings: Path, tmp_path: Path) -> None:
    recording = cut(recordings / "nba-20260307-6mkt.jsonl.zst", tmp_path / "recording.jsonl", 1_000)
    async with (
        running_exchange(tmp_path, "--recording", str(recording), "--speed", "max", "--start", "now") as exchange,
    ):
        finished = await exchange.child.wait_for(rb'\{"finished": ?true.*\}\n', where="out")

    assert msgspec.json.decode(finished[0])["missing_seqs"] == 4
    assert b"missing_seqs" in exchange.child.err
