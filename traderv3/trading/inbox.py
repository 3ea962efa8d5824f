"""The engine's one mailbox: answers, account facts and readings, in the order in which they came, and never in the way.

A full inbox takes no more until it was read, and then says so in band: a `Missed` comes where the loss was, so that
whoever reads on knows that only a reading of the account makes up for it.
Never: a wait or an error for whoever puts something in; a loss without its mark.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

import trio

from traderv3.core.mailbox import MailboxStats
from traderv3.domain.execution import Missed

CAPACITY: Final = 4096  # a minute of the most that the venue's limits let us do, and every fill of it

T = TypeVar("T")


class Inbox(Generic[T]):
    """Many writers, one reader. Outlives the starts of its reader."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        assert capacity > 1
        self._capacity = capacity
        self._items: deque[tuple[float, T | Missed]] = deque()
        self._is_losing = False  # the mark of the present loss is in the queue, the last of it
        self._is_woken = False
        self._readers = trio.lowlevel.ParkingLot()
        self._accepted = self._dropped = self._high_water = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T | Missed) -> None:
        """Take one item, or its loss. Wakes the reader."""
        self._accepted += 1
        if self._is_losing:
            self._dropped += 1
            return
        if len(self._items) == self._capacity - 1:
            self._is_losing = True
            self._dropped += 1
            item = Missed(f"the engine's inbox was full ({self._capacity})")
        self._items.append((trio.current_time(), item))
        self._high_water = max(self._high_water, len(self._items))
        self.wake()

    def wake(self) -> None:
        """Let the reader look, now or when it waits next, though nothing may have come."""
        self._is_woken = True
        self._readers.unpark_all()

    async def wait(self) -> None:
        """Until something is there, or somebody has called `wake` since the last wait."""
        if self._items or self._is_woken:
            await trio.lowlevel.checkpoint()
        else:
            await self._readers.park()
        self._is_woken = False

    def take(self, most: int = 256) -> Iterator[T | Missed]:
        """Up to `most` items, oldest first. Whoever breaks off, or breaks, has lost the one in hand and no other."""
        for _ in range(min(most, len(self._items))):
            item = self._items.popleft()[1]
            if not self._items:
                self._is_losing = False
            yield item

    def stats(self) -> MailboxStats:
        """The account since it was made."""
        return MailboxStats(
            depth=len(self._items),
            capacity=self._capacity,
            policy="resync",
            accepted=self._accepted,
            dropped=self._dropped,
            conflated=0,
            high_water=self._high_water,
            oldest_s=max(0.0, trio.current_time() - self._items[0][0]) if self._items else 0.0,
        )
