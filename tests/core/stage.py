"""Scripted actors and a supervisor over them, on a virtual clock: what the tests of supervision play with.

An act is one life of an actor: a coroutine function of its `Lifeline`. An actor plays the acts of its script one start
after another, the last one for ever.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio._core import _run

from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import (
    ActorChanged,
    Backoff,
    ChildSpec,
    NodeReport,
    Status,
    Strategy,
    SupervisorSpec,
)
from traderv3.core.supervisor import Supervisor, supervise
from traderv3.domain.errors import TraderError

Act = Callable[[Lifeline], Awaitable[None]]
Spec = ChildSpec | SupervisorSpec

# Private, and there is no public way: Trio shuffles what is ready to run with this generator. Hypothesis, once
# imported, makes the order depend on nothing else.
scheduler_random: random.Random = _run._r

FLAT = Backoff(first_s=1.0, most_s=1.0, jitter=0.0)  # one second, always: restarts are easy to place in time


class Crash(Exception):
    """A bug of an actor."""


async def stay(lifeline: Lifeline) -> None:
    """Be ready at once and live until cancelled."""
    lifeline.started()
    await trio.sleep_forever()


async def never_ready(lifeline: Lifeline) -> None:
    """Live, and never say so."""
    await trio.sleep_forever()


async def return_early(lifeline: Lifeline) -> None:
    """End without having been ready."""
    await trio.lowlevel.checkpoint()


async def crash_early(lifeline: Lifeline) -> None:
    """Crash without having been ready."""
    await trio.lowlevel.checkpoint()
    raise Crash("early")


def returning(after_s: float) -> Act:
    """Be ready at once and return after a while."""

    async def act(lifeline: Lifeline) -> None:
        lifeline.started()
        await trio.sleep(after_s)

    return act


def crashing(after_s: float, error: Exception | None = None) -> Act:
    """Be ready at once and crash after a while."""

    async def act(lifeline: Lifeline) -> None:
        lifeline.started()
        await trio.sleep(after_s)
        raise error or Crash("boom")

    return act


def slow(ready_s: float, then: Act = stay) -> Act:
    """Take a while until the next act, which says that it is ready."""

    async def act(lifeline: Lifeline) -> None:
        await trio.sleep(ready_s)
        await then(lifeline)

    return act


def lingering(end_s: float) -> Act:
    """Be ready at once and take a while to end once asked to stop."""

    async def act(lifeline: Lifeline) -> None:
        lifeline.started()
        await lifeline.stopping.wait()
        await trio.sleep(end_s)

    return act


def deaf(until: trio.Event) -> Act:
    """Be ready at once, and survive every cancellation until released."""

    async def act(lifeline: Lifeline) -> None:
        lifeline.started()
        with trio.CancelScope(shield=True):
            await until.wait()

    return act


class Stage:
    """Everything that happened: `log` holds "+name" for each start and "-name" for each end, `reports` what was reported."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.times: list[tuple[str, float]] = []
        self.reports: list[ActorChanged] = []
        self.aborts: list[tuple[str, float]] = []
        self.on_abort: Callable[[], None] = lambda: None
        self.starts: Counter[str] = Counter()
        self.alive: Counter[str] = Counter()
        self.ended_with: TraderError | None = None
        self.ended_at: float | None = None
        self.stopping = trio.Event()
        self.ended = trio.Event()

    def actor(self, name: str, *script: Act, **spec: Any) -> ChildSpec:
        """A child that plays its script, and asserts that it is never on stage twice."""
        acts = script or (stay,)

        async def run(lifeline: Lifeline) -> None:
            act = acts[min(self.starts[name], len(acts) - 1)]
            self.starts[name] += 1
            self.alive[name] += 1
            self._note(f"+{name}")
            assert self.alive[name] == 1, f"two incarnations of {name}"
            try:
                await act(lifeline)
            finally:
                self.alive[name] -= 1
                self._note(f"-{name}")

        return ChildSpec(name=name, run=run, **spec)

    def _note(self, what: str) -> None:
        self.log.append(what)
        self.times.append((what, trio.current_time()))

    def at(self, what: str) -> list[float]:
        """When this happened."""
        return [at_s for noted, at_s in self.times if noted == what]

    def statuses(self, name: str) -> list[Status]:
        """What was reported of one child, in order."""
        return [report.status for report in self.reports if report.name == name]

    def _abort(self, reason: str) -> None:
        self.aborts.append((reason, trio.current_time()))
        self.on_abort()

    @asynccontextmanager
    async def running(self, spec: SupervisorSpec, *, rng: random.Random | None = None) -> AsyncIterator[Supervisor]:
        """Run a root supervisor during the block, then stop it; what it escalated with is in `ended_with`."""
        made: list[Supervisor] = []

        async def root() -> None:
            try:
                await supervise(
                    spec,
                    self.stopping,
                    wall_us=lambda: int(trio.current_time() * 1e6),
                    rng=rng or random.Random(0),
                    report=self.reports.append,
                    abort=self._abort,
                    on_made=made.append,
                )
            except TraderError as error:
                self.ended_with = error
            self.ended_at = trio.current_time()
            self.ended.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(root)
            await trio.testing.wait_all_tasks_blocked()
            yield made[0]
            self.stopping.set()
            await self.ended.wait()
        assert not +self.alive, f"outlived their supervisor: {+self.alive}"


def tree(
    *children: Spec, strategy: Strategy = Strategy.ONE_FOR_ONE, name: str = "root", **policy: Any
) -> SupervisorSpec:
    """A supervisor with a flat backoff of one second."""
    policy.setdefault("backoff", FLAT)
    return SupervisorSpec(name=name, strategy=strategy, children=tuple(children), **policy)


def find(node: NodeReport, name: str) -> NodeReport:
    """The child of that name."""
    return next(child for child in node.children if child.name == name)


def shape(node: NodeReport) -> dict[str, Status]:
    """The status of each child by name."""
    return {child.name: child.status for child in node.children}


def in_order(log: Sequence[str], *wanted: str) -> bool:
    """Whether `wanted` occur in `log` in this order, whatever is between them."""
    rest = iter(log)
    return all(any(what == entry for entry in rest) for what in wanted)
