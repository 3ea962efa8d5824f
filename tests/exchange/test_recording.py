"""The recording format: read back what was written, and say what is wrong with a file, and where."""

import gzip
import io
import random

import msgspec
import pytest
import zstandard

from traderv3.protocol.recording import RecordingProblem, RecordingReader, event_line, frame_line, header_line

HEADER = header_line(environment="demo", markets=["A", "B"], started_us=5)
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
