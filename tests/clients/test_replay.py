"""Recordings of others: what is about books is played, what a live trader hears on another connection is not."""

import io

import trio

from traderv3.clients.replay import Replay
from traderv3.core.event_bus import EventBus
from traderv3.domain.book import BookState
from traderv3.domain.feed import Feed
from traderv3.domain.states import State
from traderv3.protocol.recording import RecordingReader, frame_lines, header_line
from traderv3.protocol.session import SessionLimits

TRADE = b'{"type":"trade","sid":2,"seq":1,"msg":{"trade_id":"t","market_ticker":"A"}}'
TICKER = b'{"type":"ticker","sid":3,"msg":{"market_ticker":"A"}}'
NEWS = b'{"type":"from_the_future","sid":1,"seq":2,"msg":{}}'


def snapshot(seq: int) -> bytes:
    levels = b'"yes_dollars_fp":[["0.4000","1.00"]]'
    return b'{"type":"orderbook_snapshot","sid":1,"seq":%d,"msg":{"market_ticker":"A",%b}}' % (seq, levels)


def delta(seq: int) -> bytes:
    change = b'"price_dollars":"0.4000","delta_fp":"2.00","side":"yes","ts_ms":1'
    return b'{"type":"orderbook_delta","sid":1,"seq":%d,"msg":{"market_ticker":"A",%b}}' % (seq, change)


async def played(*moments: list[bytes]) -> tuple[Replay, Feed]:
    """A recording of somebody else, a second a moment."""
    header = header_line(environment="production", markets=["A"], started_us=1)
    lines = [
        frame_lines(frames, at_us=second * 10**6, conn=1, is_inbound=True) for second, frames in enumerate(moments, 1)
    ]
    feed = Feed()

    async def nothing(*_: object) -> None:
        await trio.lowlevel.checkpoint()

    replay = Replay(feed, EventBus(), limits=SessionLimits(), look=nothing, follow=nothing, state=lambda: State.READY)
    await replay.play(RecordingReader(io.BytesIO(header + b"".join(lines)), "theirs.jsonl"), nothing)
    return replay, feed


async def test_frames_of_other_channels_are_not_news_to_the_books() -> None:
    replay, feed = await played([snapshot(1), TRADE], [TICKER], [NEWS], [delta(3), TRADE])
    book = feed.books["A"]

    assert replay.played.frames == 6
    assert (feed.counters.messages, feed.counters.unknown_types, feed.counters.gaps) == (3, 1, 0)
    assert (book.state, book.yes) == (BookState.LIVE, {4_000: 300})


async def test_a_gap_whose_repair_was_not_recorded_is_closed_with_what_the_shadow_says() -> None:
    replay, feed = await played([snapshot(1)], [delta(2)], [delta(4), TRADE], [delta(5)])
    book = feed.books["A"]

    assert (feed.counters.gaps, replay.played.assumed) == (1, 1)
    assert (book.state, book.yes) == (BookState.LIVE, {4_000: 700})
