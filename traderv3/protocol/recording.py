"""Recorded sessions: JSON Lines of raw frames and connection events, read lazily from a file that is already open.

First line `{"recording":1,"environment":…,"markets":[…],"started_us":…}`; then one line per frame
(`at_us, conn, dir: "in"|"out", frame`) or connection event (`at_us, conn, event`). Compressed by the ending of the
name: `.zst`, `.gz`, none. Times in microseconds since the epoch. A frame is kept as the venue's own bytes.
Never: a whole file in memory, or a torn end passed over in silence.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import BinaryIO, Final, Protocol

import msgspec

from traderv3.protocol.wire import UNDECODABLE

FORMAT: Final = 1
_LINE_SHOWN_MAX: Final = 80
_CHUNK: Final = 64 << 10
_GZIP: Final = 31  # zlib's window bits for a gzip header


class RecordingProblem(ValueError):
    """A file that is not a recording, or one line that cannot be read; `line` counts from 1."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line


class Header(msgspec.Struct, kw_only=True):
    """The first line: every market that the recording is about."""

    recording: int
    environment: str
    markets: list[str]
    started_us: int


class Entry(msgspec.Struct, kw_only=True, gc=False):
    """One line after the header: a frame (`dir`, `frame`) or a connection event (`event`)."""

    at_us: int
    conn: int
    dir: str | None = None
    frame: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    event: str | None = None

    @property
    def is_inbound(self) -> bool:
        """A frame from the venue."""
        return self.dir == "in"


_HEADER: Final = msgspec.json.Decoder(Header)
_ENTRY: Final = msgspec.json.Decoder(Entry)
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
        try:
            entry = _ENTRY.decode(data)
        except UNDECODABLE as cause:
            if not data.endswith(b"\n"):
                self.torn = f"line {self.line} was cut off after {len(data)} bytes"
                raise StopIteration from None
            raise RecordingProblem(self.line, f"not a frame or an event: {cause}") from None
        if (entry.dir in ("in", "out")) != (entry.frame is not msgspec.UNSET) or not (entry.dir or entry.event):
            raise RecordingProblem(self.line, "neither a frame with its direction nor an event")
        return entry

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


def header_line(*, environment: str, markets: list[str], started_us: int) -> bytes:
    """The first line of a recording."""
    return _ENCODE(Header(recording=FORMAT, environment=environment, markets=markets, started_us=started_us)) + b"\n"


def frame_line(frame: bytes, *, at_us: int, conn: int, is_inbound: bool) -> bytes:
    """One frame as the venue sent it, which must be one JSON value."""
    direction = b"in" if is_inbound else b"out"
    return b'{"at_us":%d,"conn":%d,"dir":"%b","frame":%b}\n' % (at_us, conn, direction, frame.strip())


def event_line(event: str, *, at_us: int, conn: int, details: Mapping[str, str] | None = None) -> bytes:
    """A connection opened, closed or failed."""
    return _ENCODE({"at_us": at_us, "conn": conn, "event": event, **(details or {})}) + b"\n"
