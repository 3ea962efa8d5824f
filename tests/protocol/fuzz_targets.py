"""What bytes from outside reach first, one function a door: each takes any bytes and lets nothing but our own errors out.

Run by Hypothesis (`test_fuzz.py`) and by atheris (`fuzz_atheris.py`).
"""

import contextlib
import io
import itertools
from collections.abc import Callable, Mapping
from typing import Final

from tests.protocol.model_venue import snapshot, subscribed
from traderv3.domain.book import Book, BookState
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError
from traderv3.domain.feed import FeedCounters
from traderv3.domain.units import UnitError
from traderv3.protocol import channel_wire, rest, rest_account, rest_holdings, wire
from traderv3.protocol.channel_facts import to_fact
from traderv3.protocol.channel_session import ChannelSession
from traderv3.protocol.frames import FrameReader
from traderv3.protocol.recording import RecordingProblem, RecordingReader, header_line
from traderv3.protocol.session import BookSession

CHANNELS: Final = sorted({name for names in channel_wire.CHANNELS.values() for name in names})
READERS: Final = [
    read
    for module in (rest, rest_account, rest_holdings)
    for name, read in vars(module).items()
    if name.startswith("read_") and callable(read)
]
HEADER: Final = header_line(environment="sim", markets=["A"], started_us=1)
EXACT: Final = header_line(environment="sim", markets=["A"], started_us=1, is_exact=True)


def read_frames(data: bytes) -> None:
    """The bytes in two pieces, as a socket may cut them."""
    reader = FrameReader(message_max=1 << 16)
    half = len(data) // 2
    try:
        for piece in (data[:half], data[half:]):
            messages, control = reader.receive(piece)
            assert sum(map(len, messages)) + len(control) <= len(data)
    except RemoteProtocolError:
        pass


def converse_about_books(data: bytes) -> None:
    """A frame a line, into a session with two live books; then time passes."""
    books = {ticker: Book(ticker) for ticker in ("A", "B")}
    session = BookSession("fuzz", books, FeedCounters())
    session.commands(at_us=0, now_s=0.0)
    levels = {("yes", 4000): 500, ("no", 5000): 300}
    session.receive([subscribed(1), snapshot("A", 1, levels), snapshot("B", 2, levels)], at_us=0, now_s=0.0)
    try:
        for number, frame in enumerate(data.split(b"\n")):
            session.receive([frame], at_us=number, now_s=number / 10)
            session.commands(at_us=number, now_s=number / 10)
        session.settle(at_us=10**9, now_s=1000.0)
        session.commands(at_us=10**9, now_s=1000.0)
    except (RemoteProtocolError, ConnectivityError):
        session.lost("over")
    for book in books.values():
        book.check()
    assert all(len(repr(notice)) < 2000 for notice in session.take_notices())
    if session.state.value in ("idle", "subscribing", "leaving", "ended"):
        assert not any(book.state is BookState.LIVE for book in books.values())


def converse_about_the_rest(data: bytes) -> None:
    """A frame a line, into a session that has every channel; then time passes."""
    session = ChannelSession("fuzz", dict.fromkeys(CHANNELS), FeedCounters())
    for sid, _ in enumerate(session.commands(now_s=0.0), 1):
        session.receive([subscribed(sid, sid=sid, channel=CHANNELS[sid - 1])], at_us=0, now_s=0.0)
    try:
        for number, frame in enumerate(data.split(b"\n")):
            session.receive([frame], at_us=number, now_s=number / 10)
            session.commands(now_s=number / 10)
        session.commands(now_s=1000.0)
    except ConnectivityError:
        pass
    assert len(session.take_facts()) <= data.count(b"\n") + 1
    assert all(len(repr(notice)) < 2000 for notice in session.take_notices())


def decode_messages(data: bytes) -> None:
    """Every decoder of the socket, and the conversions behind it."""
    for decoder in (wire.FRAME, wire.HEADER, channel_wire.FRAME):
        try:
            message = decoder.decode(data)
        except wire.UNDECODABLE:
            continue
        if isinstance(message, channel_wire.Message):
            try:
                to_fact(message, 0)
            except UnitError:
                continue
        elif isinstance(message, wire.Snapshot):
            try:
                wire.levels(message.msg.yes_dollars_fp)
            except UnitError:
                continue


def read_recording(data: bytes) -> None:
    """As a whole file, behind a good header of either kind, and compressed."""
    plain = ((body, "a.jsonl") for body in (data, HEADER + data, EXACT + data, EXACT + data + b"\n"))
    for body, name in (*plain, (data, "a.jsonl.gz"), (data, "a.jsonl.zst")):
        try:
            reader = RecordingReader(io.BytesIO(body), name)
        except RecordingProblem:
            continue
        for _ in range(body.count(b"\n") + 2):
            try:
                entry = next(reader, None)
            except RecordingProblem:
                continue
            if entry is None:
                break
            assert not entry.dir or len(entry.exact) <= len(body)


def read_answers(data: bytes) -> None:
    """A REST body as the answer of every route, and as an error."""
    code, sentence = rest.error_text(data)
    assert sentence
    assert code is None or code
    for read in READERS:
        with contextlib.suppress(RemoteProtocolError):
            read(data)


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "frames": read_frames,
    "books": converse_about_books,
    "channels": converse_about_the_rest,
    "decoders": decode_messages,
    "recording": read_recording,
    "rest": read_answers,
}
SEEDS: Final = list(
    itertools.chain(
        [b"", b"{}", b"null", b"[" * 3000, b'{"a":' * 3000, b"\xff\xfe", b'"\\ud800"', b"9" * 5000, b"-1e999999999"],
        [subscribed(1), snapshot("A", 3, {("yes", 4000): 100})],
        [
            b'{"at_us":1,"conn":1,"dir":"in","frame":{"type":"ok"}\r\n}',
            b'{"at_us":1,"conn":1,"dir":"in","raw":"/w==","frame":{}}',
        ],
    )
)
