"""What publishing costs the publisher: with well-behaved subscribers, and with one stuck, one raising and one slow.

Rounds of both are interleaved; the printed ratio is of the medians. Run: python -m benchmarks.event_bus
"""

import logging
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
import trio

from traderv3.core.event_bus import EventBus, Handler
from traderv3.core.lifeline import Lifeline

ROUNDS = 30
EVENTS = 2_000
SUBSCRIBERS = 5


@dataclass(frozen=True)
class Fact:
    """Something to tell."""

    number: int


async def well(_: Fact) -> None:
    await trio.lowlevel.checkpoint()


async def stuck(_: Fact) -> None:
    await trio.sleep_forever()


async def raising(_: Fact) -> None:
    await trio.lowlevel.checkpoint()
    raise ValueError("a handler with a bug")


async def slow(_: Fact) -> None:
    await trio.sleep(0.01)


def make_bus(handlers: Sequence[Handler]) -> EventBus:
    bus = EventBus()
    for number, handler in enumerate(handlers):
        bus.subscribe(f"{handler.__name__}_{number}", (Fact,), handler)
    return bus


async def publish_all(bus: EventBus) -> float:
    """Microseconds an event, the publisher's own time alone; the subscribers run between chunks."""
    spent = 0.0
    for start in range(0, EVENTS, 100):
        began = time.perf_counter()
        for number in range(start, start + 100):
            bus.publish(Fact(number))
        spent += time.perf_counter() - began
        await trio.lowlevel.checkpoint()
    return spent / EVENTS * 1e6


async def measure() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    good = make_bus([well] * SUBSCRIBERS)
    bad = make_bus([well] * (SUBSCRIBERS - 3) + [stuck, raising, slow])
    costs: dict[str, list[float]] = {"good": [], "bad": []}
    async with trio.open_nursery() as nursery:
        for bus in (good, bad):
            nursery.start_soon(bus.run, Lifeline())
        await trio.sleep(0.01)
        for _ in range(ROUNDS):
            costs["good"].append(await publish_all(good))
            costs["bad"].append(await publish_all(bad))
        nursery.cancel_scope.cancel()
    well_us, ill_us = statistics.median(costs["good"]), statistics.median(costs["bad"])
    print(f"publish to {SUBSCRIBERS} subscribers: {well_us:.2f} us; with one stuck, raising, slow: {ill_us:.2f} us")
    print(f"ratio {ill_us / well_us:.2f}")
    for name, stats in bad.stats().items():
        box = stats.mailbox
        print(f"  {name}: accepted {box.accepted}, handled {stats.handled}, dropped {box.dropped}, {stats.breaker}")


if __name__ == "__main__":
    trio.run(measure)
