"""The intent log: what we are about to do at the venue, on the disk before it is on the wire.

One file, `<data dir>/<environment>/intents.jsonl`: a line for each fact, with its checksum. A line is there whole or not
at all: a torn last line is a write that never said done, and is cut off. A damaged line before the end is the disk's
fault: then nothing is sent until a person has looked (`OSError`). At each start, and when it has grown too long, the
file is written anew with what is still open.
A client order id is `<8 hex of this log>-<session x 10^9 + count>`; each start is a session of its own, whose number is
durable before its first id is given out. So no id ever comes twice.
In:    `keep`, which returns once the disk has it, several callers in one write; `note`, which waits for the next.
Units: times in microseconds since the epoch.
Never: two processes with one log (flock); a line behind one of which the disk did not say done.
"""

import errno
import fcntl
import os
import random
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import structlog
import trio

from traderv3.core import disk
from traderv3.core.disk import Blocking
from traderv3.domain.execution import Create, KeptIntent, Request
from traderv3.domain.orders import Draft
from traderv3.protocol.wire import UNDECODABLE

INTENT_FILE: Final = "intents.jsonl"  # in the environment's folder
SESSION: Final = 10**9  # ids of one session; a thousand years of the smallest tier
COMPACT_BYTES: Final = 8 << 20
_SUM: Final = 9  # eight hex digits and a blank

log = structlog.get_logger(component="intent_log")


class _Head(msgspec.Struct, tag="head"):
    tag: str
    session: int


class _Create(msgspec.Struct, tag="create"):
    id: str
    at_us: int
    draft: Draft


class _Other(msgspec.Struct, tag="other"):
    """A cancel, amend, decrease: for whoever reads the file."""

    at_us: int
    what: str
    detail: dict[str, object]


class _Note(msgspec.Struct, tag="note"):
    id: str
    order_id: str | None = None
    is_over: bool = False


class _Group(msgspec.Struct, tag="group"):
    """An order group of ours at the venue: (id, shard)."""

    id: str
    shard: int
    is_over: bool = False


_Line = _Head | _Create | _Other | _Note | _Group
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Line).decode


class IntentFile:
    """One environment's intent log (`domain.execution.IntentLog`), made once; outlives the starts of whoever writes to it."""

    def __init__(self, path: Path, *, rng: random.Random, blocking: Blocking) -> None:
        self.open: Sequence[KeptIntent] = ()
        self._path = path
        self._rng = rng
        self._blocking = blocking
        self._turn = trio.Lock()
        self._head: _Head | None = None  # None: not started
        self._count = 0
        self._kept: dict[str, KeptIntent] = {}
        self._groups: dict[str, int] = {}
        self._notes: list[_Line] = []
        self._found: _Head | None = None
        self._disk = _Disk(path)

    async def start(self) -> None:
        """Read the file and begin a session. Raises `OSError`, and may then be called again. Once it is begun: nothing."""
        async with self._turn:
            if self._head is not None:
                return
            for line in await self._blocking(self._disk.read):
                self._take(line)
            before = self._found or _Head(f"{self._rng.getrandbits(32):08x}", 0)
            head = _Head(before.tag, before.session + 1)
            await self._rewrite(head)
            self.open = tuple(self._kept.values())
            self._head = head
        log.info("intent log", session=head.session, open=len(self.open), groups=len(self._groups))

    @property
    def prefix(self) -> str:
        """What every id of this log begins with."""
        assert self._head is not None, "start the log first"
        return f"{self._head.tag}-"

    def next_id(self) -> str:
        """A `client_order_id` that was never used and never will be again."""
        assert self._head is not None, "start the log first"
        self._count += 1
        assert self._count < SESSION
        return f"{self.prefix}{self._head.session * SESSION + self._count}"

    async def keep(self, requests: Sequence[Request], at_us: int) -> None:
        """On the disk when this returns. Raises `OSError`: then nothing may be sent."""
        await self._append([_line(request, at_us) for request in requests])

    def note(self, client_order_id: str, *, order_id: str | None = None, is_over: bool = False) -> None:
        """What was learned of an order since; goes with the next write."""
        kept = self._kept.get(client_order_id)
        if kept is not None and (is_over or kept.order_id != order_id):
            self._remember(_Note(client_order_id, order_id, is_over))

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Order groups (id, shard) of ours that may still be at the venue."""
        return list(self._groups.items())

    async def keep_group(self, group_id: str, shard: int) -> None:
        """An order group of ours, durable before an order is put into it. Raises `OSError`."""
        await self._append([_Group(group_id, shard)])

    def forget_group(self, group_id: str) -> None:
        """It is gone at the venue; goes with the next write."""
        if group_id in self._groups:
            self._remember(_Group(group_id, self._groups[group_id], is_over=True))

    def close(self) -> None:
        """Let go of the file, as the end of the process does."""
        self._disk.close()

    # -- parts ---------------------------------------------------------------------------------------------------------

    async def _append(self, lines: Sequence[_Line]) -> None:
        async with self._turn:
            if self._head is None:
                raise OSError(errno.EBADF, "the intent log is not open")
            if not self._disk.is_sound or self._disk.size > COMPACT_BYTES:
                await self._rewrite(self._head)
            notes, self._notes = self._notes, []  # their facts are in our tables, which a new file is made of
            data = _spelled([*notes, *lines])
            await self._blocking(lambda: self._disk.append(data))
            for line in lines:
                self._take(line)

    async def _rewrite(self, head: _Head) -> None:
        """Begin a new file with what is open. Raises `OSError`."""
        creates = [_Create(kept.client_order_id, kept.at_us, kept.draft) for kept in self._kept.values()]
        notes = [_Note(kept.client_order_id, kept.order_id) for kept in self._kept.values() if kept.order_id]
        groups = [_Group(group_id, shard) for group_id, shard in self._groups.items()]
        self._notes.clear()
        data = _spelled([head, *creates, *notes, *groups])
        await self._blocking(lambda: self._disk.replace(data))

    def _remember(self, line: _Note | _Group) -> None:
        self._notes.append(line)
        self._take(line)

    def _take(self, line: _Line) -> None:
        """Account for one fact, read or written."""
        match line:
            case _Head():
                self._found = line
            case _Create(client_order_id, at_us, draft):
                self._kept[client_order_id] = KeptIntent(client_order_id, draft, at_us, None)
            case _Note(client_order_id, order_id, is_over):
                kept = self._kept.pop(client_order_id, None)
                if kept is not None and not is_over:
                    self._kept[client_order_id] = replace(kept, order_id=order_id or kept.order_id)
            case _Group(group_id, shard, is_over):
                if is_over:
                    self._groups.pop(group_id, None)
                else:
                    self._groups[group_id] = shard
            case _Other():
                pass


def kept_groups(path: Path) -> list[tuple[str, int]]:
    """The order groups (id, shard) that the log at `path` holds, whoever writes to it; none without one. Raises `OSError`."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    groups: dict[str, int] = {}
    for line in _read_lines(data, path):
        if isinstance(line, _Group):
            groups.pop(line.id, None) if line.is_over else groups.setdefault(line.id, line.shard)
    return list(groups.items())


class _Disk:
    """The file. Everything here blocks and is called one piece at a time; all of it raises `OSError`."""

    def __init__(self, path: Path) -> None:
        self.is_sound = False  # False: what the file holds behind the last success is not known
        self.size = 0
        self._path = path
        self._file: int | None = None
        self._lock: int | None = None

    def read(self) -> list[_Line]:
        """Every line of an earlier session, from now on ours alone."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as cause:
                os.close(lock)
                raise OSError(cause.errno, f"another trader writes {self._path}") from cause
            self._lock = lock
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return []
        return _read_lines(data, self._path)

    def append(self, data: bytes) -> None:
        """Have `data` on the disk. After a failure the file is written anew before anything else."""
        assert self.is_sound
        assert self._file is not None
        self.is_sound = False
        disk.write_all(self._file, data)
        self.size += len(data)
        self.is_sound = True

    def replace(self, data: bytes) -> None:
        """A new file in place of the old one; one of the two is there at any moment, whole."""
        self.is_sound = False
        file = disk.open_replaced(self._path, data)
        if self._file is not None:
            os.close(self._file)
        self._file, self.size, self.is_sound = file, len(data), True

    def close(self) -> None:
        """Let go of file and lock."""
        for descriptor in (self._file, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._lock = None
        self.is_sound = False


def _line(request: Request, at_us: int) -> _Line:
    if isinstance(request, Create):
        return _Create(request.client_order_id, at_us, request.order.wanted)
    return _Other(at_us, type(request).__name__, msgspec.to_builtins(request))


def _spelled(lines: Sequence[_Line]) -> bytes:
    spelled = [_encode(line) for line in lines]
    return b"".join(b"%08x %b\n" % (zlib.crc32(text), text) for text in spelled)


def _read_lines(data: bytes, path: Path) -> list[_Line]:
    """The lines, without a torn last one. Raises `OSError` if any other is damaged."""
    *whole, _ = data.split(b"\n")
    lines: list[_Line] = []
    for number, raw in enumerate(whole, start=1):
        try:
            if int(raw[:_SUM], 16) != zlib.crc32(raw[_SUM:]):
                raise ValueError("wrong checksum")
            lines.append(_decode(raw[_SUM:]))
        except (*UNDECODABLE, ValueError) as cause:
            if number == len(whole):
                break  # its blocks came to the disk in another order; it was never said done
            how = "compare the orders at the venue, then move it away"
            msg = f"{path} is damaged in line {number} of {len(whole)} ({cause}): {how}"
            raise OSError(errno.EIO, msg) from cause
    return lines
