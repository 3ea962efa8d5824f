"""What publishing costs the publisher: with well-behaved subscribers, and with one stuck, one raising and one slow.

Rounds of both are interleaved, ratios taken round by round. Run: python -m benchmarks.event_bus [--quick]
"""

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
import trio

from benchmarks.rounds import Report, arguments, ratio, spread
from traderv3.core.event_bus import EventBus, Handler
from traderv3.core.lifeline import Lifeline

ROUNDS, QUICK_ROUNDS = 30, 5
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


async def measure(rounds: int) -> dict[str, list[float]]:
    """Microseconds an event, by rounds."""
    good = make_bus([well] * SUBSCRIBERS)
    bad = make_bus([well] * (SUBSCRIBERS - 3) + [stuck, raising, slow])
    costs: dict[str, list[float]] = {"good": [], "bad": []}
    async with trio.open_nursery() as nursery:
        for bus in (good, bad):
            nursery.start_soon(bus.run, Lifeline())
        await trio.sleep(0.01)
        for number in range(-1, rounds):  # the first warms up
            for name, bus in (("good", good), ("bad", bad)):
                cost_us = await publish_all(bus)
                if number >= 0:
                    costs[name].append(cost_us)
        nursery.cancel_scope.cancel()
    return costs


def main() -> int:
    args = arguments(__doc__, rounds=ROUNDS, quick_rounds=QUICK_ROUNDS)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    report = Report("event_bus", args)
    costs = trio.run(measure, args.rounds)
    report.figure(f"publish an event to {SUBSCRIBERS} subscribers", spread(costs["good"]), "us")
    report.figure("the same, one stuck, one raising, one slow", spread(costs["bad"]), "us")
    report.figure("ill subscribers to good ones", ratio(costs["bad"], costs["good"]), "times", at_most=1.5)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
