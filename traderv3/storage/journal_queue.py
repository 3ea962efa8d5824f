"""What waits to be journalled: the loop's thread puts lines in, the writer's thread takes them out.

Frames become lines on the loop's side, in a few passes over a whole batch (0.15 us a frame): the frames are in the cache
then and free at once, and the writer's thread needs the interpreter for hardly anything. Handing the frames over instead
costs the feed as much.
Bounded in frames and in bytes; full, a batch is dropped whole and counted, and as soon as there is room an event `lost`
stands in its place, one for each connection that lost something. No call waits, and none of the loop's takes a lock.
The counters with `put` are written by the loop alone, those with `taken` by whoever takes, under a lock.
Never: an entry behind one that was put in later.
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from traderv3.domain.tape import Detail
from traderv3.protocol.recording import LOST, event_line, frame_lines

BACKLOG: Final = 4  # times what the writer is woken for: it does not get its turn
CONNECTIONS_MAX: Final = 64  # that lose something at the same time; further ones count for the latest of these


class Item(NamedTuple):
    """Lines that are about one connection, as they will stand in the recording: those of frames, or one of an event."""

    at_us: int
    conn: int
    frames: int
    size: int  # bytes of the frames, or of the event's line
    lines: bytes


def frames_item(frames: Sequence[bytes], *, at_us: int, conn: int, is_inbound: bool, is_json: bool = False) -> Item:
    """Frames that came or went together."""
    lines = frame_lines(frames, at_us=at_us, conn=conn, is_inbound=is_inbound, is_json=is_json)
    return Item(at_us, conn, len(frames), sum(map(len, frames)), lines)


def event_item(event: str, *, at_us: int, conn: int, details: Mapping[str, Detail]) -> Item:
    """An event, which is about no frame."""
    line = event_line(event, at_us=at_us, conn=conn, details=details)
    return Item(at_us, conn, 0, len(line), line)


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
    def frames_put(self) -> int:
        """Frames that were taken in, those lost left out."""
        return self._put_frames

    @property
    def oldest_us(self) -> int | None:
        """When what has waited longest came; None if nothing waits. The writer may take it meanwhile."""
        try:
            return self._items[0].at_us
        except IndexError:
            return None

    @property
    def is_backlogged(self) -> bool:
        """Much more waits than the writer was woken for."""
        return self.bytes > BACKLOG * self._wake_bytes

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
        loss.frames += item.frames
        loss.size += item.size
        loss.until_us = item.at_us
        self.lost_frames += item.frames
        self.lost_bytes += item.size

    def settle(self, *, is_last: bool = False) -> bool:
        """Put the news of every loss in, if there is room or nothing will follow; whether no news is left to tell."""
        news = []
        for conn, loss in sorted(self._losses.items(), key=lambda each: each[1].until_us):
            facts = {"frames": loss.frames, "bytes": loss.size, "since_us": loss.since_us}
            news.append(event_item(LOST, at_us=loss.until_us, conn=conn, details=facts))
        if not (
            is_last or all(map(self._has_room, news))
        ):  # one by one: together they pass the bound by some lines at the most
            return False
        self._losses.clear()
        for each in news:
            self._append(each)
        return True

    def _has_room(self, item: Item) -> bool:
        frames = self._put_frames - self._taken_frames + item.frames
        size = self._put_bytes - self._taken_bytes + item.size
        return frames <= self._frames_max and size <= self._bytes_max

    def _append(self, item: Item) -> None:
        self._put_frames += item.frames  # first: whoever takes it must not have taken more than was put
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
            self._taken_frames += sum(item.frames for item in taken)
            self._taken_bytes += size
        return taken
