"""What the console showed before: moments of the whole picture and the event log between them, compressed, bounded.

A chunk is one zstandard stream of lines: first a *key* moment with every part, then logged messages as they stood on the
wire, and moments with the parts that had changed. The picture at number `seq` is that of the newest moment at or before it,
with the logged messages up to it folded in.
Units: sizes in bytes; `at_us` microseconds since the epoch.
Source: `docs/console-protocol.md`, time travel.
Never: more than `bytes_max`; the oldest chunk goes first. Never a wait: what is expensive is a pure function of a chunk,
to be run in a worker thread.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import msgspec
import zstandard

from traderv3.config.limits import LIMITS
from traderv3.console import messages
from traderv3.console.snapshots import LOGGED_PARTS, Parts, Slices, assemble, fold_actors
from traderv3.console.status import encode
from traderv3.domain.timestamps import rfc3339

MOMENTS_A_KEY: Final = 60
CHUNK_RAW_MAX: Final = 4 << 20  # after the key moment: so long does one look back take at most to read, some 10 ms
PENDING_MAX: Final = 256 << 10
PARTS_A_PIECE: Final = 256  # a key moment of ten thousand markets is 5 MB, and never in memory as a whole
LEVEL: Final = 3


class _Line(msgspec.Struct):
    """One line of a chunk: a logged message, or a moment."""

    type: str
    seq: int
    timestamp: str
    data: msgspec.Raw


class _Moment(msgspec.Struct):
    """The parts that changed, null where one is gone."""

    parts: dict[str, msgspec.Raw]


class OutOfRange(Exception):
    """That number cannot be shown; the message says which can. `is_gone`: it could once."""

    def __init__(self, message: str, *, is_gone: bool) -> None:
        super().__init__(message)
        self.is_gone = is_gone


@dataclass(slots=True)
class Chunk:
    """From one key moment to the next."""

    first_seq: int
    moments: int = 0
    raw_bytes: int = 0
    key_bytes: int = 0  # of these, the key moment's
    size: int = 0  # as it lies in memory
    _blocks: list[bytes] = field(default_factory=list)
    _pending: bytearray = field(default_factory=bytearray)
    _compress: "zstandard.ZstdCompressionObj | None" = field(
        default_factory=lambda: zstandard.ZstdCompressor(level=LEVEL).compressobj()
    )

    @property
    def is_full(self) -> bool:
        """Whether the next moment begins another chunk."""
        return self.moments >= MOMENTS_A_KEY or self.raw_bytes - self.key_bytes >= CHUNK_RAW_MAX

    def append(self, line: bytes) -> bool:
        """Take one more line; True if what waited was compressed."""
        return self.extend(line + b"\n")

    def extend(self, piece: bytes) -> bool:
        """Take a piece of a line, or its end; True if what waited was compressed."""
        self._pending += piece
        self.raw_bytes += len(piece)
        self.size += len(piece)
        is_much = len(self._pending) > PENDING_MAX
        if is_much:
            self.press()
        return is_much

    def press(self, *, is_last: bool = False) -> None:
        """Compress what is there; after the last time nothing more may come."""
        assert self._compress is not None
        how = zstandard.COMPRESSOBJ_FLUSH_FINISH if is_last else zstandard.COMPRESSOBJ_FLUSH_BLOCK
        block = self._compress.compress(bytes(self._pending)) + self._compress.flush(how)
        self._blocks.append(block)
        self.size += len(block) - len(self._pending)
        self._pending.clear()
        if is_last:
            self._compress = None

    def copy(self) -> tuple[list[bytes], bytes]:
        """What `look_back` reads, while more may be appended here."""
        return list(self._blocks), bytes(self._pending)


class Past:
    """The chunks, oldest first."""

    def __init__(self, *, bytes_max: int = LIMITS.past_bytes_max) -> None:
        self._bytes_max = bytes_max
        self._chunks: deque[Chunk] = deque()
        self._open: Chunk | None = None
        self._last: Mapping[str, bytes] = {}

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(chunk.size for chunk in self._chunks)

    @property
    def oldest_seq(self) -> int | None:
        """The first number that can be shown; None before the first moment."""
        return self._chunks[0].first_seq if self._chunks else None

    def note(self, encoded: bytes) -> None:
        """A message of the event log, as it stands on the wire."""
        if self._open is not None and self._open.append(encoded):
            self._make_room()

    def keep(self, seq: int, at_us: int, parts: Mapping[str, bytes], slices: Slices) -> None:
        """A moment: the picture as it is right after number `seq`. `parts` are ours from now on."""
        chunk = self._open
        is_key = chunk is None or chunk.is_full
        if chunk is None or is_key:
            if chunk is not None:
                chunk.press(is_last=True)
            chunk = self._open = Chunk(seq)
            self._chunks.append(chunk)
            changed: dict[str, bytes] = {**parts, **slices.parts()}
        else:
            changed = {name: part for name, part in parts.items() if self._last.get(name) != part}
            changed.update(dict.fromkeys(self._last.keys() - parts.keys(), b"null"))
        self._last = parts
        chunk.extend(b'{"type":"moment","seq":%d,"timestamp":%b,"data":{"parts":{' % (seq, encode(rfc3339(at_us))))
        for piece in _printed(changed):
            chunk.extend(piece)
        chunk.append(b"}}}")
        chunk.moments += 1
        if is_key:
            chunk.key_bytes = chunk.raw_bytes
        chunk.press()
        self._make_room()

    def chunk_of(self, seq: int, newest_seq: int) -> Chunk:
        """Where number `seq` lies. Raises `OutOfRange`."""
        oldest = self.oldest_seq
        if oldest is None:
            msg = "nothing can be shown of the past yet"
            raise OutOfRange(msg, is_gone=False)
        if not oldest <= seq <= newest_seq:
            what = "is gone" if seq < oldest else "has not happened yet"
            msg = f"number {seq} {what}; {oldest} to {newest_seq} can be shown"
            raise OutOfRange(msg, is_gone=seq < oldest)
        return next(chunk for chunk in reversed(self._chunks) if chunk.first_seq <= seq)

    def _make_room(self) -> None:
        size = self.size
        while size > self._bytes_max and self._chunks:
            gone = self._chunks.popleft()
            size -= gone.size
            if gone is self._open:
                self._open = None


def _printed(parts: Mapping[str, bytes]) -> Iterator[bytes]:
    """The members of the object that `parts` make, a bounded piece at a time."""
    names = iter(parts.items())
    between = b""
    while some := list(islice(names, PARTS_A_PIECE)):
        yield between + b",".join(b"%b:%b" % (encode(name), part) for name, part in some)
        between = b","


def look_back(blocks: list[bytes], pending: bytes, seq: int) -> bytes:
    """The `snapshot` at number `seq` as it stands on the wire, out of the chunk that holds it. Pure; for a worker thread."""
    reader = zstandard.ZstdDecompressor().decompressobj()
    parts: Parts = {}
    slices: Slices | None = None
    actors: list[messages.Actor] = []
    timestamp = ""
    for raw in (b"".join(map(reader.decompress, blocks)) + pending).splitlines():
        line = _LINE.decode(raw)
        if line.seq > seq:
            break
        timestamp = line.timestamp
        if line.type == "moment":
            for name, part in _MOMENT.decode(line.data).parts.items():
                if bytes(part) == b"null" and name not in _NULLABLE:
                    parts.pop(name, None)
                else:
                    parts[name] = bytes(part)
            if slices is None:
                slices = Slices.of({name: parts.pop(name) for name in LOGGED_PARTS})
            actors.clear()
            continue
        assert slices is not None, "a chunk begins with a key moment"
        data = msgspec.json.decode(line.data, type=messages.MESSAGES[line.type])
        slices.take(data)
        if isinstance(data, messages.Actor):
            actors.append(data)
    assert slices is not None
    fold_actors(parts, actors)
    whole = msgspec.Raw(assemble(parts, slices, reason="past", dropped=0))
    return encode({"type": "snapshot", "seq": seq, "timestamp": timestamp, "data": whole})


_LINE: Final = msgspec.json.Decoder(_Line)
_MOMENT: Final = msgspec.json.Decoder(_Moment)
_NULLABLE: Final = frozenset({"rest", "cross_check", "risk"})  # null is what these say
