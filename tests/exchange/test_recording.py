"""The recording format: read back what was written, and say what is wrong with a file, and where."""

import gzip
import io
import json
import random

import msgspec
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from traderv3.protocol.recording import (
    RecordingProblem,
    RecordingReader,
    event_line,
    frame_line,
    frame_lines,
    header_line,
)

HEADER = header_line(environment="demo", markets=["A", "B"], started_us=5)
EXACT_HEADER = header_line(environment="demo", markets=["A"], started_us=5, run="r", is_exact=True)
FRAME = b'{"type":"ok","id":2,  "sid":1,"seq":7}'
FILE = HEADER + event_line("open", at_us=6, conn=1) + frame_line(FRAME + b"\n", at_us=7, conn=1, is_inbound=True)


@pytest.mark.parametrize(
    ("ending", "packed"),
    [
        (".jsonl", FILE),
        (".jsonl.gz", gzip.compress(FILE)),
        (".jsonl.zst", zstandard.ZstdCompressor().compress(FILE)),
        (".jsonl.zst", zstandard.ZstdCompressor().compress(HEADER) + zstandard.ZstdCompressor().compress(FILE[len(HEADER) :])),
    ],
)  # fmt: skip
def test_what_was_written_is_read_back_with_the_venues_own_bytes(ending: str, packed: bytes) -> None:
    reader = RecordingReader(io.BytesIO(packed), "session" + ending)
    event, frame = list(reader)

    assert (reader.header.environment, reader.header.markets) == ("demo", ["A", "B"])
    assert (event.at_us, event.conn, event.event) == (6, 1, "open")
    assert isinstance(frame.frame, msgspec.Raw)
    assert bytes(frame.frame) == FRAME
    assert frame.is_inbound
    assert reader.torn is None


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("x.jsonl", b"", "no header"),
        ("x.jsonl", b'{"type":"subscribed"}\n', "no header"),
        ("x.jsonl", b"\xff\xfe\n", "no header"),
        ("x.jsonl", b'{"recording":2,"environment":"demo","markets":[],"started_us":1}\n', "reads 1"),
        ("x.jsonl.zst", b"not compressed at all", "cannot be unpacked"),
        ("x.jsonl.gz", b"not compressed at all", "cannot be unpacked"),
    ],
)
def test_what_is_no_recording_is_refused_with_its_first_line(name: str, data: bytes, what: str) -> None:
    with pytest.raises(RecordingProblem, match=what) as caught:
        RecordingReader(io.BytesIO(data), name)

    assert caught.value.line == 1


def test_a_line_that_cannot_be_read_is_named_and_the_rest_is_read() -> None:
    good = frame_line(FRAME, at_us=7, conn=1, is_inbound=False)
    reader = RecordingReader(io.BytesIO(HEADER + b"{nonsense}\n" + b'{"at_us":1,"conn":1}\n' + good), "x.jsonl")

    with pytest.raises(RecordingProblem, match="line 2"):
        next(reader)
    with pytest.raises(RecordingProblem, match="line 3: neither a frame"):
        next(reader)
    assert next(reader).dir == "out"
    assert list(reader) == []


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_last_line_ends_the_reading_and_is_told(cut: int) -> None:
    reader = RecordingReader(io.BytesIO(FILE[: -cut - 1]), "x.jsonl")

    assert [entry.event for entry in reader] == ["open"]
    assert reader.torn is not None
    assert "line 3" in reader.torn


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_torn_compressed_file_is_told(ending: str) -> None:
    rng = random.Random(1)
    lines = b"".join(frame_line(b'"%x"' % rng.getrandbits(800), at_us=i, conn=1, is_inbound=True) for i in range(2_000))
    packed = gzip.compress(HEADER + lines) if ending == "gz" else zstandard.ZstdCompressor().compress(HEADER + lines)
    reader = RecordingReader(io.BytesIO(packed[: len(packed) * 2 // 3]), f"x.{ending}")

    assert 100 < sum(1 for _ in reader) < 2_000
    assert reader.torn is not None


JSON_VALUES = st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)).map(
    lambda value: json.dumps(value, ensure_ascii=False).encode()
)  # fmt: skip
SPACED = st.tuples(
    st.sampled_from([b"", b" ", b"\n"]), JSON_VALUES, st.sampled_from([b"\n", b"", b" \n", b"\r\n"])
).map(b"".join)
NEARLY_JSON = st.sampled_from(
    [b"", b"\n", b"1 2", b'1,"tail":"\\n"', b'1}\n{"at_us":1', b'"\xff"', b"\xef\xbb\xbf1", b"[1,\n2]\n", b"NaN", b"null"]
)  # fmt: skip


@given(
    frames=st.lists(st.binary(max_size=20) | JSON_VALUES | SPACED | NEARLY_JSON, max_size=5), is_inbound=st.booleans()
)
@example(frames=[b"1", b"\n2\n"], is_inbound=True)
@example(frames=[b"\n1", b"2\n"], is_inbound=True)
@example(frames=[b"[1,\n2]", b"3\n"], is_inbound=True)
def test_any_batch_of_frames_is_a_line_of_json_each_and_comes_back_to_the_last_byte(
    frames: list[bytes], is_inbound: bool
) -> None:
    lines = frame_lines(frames, at_us=7, conn=3, is_inbound=is_inbound)
    entries = list(RecordingReader(io.BytesIO(EXACT_HEADER + lines), "x.jsonl"))

    assert [entry.exact for entry in entries] == frames
    assert all((entry.at_us, entry.conn, entry.is_inbound) == (7, 3, is_inbound) for entry in entries)
    for line in lines.splitlines():
        assert {"at_us", "conn", "dir", "frame"} <= set(json.loads(line))


@given(values=st.lists(JSON_VALUES, min_size=1, max_size=5), tail=st.sampled_from([b"", b"\n"]))
def test_a_batch_that_was_read_before_gives_the_same_lines(values: list[bytes], tail: bytes) -> None:
    frames = [value + tail for value in values]

    assert frame_lines(frames, at_us=7, conn=3, is_inbound=True, is_json=True) == frame_lines(
        frames, at_us=7, conn=3, is_inbound=True
    )


def test_the_venues_frame_stands_in_its_line_untouched() -> None:
    assert frame_lines([FRAME, FRAME], at_us=7, conn=1, is_inbound=True) == (
        b'{"at_us":7,"conn":1,"dir":"in","frame":' + FRAME + b"}\n"
    ) * 2  # fmt: skip
    assert frame_line(FRAME + b"\n", at_us=7, conn=1, is_inbound=False) == (
        b'{"at_us":7,"conn":1,"dir":"out","frame":' + FRAME + b',"tail":"\\n"}\n'
    )
    assert frame_line(b"hello", at_us=7, conn=1, is_inbound=True) == (
        b'{"at_us":7,"conn":1,"dir":"in","frame":null,"raw":"aGVsbG8="}\n'
    )


@pytest.mark.parametrize("depth", [900, 100_000])
def test_a_frame_nested_however_deep_comes_back(depth: int) -> None:
    frame = b"[" * depth + b"]" * depth + b"\n"
    line = frame_lines([frame], at_us=7, conn=1, is_inbound=True)

    assert next(RecordingReader(io.BytesIO(EXACT_HEADER + line), "x.jsonl")).exact == frame


@given(cut=st.integers(1, 200))
def test_a_torn_line_of_an_exact_recording_is_told_and_never_half_a_frame(cut: int) -> None:
    whole = EXACT_HEADER + frame_lines([FRAME + b"\n", FRAME], at_us=7, conn=1, is_inbound=True)
    data = whole[: max(len(whole) - cut, len(EXACT_HEADER))]
    reader = RecordingReader(io.BytesIO(data), "x.jsonl")

    assert all(entry.exact in (FRAME, FRAME + b"\n") for entry in reader)
    assert (reader.torn is None) == data.endswith(b"\n")


def test_a_raw_that_is_no_base64_is_a_problem() -> None:
    line = b'{"at_us":7,"conn":1,"dir":"in","frame":null,"raw":"!"}\n'

    with pytest.raises(RecordingProblem, match="line 2"):
        next(RecordingReader(io.BytesIO(EXACT_HEADER + line), "x.jsonl"))


def test_an_event_keeps_what_is_said_of_it() -> None:
    line = event_line("lost", at_us=7, conn=1, details={"frames": 3, "bytes": 9, "since_us": 5, "note": "\ud800"})
    entry = next(RecordingReader(io.BytesIO(HEADER + line), "x.jsonl"))

    assert (entry.event, entry.lost_frames, entry.lost_bytes, entry.since_us) == ("lost", 3, 9, 5)
