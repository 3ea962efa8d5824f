"""Facts from one actor to every actor that asked for them, without the teller ever waiting or failing.

Each subscriber has its own bounded mailbox (oldest dropped, counted) and its own task. A handler that raises or runs
over its time is isolated, counted and logged; when too many of its calls fail, a circuit breaker rests it.
Never: an exception or a wait in `publish`. This is one of the two doors at which `Exception` is caught.
"""

import functools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
import trio

from traderv3.core.breaker import Breaker, BreakerLimits, BreakerState
from traderv3.core.lifeline import Lifeline
from traderv3.core.mailbox import Mailbox, MailboxStats, Policy
from traderv3.core.supervisor import Describe, describe

Handler = Callable[[Any], Awaitable[None]]

log = structlog.get_logger(component="event_bus")


@dataclass(frozen=True, slots=True)
class BusLimits:
    """The bus's bounds; times in seconds."""

    capacity: int = 1000
    handler_s: float = 5.0
    breaker: BreakerLimits = field(default_factory=BreakerLimits)


@dataclass(frozen=True, slots=True)
class SubscriberStats:
    """One subscriber's record. `skipped` counts events not handled because the breaker was open."""

    mailbox: MailboxStats
    handled: int
    failed: int
    timed_out: int
    skipped: int
    breaker: BreakerState
    last_error: str | None


class Subscriber:
    """One handler with its mailbox and breaker."""

    def __init__(self, name: str, types: tuple[type, ...], handler: Handler, limits: BusLimits, say: Describe) -> None:
        self.name = name
        self.types = types
        self.mailbox: Mailbox[object] = Mailbox(f"bus/{name}", limits.capacity, Policy.DROP_OLDEST)
        self.breaker = Breaker(limits.breaker)
        self._handler = handler
        self._limits = limits
        self._say = say
        self._handled = self._failed = self._timed_out = self._skipped = 0
        self._last_error: str | None = None

    async def run(self) -> None:
        """Handle events one after another for ever. What is not in hand stays in the mailbox, for the next run too."""
        while True:
            for event in self.mailbox.take(1) or await self.mailbox.receive_batch(1):
                ticket = self.breaker.admit(trio.current_time())
                if ticket is None:
                    self._skipped += 1
                    continue
                try:
                    is_success = await self._handle(event)
                    if self.breaker.record(trio.current_time(), ticket, is_success=is_success):
                        log.warning("circuit breaker moved", subscriber=self.name, breaker=self.breaker.state.value)
                finally:
                    self.breaker.abandon(ticket)  # the bus may be stopped in the middle of a probe

    async def _handle(self, event: object) -> bool:
        """Hand over one event; whether all went well. Every outcome is counted, being cancelled included."""
        about = {"subscriber": self.name, "event_type": type(event).__name__}
        error: str | None = "interrupted: the bus was stopped"
        is_late = False
        try:
            with trio.move_on_after(self._limits.handler_s) as scope:
                await self._handler(event)
            is_late = scope.cancelled_caught
            error = f"ran over {self._limits.handler_s:g} s" if is_late else None
        except* Exception as group:
            error = self._say(group)
            log.error("handler failed", error=error, exc_info=group, **about)
        finally:
            self._handled += error is None
            self._timed_out += is_late
            self._failed += error is not None and not is_late
            self._last_error = error or self._last_error
        if is_late:
            log.warning("handler ran over its time", **about)
        return error is None

    def stats(self) -> SubscriberStats:
        """This subscriber's record at this moment."""
        return SubscriberStats(
            mailbox=self.mailbox.stats(),
            handled=self._handled,
            failed=self._failed,
            timed_out=self._timed_out,
            skipped=self._skipped,
            breaker=self.breaker.state,
            last_error=self._last_error,
        )


class EventBus:
    """The actor that carries typed events from publishers to subscribers.

    Subscribing is allowed at any time, before or while it runs. Mailboxes outlive a restart of the bus.
    """

    name = "event_bus"

    def __init__(self, limits: BusLimits | None = None, *, say: Describe = describe) -> None:
        self._limits = limits or BusLimits()
        self._say = say
        self._subscribers: dict[str, Subscriber] = {}
        self._by_type: dict[type, tuple[Subscriber, ...]] = {}
        self._nursery: trio.Nursery | None = None
        self.published = 0

    def subscribe(self, name: str, types: Iterable[type], handler: Handler) -> None:
        """Call `handler` with every event whose type is, or derives from, one of `types`."""
        assert name not in self._subscribers, f"{name} has subscribed already"
        subscriber = Subscriber(name, tuple(types), handler, self._limits, self._say)
        self._subscribers[name] = subscriber
        self._by_type.clear()
        if self._nursery is not None:
            self._nursery.start_soon(subscriber.run)

    def publish(self, event: object) -> None:
        """Tell everybody who asked. Never waits, never raises for a subscriber's sake."""
        self.published += 1
        kind = type(event)
        subscribers = self._by_type.get(kind)
        if subscribers is None:
            subscribers = tuple(s for s in self._subscribers.values() if issubclass(kind, s.types))
            self._by_type[kind] = subscribers
        for subscriber in subscribers:
            subscriber.mailbox.put(event)

    async def run(self, lifeline: Lifeline) -> None:
        """Run every subscriber's task until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                for subscriber in self._subscribers.values():
                    nursery.start_soon(subscriber.run)
                lifeline.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def mailbox_of(self, name: str) -> Callable[[], MailboxStats]:
        """The account of one subscriber's mailbox, for the supervision tree."""
        return self._subscribers[name].mailbox.stats

    def stats(self) -> dict[str, SubscriberStats]:
        """Every subscriber's record by name."""
        return {name: subscriber.stats() for name, subscriber in self._subscribers.items()}

    @property
    def dropped(self) -> int:
        """Events that some subscriber did not get, over all subscribers."""
        return sum(s.mailbox.stats().dropped for s in self._subscribers.values())


def handles(method: Callable[..., None]) -> Handler:
    """Make a handler of a function that does not wait."""

    @functools.wraps(method)
    async def handler(event: Any) -> None:
        method(event)
        await trio.lowlevel.checkpoint()

    return handler
