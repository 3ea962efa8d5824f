"""Real sessions through the session: at the end every book equals what ten lines compute from the same frames."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.protocol.model_venue import encode
from traderv3.domain.book import Book, BookState
from traderv3.domain.events import GapDetected
from traderv3.domain.feed import FeedCounters
from traderv3.domain.units import parse_price, parse_qty
from traderv3.protocol.recording import Entry, RecordingReader
from traderv3.protocol.session import BookSession

FRAMES_SAMPLED: Final = 20_000
BATCH: Final = 64

NAMES: Final = [
    "btc15m-20260511T0537.jsonl.zst",
    "btc15m-20260513T1541.jsonl.zst",
    "btc15m-20260514T0438.jsonl.zst",
    "btc15m-20260515T1130.jsonl.zst",
    "btcrange-20260418-frames.jsonl.zst",
    "mixed-20260701-session.jsonl.zst",
    "nba-20260307-6mkt.jsonl.zst",
    "ufc-20260307-2mkt.jsonl.zst",
]
NBA: Final = "nba-20260307-6mkt.jsonl.zst"
NBA_SWALLOWED: Final = frozenset({40, 282})  # the acks of `add_markets`, which its recorder did not write down

Reference = dict[str, dict[str, dict[int, int]]]


def apply(reference: Reference, message: dict[str, Any]) -> None:
    """The ten lines: a snapshot replaces, a delta adds, a level at zero goes."""
    msg = message.get("msg", {})
    if message["type"] == "orderbook_snapshot":
        reference[msg["market_ticker"]] = {
            side: {parse_price(p): parse_qty(c) for p, c in msg.get(f"{side}_dollars_fp", [])} for side in ("yes", "no")
        }
    elif message["type"] == "orderbook_delta":
        levels, at = reference[msg["market_ticker"]][msg["side"]], parse_price(msg["price_dollars"])
        levels[at] = levels.get(at, 0) + parse_qty(msg["delta_fp"])
        if not levels[at]:
            del levels[at]


class Player:
    """Plays a recording as the connector would: a new session for each connection, the same books throughout."""

    def __init__(self, tickers: Iterable[str], *, put_back: frozenset[int] = frozenset()) -> None:
        self.books = {ticker: Book(ticker) for ticker in tickers}
        self.counters = FeedCounters()
        self.reference: Reference = {}
        self.gaps: list[int] = []
        self._put_back = put_back
        self._conn: int | None = None
        self._connect()

    def _connect(self) -> None:
        self.session = BookSession("recording", self.books, self.counters)
        self.session.commands(at_us=0, now_s=0.0)
        self.reference = {}

    def play(self, entries: Iterator[Entry]) -> None:
        while chunk := list(itertools.islice(entries, BATCH)):
            for conn, members in itertools.groupby(chunk, key=lambda entry: entry.conn):
                if conn != self._conn:
                    self.session.lost("the recording changed its connection")
                    self._conn = conn
                    self._connect()
                self._hear([entry for entry in members if entry.is_inbound])

    def _hear(self, entries: list[Entry]) -> None:
        if not entries:
            return
        frames = [bytes(entry.frame) for entry in entries if isinstance(entry.frame, msgspec.Raw)]
        if self._put_back:
            frames = [each for frame in frames for each in self._with_ack(frame)]
        self.session.receive(frames, at_us=entries[-1].at_us, now_s=0.0)
        self.session.settle(at_us=entries[-1].at_us, now_s=0.0)
        self.gaps += [n.expected for n in self.session.take_notices() if isinstance(n, GapDetected)]
        for frame in frames:
            apply(self.reference, msgspec.json.decode(frame))

    def _with_ack(self, frame: bytes) -> list[bytes]:
        message = msgspec.json.decode(frame)
        before = message.get("seq", 0) - 1
        if message["type"].startswith("orderbook") and before in self._put_back:
            return [encode({"type": "ok", "sid": message["sid"], "seq": before}), frame]
        return [frame]


def play(path: Path, frames_max: int | None, *, put_back: frozenset[int] = frozenset()) -> Player:
    with path.open("rb") as file:
        reader = RecordingReader(file, path.name)
        player = Player(reader.header.markets, put_back=put_back)
        player.play(itertools.islice(reader, frames_max))
    return player


def check_equal(player: Player) -> None:
    live = {ticker for ticker, book in player.books.items() if book.state is BookState.LIVE}

    assert live == set(player.reference)
    assert live
    for ticker in live:
        book = player.books[ticker]
        book.check()

        assert {"yes": book.yes, "no": book.no} == player.reference[ticker], ticker


def found(recordings: Path, name: str) -> Path:
    path = recordings / name
    if not path.is_file():
        pytest.skip(f"the recording {name} is not on this machine")
    return path


@pytest.mark.parametrize("frames_max", [FRAMES_SAMPLED, pytest.param(None, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", NAMES)
def test_every_book_equals_the_reference(recordings: Path, name: str, frames_max: int | None) -> None:
    player = play(found(recordings, name), frames_max, put_back=NBA_SWALLOWED if name == NBA else frozenset())
    counters = player.counters

    check_equal(player)
    assert counters.messages > 70
    assert (counters.gaps, counters.duplicates, counters.protocol_errors) == (0, 0, 0)
    assert (counters.negative_levels, counters.crossed_books, counters.deltas_unused) == (0, 0, 0)


def test_swallowed_acks_are_the_only_gaps(recordings: Path) -> None:
    player = play(found(recordings, NBA), FRAMES_SAMPLED)

    assert player.gaps == sorted(NBA_SWALLOWED)
    assert player.counters.protocol_errors == player.counters.negative_levels == 0


def test_no_recording_is_left_out(recordings: Path) -> None:
    assert {path.name for path in recordings.glob("*.jsonl.zst")} <= set(NAMES)
