"""Recordings played as an exchange would have sent them, compared with a ten-line reference that reads the same file."""

import io
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.listener import Listener, cents, held
from traderv3.exchange.floor import Floor
from traderv3.exchange.market import recorded
from traderv3.exchange.playback import Kind, Playback
from traderv3.protocol.recording import RecordingReader, event_line, frame_line, header_line

Books = dict[str, dict[str, dict[str, int]]]


def reference(lines: Iterable[bytes]) -> Books:
    """What the books hold after these lines of a recording."""
    books: Books = {ticker: {"yes": {}, "no": {}} for ticker in json.loads(next(iter(lines)))["markets"]}
    for line in lines:
        frame = msgspec.json.decode(line).get("frame", {})
        msg = frame.get("msg", {})
        if frame.get("type") == "orderbook_snapshot":
            for side in ("yes", "no"):
                books[msg["market_ticker"]][side] = {p: cents(s) for p, s in msg.get(f"{side}_dollars_fp", [])}
        elif frame.get("type") == "orderbook_delta":
            levels = books[msg["market_ticker"]][msg["side"]]
            levels[msg["price_dollars"]] = levels.get(msg["price_dollars"], 0) + cents(msg["delta_fp"])
            levels = {price: size for price, size in levels.items() if size}
            books[msg["market_ticker"]][msg["side"]] = levels
    return books


class Played:
    """A playback with one listener that subscribed to everything before the first frame."""

    def __init__(self, data: bytes = b"", path: Path | None = None) -> None:
        self.reports: list[tuple[str, dict[str, Any]]] = []
        with io.BytesIO(data) if path is None else path.open("rb") as file:
            reader = RecordingReader(file, "x.jsonl" if path is None else path.name)
            self.floor = Floor(recorded(reader.header.markets), now_ms=lambda: 0)
            self.client = Listener(self.floor)
            if self.floor.listings:
                self.client.subscribe(*self.floor.listings, channels=("orderbook_delta", "trade", "ticker"))
            self.playback = Playback(
                reader, self.floor, report=lambda event, facts: self.reports.append((event, facts))
            )
            while not self.playback.is_finished:
                self.playback.step(until_us=None, entries_max=400)
                self.client.hear()
        self.counts = self.playback.counts


def lines_of(path: Path, count: int | None = None) -> list[bytes]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as unpacked:
        return list(itertools.islice(io.BufferedReader(unpacked), count))


@pytest.mark.parametrize("name", ["mixed-20260701-session", "btcrange-20260418-frames", "btc15m-20260514T0438"])
def test_a_real_session_ends_with_the_books_of_the_reference(recordings: Path, name: str) -> None:
    path = recordings / f"{name}.jsonl.zst"
    lines = lines_of(path)
    count = min(len(lines), 20_000)
    played = Played(b"".join(lines[:count]))

    assert played.client.books == reference(iter(lines[:count]))
    assert played.counts[Kind.FRAMES] == sum(b'"dir":"in"' in line for line in lines[:count])
    assert played.counts[Kind.UNDECODABLE] == played.counts[Kind.REFUSED_CHANGES] == 0


def test_missing_numbers_of_a_real_session_are_reported(recordings: Path) -> None:
    lines = lines_of(recordings / "nba-20260307-6mkt.jsonl.zst", 5_000)
    played = Played(b"".join(lines))

    assert played.client.books == reference(iter(lines))
    assert [(r["sid"], r["expected"]) for event, r in played.reports if event == "recording_missing_seqs"] == [
        (1, 40),
        (2, 14),
        (1, 282),
        (2, 66),
    ]


@pytest.mark.soak
def test_every_real_session_whole(recordings: Path) -> None:
    for path in sorted(recordings.glob("*.jsonl.zst")):
        played = Played(path=path)
        assert played.client.books == reference(iter(lines_of(path)))


# -- made-up sessions ----------------------------------------------------------------------------------------------

START = header_line(environment="demo", markets=["KXA-1", "KXA-2"], started_us=1_000_000)


def frame(at_us: int, kind: str, sid: int | None, seq: int | None, conn: int = 1, **msg: Any) -> bytes:
    body = {"type": kind, "sid": sid, "seq": seq, "msg": msg}
    body = {name: value for name, value in body.items() if value is not None}
    return frame_line(json.dumps(body).encode(), at_us=at_us, conn=conn, is_inbound=True)


def snapshot(seq: int, *yes: tuple[str, str], at_us: int = 1_000_000, conn: int = 1) -> bytes:
    return frame(at_us, "orderbook_snapshot", 3, seq, conn, market_ticker="KXA-1", yes_dollars_fp=yes)


def delta(
    seq: int, size: str, *, at_us: int = 1_000_000, ts_ms: int = 1_000, conn: int = 1, price: str = "0.4000"
) -> bytes:
    ts = "1970-01-01T00:00:01.5Z"
    msg: dict[str, Any] = {"price_dollars": price, "delta_fp": size, "side": "yes", "ts": ts, "ts_ms": ts_ms}
    return frame(at_us, "orderbook_delta", 3, seq, conn, market_ticker="KXA-1", **msg)


def test_each_client_gets_its_own_numbers_and_the_recorded_times() -> None:
    played = Played(START + snapshot(51, ("0.4000", "10.00")) + delta(52, "-1.00") + delta(53, "2.00", ts_ms=2_000))
    deltas = [f for f in played.client.heard if f["type"] == "orderbook_delta"]

    assert [(f["sid"], f["seq"]) for f in deltas] == [(1, 4), (1, 5)]
    assert [(f["msg"]["ts"], f["msg"]["ts_ms"]) for f in deltas] == [
        ("1970-01-01T00:00:01.5Z", 1_000),
        ("1970-01-01T00:00:01.5Z", 2_000),
    ]


def test_changes_of_one_time_share_a_clock() -> None:
    played = Played(START + delta(1, "1.00") + delta(2, "1.00") + delta(3, "1.00", ts_ms=2_000))
    clocks = [f["msg"]["clock"] for f in played.client.heard if f["type"] == "orderbook_delta"]

    assert clocks[0] == clocks[1] < clocks[2]


def test_markets_are_empty_until_they_have_a_book_and_late_comers_get_the_held_one() -> None:
    played = Played(START + snapshot(1, ("0.4000", "10.00")) + delta(2, "1.00"))
    late = Listener(played.floor)
    late.subscribe("KXA-1", "KXA-2")
    first = next(frame for frame in played.client.heard if frame["type"] == "orderbook_snapshot")

    assert set(first["msg"]) == {"market_ticker", "market_id", "clock"}
    assert late.books == {"KXA-1": {"yes": {"0.4000": 1_100}, "no": {}}, "KXA-2": {"yes": {}, "no": {}}}


def test_a_snapshot_goes_out_only_where_it_differs() -> None:
    same, other = ("0.4000", "10.00"), ("0.3000", "1.00")
    played = Played(START + snapshot(1, same) + snapshot(2, same) + snapshot(3, other) + snapshot(4))
    sent = [f["msg"].get("yes_dollars_fp") for f in played.client.heard if f["type"] == "orderbook_snapshot"]

    assert sent == [None, None, [list(same)], [list(other)], None]  # the first two answer the subscription
    assert (played.counts[Kind.SNAPSHOTS], played.counts[Kind.SNAPSHOTS_SERVED]) == (4, 3)


def test_a_new_connection_in_the_recording_disconnects_nobody() -> None:
    reconnect = event_line("close", at_us=1_000_001, conn=1) + event_line("open", at_us=1_000_002, conn=2)
    played = Played(START + snapshot(1, ("0.4000", "1.00")) + reconnect + snapshot(1, ("0.4000", "2.00"), conn=2))

    assert played.client.books["KXA-1"]["yes"] == {"0.4000": 200}
    assert played.counts[Kind.CONNECTIONS] == 2
    assert played.counts[Kind.MISSING_SEQS] == played.counts[Kind.RESET_SEQS] == 0
    assert ("recording_conn_changed", {"source": 1, "target": 2}) in played.reports


def test_trades_and_tickers_go_out_on_their_channels() -> None:
    trade: dict[str, Any] = {
        "trade_id": "t",
        "yes_price_dollars": "0.4000",
        "count_fp": "2.50",
        "taker_side": "no",
        "ts": 7,
    }
    ticker: dict[str, Any] = {
        "market_ticker": "KXA-1",
        "price_dollars": "0.4000",
        "volume_fp": "9.00",
        "unheard_of": [1],
    }
    data = frame(1_000_000, "trade", 5, 1, market_ticker="KXA-1", **trade) + frame(
        1_000_000, "ticker", 6, None, **ticker
    )
    played = Played(START + data)
    sent = {f["type"]: f["msg"] for f in played.client.heard}

    assert sent["trade"]["taker_book_side"] == "ask"
    assert sent["trade"]["is_block_trade"] is False
    assert sent["trade"]["ts_ms"] == 7_000
    assert sent["ticker"] == ticker
    assert played.floor.listings["KXA-1"].volume == 900


def test_what_is_wrong_in_the_recording_is_counted_and_told_and_never_played() -> None:
    legacy: dict[str, Any] = {"market_ticker": "KXA-1", "yes": [[45, 120]]}
    data = [
        delta(1, "1.00"),
        delta(4, "1.00"),  # two numbers missing
        delta(2, "1.00"),  # numbers start anew
        delta(3, "-9.00"),  # would leave a negative level
        delta(4, "1.00", price="1.5000"),
        delta(5, "one"),
        frame(1_000_000, "orderbook_snapshot", 3, 6, **legacy),
        frame(1_000_000, "orderbook_delta", 3, 7, market_ticker="KXA-1", price=45, delta=5, side="yes"),
        frame(
            1_000_000, "orderbook_delta", 3, 8, market_ticker="KXB", price_dollars="0.1000", delta_fp="1.00", side="no"
        ),
        frame_line(b"[1]", at_us=1_000_000, conn=1, is_inbound=True),
        b"no json\n",
        frame(1_000_000, "fill", 9, None),
        frame_line(b'{"cmd":"subscribe"}', at_us=1_000_000, conn=1, is_inbound=False),
        b'{"at_us":1000000,"conn":1,"dir":"in","frame":{"ty',
    ]
    played = Played(START + b"".join(data))
    finished = played.playback.finished()

    assert played.client.books["KXA-1"]["yes"] == {"0.4000": 300}
    assert finished.pop("torn").startswith("line 15")
    assert finished == {
        "finished": True,
        "frames": 11,
        "deltas": 3,
        "snapshots": 0,
        "snapshots_served": 0,
        "trades": 0,
        "tickers": 0,
        "others": 1,
        "outbound": 1,
        "events": 0,
        "connections": 1,
        "missing_seqs": 2,
        "reset_seqs": 1,
        "undecodable": 6,
        "refused_changes": 1,
        "unknown_markets": 1,
    }
    lines = {event: facts["line"] for event, facts in played.reports if "line" in facts}
    assert lines["recording_missing_seqs"] == 3
    assert lines["recording_refused_changes"] == 5
    assert held(played.floor, "KXA-1") == played.client.books["KXA-1"]


def test_reports_of_one_kind_are_bounded() -> None:
    played = Played(START + b"".join(delta(seq, "1.00") for seq in range(2, 1_000, 2)))

    assert len(played.reports) == 100
    assert played.counts[Kind.MISSING_SEQS] == 499


def test_time_decides_how_far_a_step_goes_and_one_moment_is_never_split() -> None:
    data = START + delta(1, "1.00") + b"".join(delta(seq, "1.00", at_us=2_000_000) for seq in range(2, 8))
    reader = RecordingReader(io.BytesIO(data), "x.jsonl")
    playback = Playback(reader, Floor(recorded(reader.header.markets), now_ms=lambda: 0), report=lambda *_: None)

    assert playback.step(until_us=1_999_999, entries_max=100) == 1
    assert playback.step(until_us=2_000_000, entries_max=2) == 6
    assert playback.is_finished


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30).map(lambda junk: junk.replace(b"\n", b" ") + b"\n"),
            st.recursive(
                st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["0.4000", "KXA-1", "yes"]),
                lambda inner: (
                    st.lists(inner, max_size=2)
                    | st.dictionaries(
                        st.sampled_from(["market_ticker", "price_dollars", "delta_fp", "side", "yes_dollars_fp", "ts"]),
                        inner,
                    )
                ),
                max_leaves=5,
            ).flatmap(
                lambda msg: st.sampled_from(["orderbook_delta", "orderbook_snapshot", "trade", "ticker", "x"]).map(
                    lambda kind: frame_line(
                        json.dumps({"type": kind, "seq": 1, "msg": msg}).encode(), at_us=1, conn=1, is_inbound=True
                    )
                )
            ),
        ),
        max_size=8,
    )
)
def test_no_frame_whatever_ends_a_playback(lines: list[bytes]) -> None:
    assert Played(START + b"".join(lines)).playback.is_finished
