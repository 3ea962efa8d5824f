"""The frame reader agrees with wsproto on every stream, however it is cut, and nothing malformed passes."""

import contextlib
import itertools
import time
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from tests.protocol.framing import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame
from traderv3.domain.errors import RemoteProtocolError
from traderv3.protocol.frames import FrameReader

SIZES = st.sampled_from([0, 1, 2, 125, 126, 127, 300, 65_535, 65_536])
TEXTS = st.text(max_size=40) | st.builds(lambda size: "é" * (size // 2) + "x" * (size % 2), SIZES)


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Frames of whole and fragmented messages, control frames between and inside them, maybe a close at the end."""
    controls = st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=125))
    frames: list[bytes] = []
    for text in draw(st.lists(TEXTS, max_size=5)):
        frames += draw(st.lists(controls, max_size=2))
        data = text.encode()
        cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
        pieces = [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]
        opcode = draw(st.sampled_from([TEXT, BINARY]))
        for at, piece in enumerate(pieces):
            if at:
                frames += draw(st.lists(controls, max_size=1))
            frames.append(frame(CONTINUATION if at else opcode, piece, is_final=at == len(pieces) - 1))
    frames += draw(st.lists(controls, max_size=2))
    if draw(st.booleans()):
        frames.append(frame(CLOSE, draw(st.sampled_from([b"", b"\x03\xe8", b"\x03\xe9maintenance"]))))
    return frames


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    return [data[a:b] for a, b in itertools.pairwise([0, *sorted(at), len(data)])]


def read_by_wsproto(data: bytes) -> tuple[list[bytes], list[Event]]:
    """Messages and control events as wsproto understands them."""
    connection = Connection(ConnectionType.CLIENT)
    connection.receive_data(data)
    messages: list[bytes] = []
    parts = b""
    controls: list[Event] = []
    for event in connection.events():
        if isinstance(event, TextMessage | BytesMessage):
            parts += event.data.encode() if isinstance(event.data, str) else bytes(event.data)
            if event.message_finished:
                messages.append(parts)
                parts = b""
        else:
            assert isinstance(event, Ping | Pong | CloseConnection)
            controls.append(event)
    return messages, controls


@given(conversations(), st.data())
def test_any_cut_of_any_conversation_gives_what_wsproto_reads(frames: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frames)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    reader = FrameReader()
    messages: list[bytes] = []
    control = b""
    for piece in cut(stream, cuts):
        more, passed_on = reader.receive(piece)
        messages += more
        control += passed_on
    expected, events = read_by_wsproto(stream)

    assert messages == expected
    assert control == b"".join(f for f in frames if f[0] & 0x0F >= CLOSE)
    assert read_by_wsproto(control)[1] == events
    assert reader.is_closed == any(f[0] & 0x0F == CLOSE for f in frames)


@given(conversations())
def test_byte_by_byte_is_no_different(frames: list[bytes]) -> None:
    stream = b"".join(frames)[:3000]
    at_once, piecemeal = FrameReader(), FrameReader()
    whole = at_once.receive(stream)
    pieces = [piecemeal.receive(stream[at : at + 1]) for at in range(len(stream))]

    assert ([m for messages, _ in pieces for m in messages], b"".join(c for _, c in pieces)) == whole


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_whatever_raise_anything_else(pieces: list[bytes]) -> None:
    reader = FrameReader()
    with contextlib.suppress(RemoteProtocolError):
        for piece in pieces:
            reader.receive(piece)


@given(conversations(), st.binary(min_size=1, max_size=30), st.data())
def test_garbage_inside_a_conversation_raises_nothing_else(
    frames: list[bytes], garbage: bytes, data: st.DataObject
) -> None:
    stream = b"".join(frames)
    at = data.draw(st.integers(0, len(stream)))
    reader = FrameReader(message_max=100_000)
    with contextlib.suppress(RemoteProtocolError):
        reader.receive(stream[:at] + garbage + stream[at:])


@pytest.mark.parametrize(
    "malformed",
    [
        b"\x81\x80\0\0\0\0",  # masked
        b"\x89\x85\0\0\0\0hello",  # a masked ping
        frame(TEXT, b"x", reserved=0x40),  # a compressed message; compression was never negotiated
        frame(PING, b"x", reserved=0x10),
        frame(PING, b"x", is_final=False),
        frame(CLOSE, is_final=False),
        frame(PONG, b"x" * 126),
        b"\x89\x7e\x00\x01x",  # a ping whose short length is written long
        b"\x81\x7e\x00\x01x",
        b"\x81\x7f" + (5).to_bytes(8, "big") + b"hello",
        b"\x81\x7f" + b"\xff" * 8,
        frame(0x3, b"x"),
        frame(0xB),
        frame(CONTINUATION, b"x"),
        frame(TEXT, b"a", is_final=False) + frame(TEXT, b"b"),
        frame(TEXT, b"a", is_final=False) + frame(BINARY, b"b"),
    ],
)
def test_a_malformed_frame_is_an_error(malformed: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        FrameReader().receive(malformed)


def test_a_message_above_the_limit_is_refused_by_its_length_alone() -> None:
    with pytest.raises(RemoteProtocolError):
        FrameReader(message_max=1000).receive(frame(TEXT, b"x" * 1001)[:4])


@pytest.mark.parametrize("size", [1, 400])
def test_fragments_are_bounded_together(size: int) -> None:
    reader = FrameReader(message_max=1000)
    reader.receive(frame(TEXT, b"x" * size, is_final=False))
    fragment = frame(CONTINUATION, b"x" * size, is_final=False)

    with pytest.raises(RemoteProtocolError):
        reader.receive(fragment * 1001)


def test_fragments_of_next_to_nothing_do_not_pile_up_memory() -> None:
    reader = FrameReader()
    reader.receive(frame(TEXT, is_final=False))
    piece = frame(CONTINUATION, b"xy", is_final=False) * 1000
    tracemalloc.start()
    for _ in range(100):
        reader.receive(piece)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 2 * 2 * 100_000  # twice the 200 kB of payload


def test_nothing_is_read_behind_a_close() -> None:
    reader = FrameReader()
    messages, control = reader.receive(frame(TEXT, b"a") + frame(CLOSE) + frame(TEXT, b"b"))
    later = reader.receive(frame(TEXT, b"c"))

    assert (messages, control) == ([b"a"], frame(CLOSE))
    assert later == ([], b"")
    assert reader.is_closed


def seconds_for(size: int) -> float:
    stream = frame(TEXT, b"x" * size)
    reader = FrameReader()
    started = time.process_time()
    messages: list[bytes] = []
    for at in range(0, len(stream), 1024):
        messages, _ = reader.receive(stream[at : at + 1024])
    taken = time.process_time() - started

    assert [len(m) for m in messages] == [size]
    return taken


def test_a_long_message_in_small_pieces_costs_in_proportion_to_its_length() -> None:
    short, long = (min(seconds_for(size) for _ in range(3)) for size in (1 << 20, 8 << 20))

    assert long < 8 * 4 * max(short, 0.001)  # were it quadratic, 64 times
