"""The supervisor: starts children in order, starts them again by policy, stops them in reverse, or gives up and says why.

    STARTING --started()--> RUNNING --ended, no restart due--> STOPPED | FAILED
        ^                      | ended, restart due
        +------- delay --- BACKOFF         more than restarts_max in period_s: everything stops, RestartStorm

One task governs: it looks at children that ended, one by one, and starts one restart task per group of children that the
strategy binds together. From then on the ends of the group's members are part of that restart; the end of a child outside
it whose own group reaches into it replaces it. Cancellation always passes.
Never: an unbounded wait. A child that survives its cancellation cannot be abandoned in Trio, so the process ends.
This is one of the two doors at which `Exception` is caught.
"""

import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
import trio

from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import (
    ActorChanged,
    Budget,
    ChildSpec,
    HeartbeatLost,
    Killed,
    NodeReport,
    Restart,
    StartFailed,
    Status,
    Strategy,
    SupervisorSpec,
)
from traderv3.domain.errors import RestartStorm, TraderError

Report = Callable[[ActorChanged], None]
Describe = Callable[[BaseException], str]  # an error as everybody may read it
Abort = Callable[[str], None]  # end the process now; returns only in tests

CHILDREN_MAX: Final = 256  # of one supervisor, those added later included
LAST_CHANCE_S: Final = 1.0  # for a heartbeat that is overdue when we ourselves wake late (SIGSTOP, a slept machine)

log = structlog.get_logger(component="supervisor")


def describe(error: BaseException) -> str:
    """One line for a person: the innermost cause's type and message."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class _Child:
    """One child's specification and life so far. `begin` makes what belongs to one start alone."""

    def __init__(self, spec: ChildSpec | SupervisorSpec, since_us: int) -> None:
        self.spec = spec
        self.status = Status.STOPPED
        self.since_us = since_us
        self.restarts = 0
        self.streak = 0  # failures in a row, without a healthy interval between them
        self.last_error: str | None = None
        self.backoff_until_us: int | None = None
        self.supervisor: Supervisor | None = None
        self.is_told = False  # its end waits for the governing task
        self.begin()
        self.done.set()

    def begin(self) -> None:
        self.lifeline = Lifeline()
        self.scope = trio.CancelScope()
        self.done = trio.Event()
        self.error: BaseException | None = None
        self.ran_s = -math.inf  # from readiness to the end
        self.is_stopping = False  # whatever end it comes to is wanted


@dataclass(eq=False, slots=True)
class _GroupRestart:
    """One restart under way."""

    group: Sequence[_Child]
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    done: trio.Event = field(default_factory=trio.Event)


class Supervisor:
    """Runs one `SupervisorSpec`. Is itself a child's `run`: nested supervisors are children like others.

    `wall_us` gives microseconds since the epoch, `rng` the jitter; `report` is told every change of status and must
    not wait; `abort` ends the process when a child cannot be stopped; `say` puts a child's error into words.
    """

    def __init__(
        self,
        spec: SupervisorSpec,
        *,
        wall_us: Callable[[], int],
        rng: random.Random,
        report: Report,
        abort: Abort,
        say: Describe = describe,
    ) -> None:
        self.spec = spec
        self._say = say
        self._wall_us = wall_us
        self._rng = rng
        self._report = report
        self._abort = abort
        self._children = [_Child(child, wall_us()) for child in spec.children]
        self._restarted_at: deque[tuple[float, str]] = deque(maxlen=spec.restarts_max + 1)
        self._restarting: list[_GroupRestart] = []
        self._tell_exit, self._exits = trio.open_memory_channel[_Child](CHILDREN_MAX)  # each is told once at most
        self._nursery: trio.Nursery
        self._is_open = False  # to further children
        self._status = Status.STARTING
        self._since_us = wall_us()

    async def run(self, lifeline: Lifeline) -> None:
        """Start all children, keep them running until `lifeline.stopping`, stop them. Raises `StartFailed`, `RestartStorm`."""
        end: StartFailed | RestartStorm | None = None
        async with trio.open_nursery() as self._nursery:
            self._is_open = True
            try:
                end = await self._govern(lifeline)
            finally:
                self._is_open = False
                with trio.CancelScope(shield=True):  # bounded: every stop is
                    await self._cancel_restarts(self._children)
                    await self._stop(self._children)
                self._status, self._since_us = Status.STOPPED, self._wall_us()
                self._nursery.cancel_scope.cancel()
        if end is not None:
            raise end

    def add(self, supervisor: str, spec: ChildSpec | SupervisorSpec) -> bool:
        """Start a further child, last in order, under the supervisor of that name, which may be this one or one below.

        It lives by that supervisor's policy until that supervisor ends, whose next start has its own children alone.
        False if no such supervisor runs or it has a child of that name.
        """
        if self.spec.name != supervisor:
            return any(child.supervisor.add(supervisor, spec) for child in self._children if child.supervisor)
        if not self._is_open or any(child.spec.name == spec.name for child in self._children):
            return False
        assert len(self._children) < CHILDREN_MAX
        child = _Child(spec, self._wall_us())
        self._children.append(child)
        restart = _GroupRestart([child])
        self._restarting.append(restart)
        self._nursery.start_soon(self._start_group, restart)
        return True

    def kill(self, name: str) -> bool:
        """End the named worker, anywhere below, as if it had crashed; False if none of that name runs."""
        for child in self._children:
            if child.supervisor is not None:
                if child.supervisor.kill(name):
                    return True
            elif child.spec.name == name and not child.done.is_set():
                self._crash(child, Killed(f"{name} was killed on request"))
                return True
        return False

    def node(self) -> NodeReport:
        """This supervisor's part of the tree; what it does not know of itself (restarts, errors), its parent does."""
        return NodeReport(
            name=self.spec.name,
            strategy=self.spec.strategy,
            status=self._status,
            since_us=self._since_us,
            restarts=0,
            last_error=None,
            mailbox=None,
            children=tuple(self._child_node(child) for child in self._children),
            budget=self._budget(),
        )

    def _budget(self) -> Budget:
        since = trio.current_time() - self.spec.period_s
        used = sum(at >= since for at, _ in self._restarted_at)
        return Budget(used, self.spec.restarts_max, self.spec.period_s)

    def _child_node(self, child: _Child) -> NodeReport:
        spec = child.spec
        mailbox = spec.mailbox() if isinstance(spec, ChildSpec) and spec.mailbox is not None else None
        below = child.supervisor.node() if child.supervisor is not None else None
        return NodeReport(
            name=spec.name,
            strategy=spec.strategy if isinstance(spec, SupervisorSpec) else None,
            status=child.status,
            since_us=child.since_us,
            restarts=child.restarts,
            last_error=child.last_error,
            mailbox=mailbox,
            children=below.children if below is not None else (),
            budget=below.budget if below is not None else None,
            backoff_until_us=child.backoff_until_us if child.status is Status.BACKOFF else None,
        )

    # -- deciding ------------------------------------------------------------------------------------------------------

    async def _govern(self, lifeline: Lifeline) -> StartFailed | RestartStorm | None:
        with trio.CancelScope() as governing:
            self._nursery.start_soon(_cancel_when, lifeline.stopping, governing)
            for child in tuple(self._children):  # one that is added meanwhile starts by itself
                try:
                    await self._start(child)
                except StartFailed as failure:
                    self._set_status(child, Status.FAILED, child.last_error)
                    return failure
            self._status, self._since_us = Status.RUNNING, self._wall_us()
            lifeline.started()
            async for child in self._exits:
                child.is_told = False
                if child.done.is_set() and not child.is_stopping and child.spec.restart.is_due(child.error):
                    storm = await self._on_failure(child)
                    if storm is not None:
                        return storm
        return None

    def _tell(self, child: _Child) -> None:
        """Let the governing task look at a child that ended; it finds the child as it is by then."""
        if not child.is_told:
            child.is_told = True
            self._tell_exit.send_nowait(child)

    async def _on_failure(self, child: _Child) -> RestartStorm | None:
        """Start a child's group again. Returns the storm instead if that would be once too often."""
        now = trio.current_time()
        self._restarted_at.append((now, f"{child.spec.name}: {child.last_error}"))
        recent = [what for at, what in self._restarted_at if now - at <= self.spec.period_s]
        if len(recent) > self.spec.restarts_max:
            self._set_status(child, Status.FAILED, child.last_error)
            bound = f"at most {self.spec.restarts_max} restarts in {self.spec.period_s:g} s"
            storm = RestartStorm(f"{self.spec.name}: {bound}, and now: {'; '.join(recent)}")
            storm.__cause__ = child.error
            return storm
        child.streak = 1 if child.ran_s >= self.spec.healthy_s else child.streak + 1
        group = self._bound_to(child)
        await self._cancel_restarts(group)
        for member in group:
            member.is_stopping = True
        restart = _GroupRestart(group)
        self._restarting.append(restart)
        self._nursery.start_soon(self._start_group, restart, child)
        return None

    def _bound_to(self, child: _Child) -> Sequence[_Child]:
        """Who restarts with this child, in start order; temporary siblings are stopped for good."""
        match self.spec.strategy:
            case Strategy.ONE_FOR_ONE:
                return [child]
            case Strategy.REST_FOR_ONE:
                return self._children[self._children.index(child) :]
            case Strategy.ONE_FOR_ALL:
                return list(self._children)

    async def _start_group(self, restart: _GroupRestart, after: _Child | None = None) -> None:
        """Start a group in order. After a child's failure: stop what still runs of it and wait out the backoff before.

        A failed start is told as an exit.
        """
        try:
            with restart.scope:
                if after is not None:
                    await self._stop(restart.group, is_for_good=False)
                    delay_s = self.spec.backoff.delay_s(after.streak, self._rng)
                    after.backoff_until_us = self._wall_us() + int(delay_s * 1e6)
                    await trio.sleep(delay_s)
                for child in restart.group:
                    if after is not None:
                        if child.spec.restart is Restart.TEMPORARY:
                            continue
                        child.restarts += 1
                    try:
                        await self._start(child)
                    except StartFailed as failure:
                        log.warning("start failed", actor=child.spec.name, error=str(failure))
                        child.is_stopping = False
                        self._set_status(child, Status.BACKOFF, child.last_error)
                        self._tell(child)
                        break
        finally:
            self._restarting.remove(restart)
            restart.done.set()

    async def _cancel_restarts(self, group: Iterable[_Child]) -> None:
        """End every restart under way that touches the group, and wait until it has ended."""
        members = set(group)
        for restart in [restart for restart in self._restarting if not members.isdisjoint(restart.group)]:
            restart.scope.cancel()
            await restart.done.wait()

    # -- one child -----------------------------------------------------------------------------------------------------

    async def _start(self, child: _Child) -> None:
        """Start one child and wait until it is ready. Raises `StartFailed`, the child having ended.

        If cancelled, the child is left as it is: whoever cancels a start stops the group next.
        """
        spec = child.spec
        child.begin()
        self._set_status(child, Status.STARTING)
        self._nursery.start_soon(self._host, child, name=spec.name)
        with trio.move_on_after(spec.start_s):
            await child.lifeline.settled.wait()
        if child.lifeline.is_started:
            if not child.done.is_set():
                self._set_status(child, Status.RUNNING)
                if isinstance(spec, ChildSpec) and spec.heartbeat_s is not None:
                    self._nursery.start_soon(self._watch_heartbeat, child, spec.heartbeat_s)
            return
        if not child.done.is_set():
            child.error = StartFailed(f"{spec.name} was not ready within {spec.start_s:g} s")
            await self._end(child)
        elif child.error is None:
            if spec.restart is not Restart.PERMANENT:  # it had nothing to do
                self._set_status(child, Status.STOPPED)
                return
            child.error = StartFailed(f"{spec.name} ended before it was ready")
        child.last_error = self._say(child.error)
        msg = f"{spec.name} did not start: {child.last_error}"
        raise StartFailed(msg) from child.error

    async def _host(self, child: _Child) -> None:
        """Run one start of one child to its end, whatever that is, and say so."""
        try:
            with child.scope:
                await self._runner(child)(child.lifeline)
        except* Exception as group:
            error = group.exceptions[0] if len(group.exceptions) == 1 else group
            trace = None if isinstance(error, TraderError) else error  # an error that we foresaw needs no traceback
            log.error("actor failed", actor=child.spec.name, error=self._say(error), exc_info=trace)
            child.error = child.error or error
        finally:
            if trio.current_effective_deadline() == -math.inf:  # we are cancelled as a whole
                child.is_stopping = True
            self._note_end(child)

    def _note_end(self, child: _Child) -> None:
        child.supervisor = None
        child.ran_s = trio.current_time() - child.lifeline.started_at
        child.done.set()
        is_due = child.spec.restart.is_due(child.error)
        if child.error is not None:
            child.last_error = self._say(child.error)
        elif is_due and not child.is_stopping:
            child.last_error = "ended"
        if child.lifeline.is_started and not child.is_stopping:
            if is_due:
                self._set_status(child, Status.BACKOFF, child.last_error)
            elif child.error is not None:
                self._set_status(child, Status.FAILED, child.last_error)
            else:
                self._set_status(child, Status.STOPPED)
            self._tell(child)
        child.lifeline.settled.set()

    def _runner(self, child: _Child) -> Callable[[Lifeline], Awaitable[None]]:
        spec = child.spec
        if isinstance(spec, ChildSpec):
            return spec.run
        child.supervisor = Supervisor(
            spec, wall_us=self._wall_us, rng=self._rng, report=self._report, abort=self._abort, say=self._say
        )
        return child.supervisor.run

    async def _watch_heartbeat(self, child: _Child, period_s: float) -> None:
        lifeline, done = child.lifeline, child.done
        while not done.is_set() and not lifeline.stopping.is_set():
            due = lifeline.last_beat + period_s
            if trio.current_time() > due:  # perhaps nobody ran: those whose time has come have their turn first
                with trio.move_on_after(LAST_CHANCE_S):
                    await done.wait()
                if done.is_set() or lifeline.last_beat + period_s > due:
                    continue
            if trio.current_time() >= due:
                log.error("heartbeat lost", actor=child.spec.name, period_s=period_s)
                self._crash(child, HeartbeatLost(f"{child.spec.name} has shown no life for {period_s:g} s"))
                return
            with trio.CancelScope(deadline=due):
                await done.wait()

    def _crash(self, child: _Child, error: Exception) -> None:
        """End one child as if it had failed with `error`."""
        child.error = child.error or error
        child.scope.cancel()
        self._nursery.start_soon(self._wait_or_abort, child.spec, child.done)

    async def _stop(self, group: Sequence[_Child], *, is_for_good: bool = True) -> None:
        """End the children of the group, last started first. Bounded by the sum of their `stop_s`."""
        for child in reversed(group):
            await self._end(child)
            if not is_for_good and child.spec.restart is not Restart.TEMPORARY:
                self._set_status(child, Status.BACKOFF)
            elif child.status is not Status.FAILED:
                self._set_status(child, Status.STOPPED)

    async def _end(self, child: _Child) -> None:
        """Ask one child to stop, cancel it after its grace, and wait until it has ended."""
        if child.done.is_set():
            return
        child.is_stopping = True
        child.lifeline.stopping.set()
        with trio.move_on_after(child.spec.grace_s):
            await child.done.wait()
        child.scope.cancel()
        await self._wait_or_abort(child.spec, child.done)

    async def _wait_or_abort(self, spec: ChildSpec | SupervisorSpec, done: trio.Event) -> None:
        with trio.move_on_after(spec.cancel_s):
            await done.wait()
            return
        self._abort(f"{spec.name} did not end within {spec.cancel_s:g} s of its cancellation")

    def _set_status(self, child: _Child, status: Status, error: str | None = None) -> None:
        if child.status is status:
            return
        child.status = status
        child.since_us = self._wall_us()
        self._report(ActorChanged(child.spec.name, status, child.restarts, error, child.since_us))


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def supervise(
    spec: SupervisorSpec,
    stopping: trio.Event,
    *,
    wall_us: Callable[[], int],
    rng: random.Random,
    report: Report,
    abort: Abort,
    say: Describe = describe,
    on_made: Callable[[Supervisor], None] = lambda _: None,
) -> None:
    """Run a root supervisor until `stopping` is set. `on_made` gets it before it starts. Raises what it escalates with."""
    supervisor = Supervisor(spec, wall_us=wall_us, rng=rng, report=report, abort=abort, say=say)
    on_made(supervisor)
    await supervisor.run(Lifeline(stopping=stopping))
