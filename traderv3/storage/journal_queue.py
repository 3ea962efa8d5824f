"""What waits to be journalled: the loop thread puts batches in, the writer's thread takes them out.

Bounded in frames and in bytes; full, a batch is dropped whole and counted, and as soon as there is room an event `lost`
stands in its place, one for each connection that lost something. No call waits, and none of the loop's takes a lock.
The counters with `put` are written by the loop alone, those with `taken` by whoever takes, under a lock.
Never: an entry behind one that was put in later.
"""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from traderv3.protocol.recording import LOST, event_line, frame_lines

CONNECTIONS_MAX: Final = 64  # that lose something at the same time; further ones count for the latest of these


class Batch(NamedTuple):
    """Frames that came or went together."""

    at_us: int
    conn: int
    is_inbound: bool
    is_json: bool
    frames: Sequence[bytes]
    size: int

    def lines(self) -> bytes:
        """As they stand in a recording."""
        return frame_lines(
            self.frames, at_us=self.at_us, conn=self.conn, is_inbound=self.is_inbound, is_json=self.is_json
        )


class EventLine(NamedTuple):
    """A finished line that is about no frame."""

    at_us: int
    conn: int
    line: bytes

    @property
    def frames(self) -> Sequence[bytes]:
        """None."""
        return ()

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.line)

    def lines(self) -> bytes:
        """As it stands in a recording."""
        return self.line


Item = Batch | EventLine


class _Loss:
    """What one connection lost since something of it was last recorded."""

    __slots__ = ("frames", "since_us", "size", "until_us")

    def __init__(self, since_us: int) -> None:
        self.frames = self.size = 0
        self.since_us = self.until_us = since_us


class JournalQueue:
    """The queue and its account: put = taken + waiting, and all that came = put + lost."""

    def __init__(self, *, frames_max: int, bytes_max: int, wake_bytes: int) -> None:
        self.wake = threading.Event()  # set when more than `wake_bytes` wait, or somebody else has a reason
        self.lost_frames = self.lost_bytes = 0
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._wake_bytes = wake_bytes
        self._items: deque[Item] = deque()
        self._losses: dict[int, _Loss] = {}
        self._put_frames = self._put_bytes = 0
        self._taken_frames = self._taken_bytes = 0
        self._taking = threading.Lock()

    @property
    def frames(self) -> int:
        """Frames that wait."""
        return self._put_frames - self._taken_frames

    @property
    def bytes(self) -> int:
        """Bytes that wait."""
        return self._put_bytes - self._taken_bytes

    @property
    def is_backlogged(self) -> bool:
        """More waits than the writer is woken for."""
        return self.bytes > self._wake_bytes

    # -- the loop's side -----------------------------------------------------------------------------------------------

    def put(self, item: Item) -> None:
        """Put one item in, behind the news of what was lost before it; or lose it, too."""
        if self._has_room(item) and (not self._losses or self.settle()):
            self._append(item)
        else:
            self.lose(item)

    def lose(self, item: Item) -> None:
        """Count an item that will not be in the journal."""
        if item.conn in self._losses or len(self._losses) < CONNECTIONS_MAX:
            loss = self._losses.setdefault(item.conn, _Loss(item.at_us))
        else:
            loss = next(reversed(self._losses.values()))
        loss.frames += len(item.frames)
        loss.size += item.size
        loss.until_us = item.at_us
        self.lost_frames += len(item.frames)
        self.lost_bytes += item.size

    def settle(self, *, is_last: bool = False) -> bool:
        """Put the news of every loss in, if there is room or nothing will follow; whether no news is left to tell."""
        news = []
        for conn, loss in sorted(self._losses.items(), key=lambda each: each[1].until_us):
            facts = {"frames": loss.frames, "bytes": loss.size, "since_us": loss.since_us}
            line = event_line(LOST, at_us=loss.until_us, conn=conn, details=facts)
            news.append(EventLine(loss.until_us, conn, line))
        if not (
            is_last or all(map(self._has_room, news))
        ):  # one by one: together they pass the bound by some lines at the most
            return False
        self._losses.clear()
        for each in news:
            self._append(each)
        return True

    def _has_room(self, item: Item) -> bool:
        frames = self._put_frames - self._taken_frames + len(item.frames)
        size = self._put_bytes - self._taken_bytes + item.size
        return frames <= self._frames_max and size <= self._bytes_max

    def _append(self, item: Item) -> None:
        self._put_frames += len(item.frames)  # first: whoever takes it must not have taken more than was put
        self._put_bytes += item.size
        self._items.append(item)
        if self._put_bytes - self._taken_bytes > self._wake_bytes and not self.wake.is_set():
            self.wake.set()

    # -- the writer's side ---------------------------------------------------------------------------------------------

    def take(self, bytes_max: int) -> list[Item]:
        """What waits, oldest first, up to so many bytes or one item."""
        taken: list[Item] = []
        size = 0
        with self._taking:
            while self._items and (not taken or size + self._items[0].size <= bytes_max):
                item = self._items.popleft()
                taken.append(item)
                size += item.size
            self._taken_frames += sum(len(item.frames) for item in taken)
            self._taken_bytes += size
        return taken
