"""Bounded queues between actors, each with a declared answer to "what if it is full?".

Policies: `block` (the sender waits; for data that must not be lost), `drop_oldest` (the newest matter; observation)
and `conflate` (one item per key, the latest wins, in the order the keys first appeared; state that replaces itself).
Every item put in is accounted for: accepted = received + waiting + dropped + conflated.
Source: measured on Trio, handing over one item costs about 9 us, a batch of 64 about 0.2 us an item: read batches.
Never: unbounded, and never a loss that is not counted.
"""

import enum
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Policy(enum.StrEnum):
    """What a full mailbox does with one more item."""

    BLOCK = "block"
    DROP_OLDEST = "drop_oldest"
    CONFLATE = "conflate"


class MailboxClosed(Exception):
    """The other end is gone: no item will come (receiving) or be read (sending)."""


@dataclass(frozen=True, slots=True)
class MailboxStats:
    """One mailbox's account since it was made. `oldest_s` is the age of the item that has waited longest, 0.0 if none.

    Other bounded queues have one, too, with their own word for what they do when they are full.
    """

    depth: int
    capacity: int
    policy: Policy | str
    accepted: int
    dropped: int
    conflated: int
    high_water: int
    oldest_s: float


class Mailbox(Generic[T]):
    """One bounded queue with one policy; many senders, one receiver.

    `key` is given for `conflate` alone: items of one key replace each other, keeping the first one's place and age.
    A `conflate` mailbox that is full of different keys drops its oldest key.
    """

    def __init__(
        self,
        name: str,
        capacity: int,
        policy: Policy,
        *,
        key: Callable[[T], Hashable] | None = None,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        assert capacity > 0
        assert (key is not None) == (policy is Policy.CONFLATE)
        self.name = name
        self.capacity = capacity
        self.policy = policy
        self._key = key
        self._clock = clock
        self._queue: deque[tuple[float, T]] = deque()
        self._latest: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()
        self._closed = False
        self._readers = trio.lowlevel.ParkingLot()
        self._senders: dict[trio.lowlevel.Task, T] = {}  # who waits for a place, in the order they came, and with what
        self._accepted = self._dropped = self._conflated = self._received = self._high_water = 0

    def __len__(self) -> int:
        return len(self._latest) if self.policy is Policy.CONFLATE else len(self._queue)

    def put(self, item: T) -> bool:
        """Put one item in without waiting; False if something was dropped for it. Not for `block`."""
        assert self.policy is not Policy.BLOCK, f"{self.name}: a mailbox that blocks is sent to, not put into"
        if self._closed:
            raise MailboxClosed(self.name)
        is_whole = self._put_latest(item) if self.policy is Policy.CONFLATE else self._put_dropping(item)
        self._note_arrival()
        return is_whole

    async def send(self, item: T) -> None:
        """Put one item in, waiting while a `block` mailbox is full; whoever came first is served first.

        Cancelled, it has put nothing in. Raises `MailboxClosed`.
        """
        if self.policy is not Policy.BLOCK:
            await trio.lowlevel.checkpoint()
            self.put(item)
            return
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._closed:
            raise MailboxClosed(self.name)
        if len(self._queue) < self.capacity:
            self._accept(item)
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        task = trio.lowlevel.current_task()
        self._senders[task] = item

        def forget(_: object) -> trio.lowlevel.Abort:  # at the cancellation itself, before anybody can take the item
            del self._senders[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(forget)
        if task in self._senders:
            del self._senders[task]
            raise MailboxClosed(self.name)

    async def receive_batch(self, most: int = 256) -> list[T]:
        """Wait until something is there, then take up to `most` items, oldest first. Raises `MailboxClosed` once empty."""
        assert most > 0
        await trio.lowlevel.checkpoint_if_cancelled()
        while not len(self):
            if self._closed:
                raise MailboxClosed(self.name)
            await self._readers.park()
        batch = self.take(most)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return batch

    def take(self, most: int = 256) -> list[T]:
        """Up to `most` waiting items at once, oldest first; empty if none wait."""
        count = min(most, len(self))
        if self.policy is Policy.CONFLATE:
            batch = [self._latest.popitem(last=False)[1][1] for _ in range(count)]
        else:
            batch = [self._queue.popleft()[1] for _ in range(count)]
        self._received += count
        while self._senders and len(self._queue) < self.capacity and not self._closed:
            task = next(iter(self._senders))
            self._accept(self._senders.pop(task))
            trio.lowlevel.reschedule(task)
        return batch

    def close(self) -> None:
        """No further item is taken; what waits may still be received. Wakes everybody. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._readers.unpark_all()
        for task in self._senders:
            trio.lowlevel.reschedule(task)

    def stats(self) -> MailboxStats:
        """The account at this moment."""
        return MailboxStats(
            depth=len(self),
            capacity=self.capacity,
            policy=self.policy,
            accepted=self._accepted,
            dropped=self._dropped,
            conflated=self._conflated,
            high_water=self._high_water,
            oldest_s=max(0.0, self._clock() - self._oldest_at()) if len(self) else 0.0,
        )

    def check(self) -> None:
        """Assert that every item is accounted for and the bound was kept."""
        assert self._accepted == self._received + self._dropped + self._conflated + len(self)
        assert len(self) <= self._high_water <= self.capacity

    def _oldest_at(self) -> float:
        waiting = self._latest.values() if self.policy is Policy.CONFLATE else self._queue
        return next(iter(waiting), (math.inf, None))[0]

    def _accept(self, item: T) -> None:
        self._queue.append((self._clock(), item))
        self._note_arrival()

    def _put_dropping(self, item: T) -> bool:
        is_full = len(self._queue) >= self.capacity
        if is_full:
            self._queue.popleft()
            self._dropped += 1
        self._queue.append((self._clock(), item))
        return not is_full

    def _put_latest(self, item: T) -> bool:
        assert self._key is not None
        key = self._key(item)
        held = self._latest.get(key)
        if held is not None:
            self._latest[key] = (held[0], item)
            self._conflated += 1
            return True
        is_full = len(self._latest) >= self.capacity
        if is_full:
            self._latest.popitem(last=False)
            self._dropped += 1
        self._latest[key] = (self._clock(), item)
        return not is_full

    def _note_arrival(self) -> None:
        self._accepted += 1
        self._high_water = max(self._high_water, len(self))
        self._readers.unpark()
