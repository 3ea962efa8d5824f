"""Recorded sessions: JSON Lines of raw frames and connection events, read lazily from a file that is already open.

First line `{"recording":1,"environment":…,"markets":[…],"started_us":…}`; then one line per frame
(`at_us, conn, dir: "in"|"out", frame`) or connection event (`at_us, conn, event`). Compressed by the ending of the
name: `.zst`, `.gz`, none. Times in microseconds since the epoch. A frame is kept byte for byte:

    frame   the frame, if it is one JSON value; null if it is not, and then
    raw     has its bytes in base64
    tail    "\\n" where a newline follows the value, as the venue sends one after each frame

A header with `"exact":true` promises that between `"frame":` and the end of its line stand the frame's bytes and
nothing else. `run` names the process that wrote. The event `lost` says what is missing of its connection at this place.
Never: a whole file in memory, a torn end passed over in silence, or a line of ours that is not one JSON value.
"""

import base64
import binascii
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import PurePath
from typing import BinaryIO, Final, Protocol

import msgspec

from traderv3.domain.tape import Detail
from traderv3.protocol.wire import UNDECODABLE

FORMAT: Final = 1
LOST: Final = "lost"
_LINE_SHOWN_MAX: Final = 80
_CHUNK: Final = 64 << 10
_GZIP: Final = 31  # zlib's window bits for a gzip header
_NEWLINE: Final = 0x0A
_FRAME: Final = b'"frame":'
_RAW: Final = b'null,"raw":"'
_END: Final = b"}\n"
_NEWLINE_END: Final = b',"tail":"\\n"}\n'


class RecordingProblem(ValueError):
    """A file that is not a recording, or one line that cannot be read; `line` counts from 1."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line


class Header(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The first line: every market that the recording is about."""

    recording: int
    environment: str
    markets: list[str]
    started_us: int
    run: str | None = None
    exact: bool = False


class Entry(msgspec.Struct, kw_only=True, gc=False):
    """One line after the header: a frame (`dir`, `frame`) or a connection event (`event`).

    `frame` has the bytes themselves where they are no JSON. The members `lost_…` and `since_us` belong to `lost`.
    """

    at_us: int
    conn: int
    dir: str | None = None
    frame: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    raw: str | None = None
    tail: str = ""
    event: str | None = None
    lost_frames: int = msgspec.field(default=0, name="frames")
    lost_bytes: int = msgspec.field(default=0, name="bytes")
    since_us: int | None = None
    # Of our own events (`clients.book_line`, `storage.archive`); `markets` has commas between the tickers.
    name: str | None = None
    carries: str | None = None
    markets: str | None = None
    reason: str | None = None
    ticker: str | None = None
    target: str | None = None
    context: str | None = None
    problem: str | None = None
    away: str | None = None  # connections that were not waited for, with commas between the names
    state_hash: str | None = None

    @property
    def is_inbound(self) -> bool:
        """A frame from the venue."""
        return self.dir == "in"

    @property
    def exact(self) -> bytes:
        """The frame as it was on the wire, to the last newline. Only for frames."""
        assert isinstance(self.frame, msgspec.Raw)
        return bytes(self.frame) + self.tail.encode() if self.tail else bytes(self.frame)


_HEADER: Final = msgspec.json.Decoder(Header)
_ENTRY: Final = msgspec.json.Decoder(Entry)
_VALUE: Final = msgspec.json.Decoder(msgspec.Raw).decode  # walks through one JSON value and makes nothing of it
_ENCODE: Final = msgspec.json.Encoder().encode


class RecordingReader:
    """Iterates over a recording's entries; `header` is read at once.

    A line that cannot be read raises `RecordingProblem`, and the iteration may be continued after it. A last line that
    was cut off ends the iteration, and `torn` says so. `line` is the number of the line read last.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Raises `RecordingProblem` if the file does not begin as a recording does. `name` decides the compression."""
        self.torn: str | None = None
        self.line = 0
        self._lines = _lines(file, PurePath(name).suffix)
        self.header = self._read_header()

    def __iter__(self) -> Iterator[Entry]:
        return self

    def __next__(self) -> Entry:
        data = self._next_line()
        if not data:
            raise StopIteration
        if self.header.exact and not data.endswith(b"\n"):
            raise self._cut_off(data)
        try:
            entry = _exact_entry(data) if self.header.exact else _ENTRY.decode(data)
            if entry.raw is not None:
                entry.frame = msgspec.Raw(base64.b64decode(entry.raw, validate=True))
        except (*UNDECODABLE, binascii.Error) as cause:
            if not data.endswith(b"\n"):
                raise self._cut_off(data) from None
            raise RecordingProblem(self.line, f"not a frame or an event: {cause}") from None
        if (entry.dir in ("in", "out")) != (entry.frame is not msgspec.UNSET) or not (entry.dir or entry.event):
            raise RecordingProblem(self.line, "neither a frame with its direction nor an event")
        return entry

    def _cut_off(self, data: bytes) -> StopIteration:
        self.torn = f"line {self.line} was cut off after {len(data)} bytes"
        return StopIteration()

    def _next_line(self) -> bytes:
        try:
            data = next(self._lines, b"")
        except _Torn as cause:
            if self.line == 0:
                raise RecordingProblem(1, f"cannot be unpacked: {cause}") from None
            self.torn = f"the compressed data ends within line {self.line + 1}: {cause}"
            return b""
        if data:
            self.line += 1
        return data

    def _read_header(self) -> Header:
        data = self._next_line()
        try:
            header = _HEADER.decode(data)
        except UNDECODABLE:
            shown = data[:_LINE_SHOWN_MAX].decode("utf-8", "replace").rstrip()
            raise RecordingProblem(1, f'no header {{"recording":1,…}} but {shown!r}; this is not a recording') from None
        if header.recording != FORMAT:
            raise RecordingProblem(1, f"recording format {header.recording}; this program reads {FORMAT}")
        return header


def _exact_entry(line: bytes) -> Entry:
    """One line of a file that says `exact`: the frame is cut out, not parsed, so that it may be nested however deep."""
    start = line.find(_FRAME) + len(_FRAME)
    end = _NEWLINE_END if line.endswith(_NEWLINE_END) else _END
    if start < len(_FRAME) or not line.endswith(end) or line.startswith(_RAW, start):
        return _ENTRY.decode(line)
    stop = len(line) - len(end)
    entry = _ENTRY.decode(line[:start] + b"null" + line[stop:])
    entry.frame = msgspec.Raw(line[start:stop])
    return entry


class _Torn(Exception):
    """The compressed data is damaged or ends early; everything before was handed out."""


class _Unpacker(Protocol):
    """What zlib's and zstandard's decompression objects have in common."""

    def decompress(self, data: bytes, /) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


def _lines(file: BinaryIO, ending: str) -> Iterator[bytes]:
    """Whole lines with their newline, the last perhaps without; raises `_Torn` where the compressed data breaks off."""
    if ending == ".gz":
        return _unpacked_lines(file, lambda: zlib.decompressobj(_GZIP), zlib.error)
    if ending == ".zst":
        import zstandard  # noqa: PLC0415 - a start without a compressed recording does not pay for it

        return _unpacked_lines(file, lambda: zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError)
    return iter(file)


def _unpacked_lines(file: BinaryIO, start: Callable[[], _Unpacker], error: type[Exception]) -> Iterator[bytes]:
    unpacker = start()
    pending: list[bytes] = []  # the line that has begun, in pieces: joined once, however long it is
    while packed := file.read(_CHUNK):
        while packed:
            if unpacker.eof:  # one compressed stream may follow another
                unpacker = start()
            try:
                data = unpacker.decompress(packed)
            except error as cause:
                raise _Torn(str(cause)) from None
            packed = unpacker.unused_data if unpacker.eof else b""
            *lines, rest = data.split(b"\n")
            for line in lines:
                yield b"".join((*pending, line, b"\n"))
                pending.clear()
            if rest:
                pending.append(rest)
    if pending:
        yield b"".join(pending)
    if not unpacker.eof:
        msg = "the end of the stream is missing"
        raise _Torn(msg)


# -- writing -----------------------------------------------------------------------------------------------------------


def header_line(
    *, environment: str, markets: list[str], started_us: int, run: str | None = None, is_exact: bool = False
) -> bytes:
    """The first line of a recording. `is_exact` promises that every frame's line is made by `frame_lines`."""
    header = Header(
        recording=FORMAT, environment=environment, markets=markets, started_us=started_us, run=run, exact=is_exact
    )
    return _ENCODE(header) + b"\n"


def frame_lines(frames: Sequence[bytes], *, at_us: int, conn: int, is_inbound: bool, is_json: bool = False) -> bytes:
    """A line for each frame of a batch, whatever its bytes. `is_json`: msgspec has read each of them whole, without error.

    Costs about 0.3 us a frame, half of it for finding out whether they are JSON.
    """
    if not frames:
        return b""
    direction = b"in" if is_inbound else b"out"
    head = b'{"at_us":%d,"conn":%d,"dir":"%b",%b' % (at_us, conn, direction, _FRAME)
    return _lines_of_plain(frames, head, is_json) or b"".join([_line_of_any(frame, head) for frame in frames])


def _lines_of_plain(frames: Sequence[bytes], head: bytes, is_json: bool) -> bytes | None:
    """The batch in few passes over all of it at once; None if some frame needs a closer look."""
    *most, last = frames
    text = b"".join((head, *most, last.removesuffix(b"\n")))
    try:
        if not text.isascii():
            text.decode()  # msgspec does not look into the strings that it passes over
        if not is_json:
            deque(map(_VALUE, frames), maxlen=0)
    except UNDECODABLE:
        return None
    if not last.endswith(b"\n"):
        return None if b"\n" in text else head + (_END + head).join(frames) + _END
    if not all(frames) or set(map(itemgetter(-1), frames)) != {_NEWLINE}:
        return None
    between = _NEWLINE_END + head
    lines = text.replace(b"\n", between)
    is_split_at_frames = len(lines) == len(text) + len(most) * (len(between) - 1)  # none has a newline inside
    return lines + _NEWLINE_END if is_split_at_frames else None


def _line_of_any(frame: bytes, head: bytes) -> bytes:
    """One frame's line: as it is, or in base64."""
    value = frame.removesuffix(b"\n")
    if b"\n" in value or not _is_json(value):
        return b'%b%b%b"}\n' % (head, _RAW, base64.b64encode(frame))
    return head + value + (_END if len(value) == len(frame) else _NEWLINE_END)


def _is_json(data: bytes) -> bool:
    try:
        _VALUE(data)
        data.decode()
    except UNDECODABLE:
        return False
    return True


def frame_line(frame: bytes, *, at_us: int, conn: int, is_inbound: bool) -> bytes:
    """One frame as it was on the wire."""
    return frame_lines((frame,), at_us=at_us, conn=conn, is_inbound=is_inbound)


def event_line(event: str, *, at_us: int, conn: int, details: Mapping[str, Detail] | None = None) -> bytes:
    """A connection opened, closed or failed; or something else that is not a frame."""
    line = {"at_us": at_us, "conn": conn, "event": event, **(details or {})}
    assert not line.keys() & {"dir", "frame", "raw", "tail"}, "an event is no frame"
    try:
        return _ENCODE(line) + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair, from wherever
        plain = {name: _encodable(value) for name, value in line.items()}
        return _ENCODE(plain) + b"\n"


def _encodable(value: Detail) -> Detail:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
