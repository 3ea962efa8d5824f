"""The supervisor: starts children in order, starts them again by policy, stops them in reverse, or gives up and says why.

    STARTING --started()--> RUNNING --ended, no restart due--> STOPPED | FAILED
        ^                      | ended, restart due
        +------- delay --- BACKOFF         more than restarts_max in period_s: everything stops, RestartStorm

One task governs: it reads exits one by one and starts one restart task per group of children that the strategy binds
together; a later exit that reaches into a group under restart replaces that restart. Cancellation always passes.
Never: an unbounded wait. A child that survives its cancellation cannot be abandoned in Trio, so the process ends.
This is one of the two doors at which `Exception` is caught.
"""

import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog
import trio

from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import (
    ActorChanged,
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
from traderv3.domain.errors import RestartStorm

Report = Callable[[ActorChanged], None]
Abort = Callable[[str], None]  # end the process now; returns only in tests

log = structlog.get_logger(component="supervisor")


def describe(error: BaseException) -> str:
    """One line for a person: the innermost cause's type and message."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class _Child:
    """One child's specification and life so far."""

    def __init__(self, spec: ChildSpec | SupervisorSpec, since_us: int) -> None:
        self.spec = spec
        self.status = Status.STOPPED
        self.since_us = since_us
        self.restarts = 0
        self.streak = 0  # failures in a row, without a healthy interval between them
        self.last_error: str | None = None
        self.run_no = 0
        self.started_at = 0.0
        self.supervisor: Supervisor | None = None
        self.lifeline: Lifeline | None = None
        self.scope = trio.CancelScope()
        self.error: BaseException | None = None
        self.is_stopping = False
        self.done = trio.Event()
        self.done.set()


class Supervisor:
    """Runs one `SupervisorSpec`. Is itself a child's `run`: nested supervisors are children like others.

    `wall_us` gives microseconds since the epoch, `rng` the jitter; `report` is told every change of status and must
    not wait; `abort` ends the process when a child cannot be stopped.
    """

    def __init__(
        self,
        spec: SupervisorSpec,
        *,
        wall_us: Callable[[], int],
        rng: random.Random,
        report: Report,
        abort: Abort,
    ) -> None:
        self.spec = spec
        self._wall_us = wall_us
        self._rng = rng
        self._report = report
        self._abort = abort
        self._children = [_Child(child, wall_us()) for child in spec.children]
        self._restarted_at: deque[tuple[float, str]] = deque(maxlen=spec.restarts_max + 1)
        self._restarting: dict[trio.CancelScope, tuple[Sequence[_Child], trio.Event]] = {}
        self._tell_exit, self._exits = trio.open_memory_channel[tuple[_Child, int]](2 * len(spec.children) + 1)

    async def run(self, lifeline: Lifeline) -> None:
        """Start all children, keep them running until `lifeline.stopping`, stop them. Raises `StartFailed`, `RestartStorm`."""
        end: StartFailed | RestartStorm | None = None
        async with trio.open_nursery() as nursery:
            try:
                end = await self._govern(nursery, lifeline)
            finally:
                with trio.CancelScope(shield=True):  # bounded: every stop is
                    await self._cancel_restarts(self._children)
                    await self._stop(self._children)
                nursery.cancel_scope.cancel()
        if end is not None:
            raise end

    def kill(self, name: str) -> bool:
        """End the named worker, anywhere below, as if it had crashed; False if none of that name runs."""
        for child in self._children:
            if child.supervisor is not None:
                if child.supervisor.kill(name):
                    return True
            elif child.spec.name == name and not child.done.is_set():
                child.error = Killed(f"{name} was killed on request")
                child.scope.cancel()
                return True
        return False

    def node(self) -> NodeReport:
        """This supervisor's part of the tree, as running; its parent knows better once it has ended."""
        return NodeReport(
            name=self.spec.name,
            strategy=self.spec.strategy,
            status=Status.RUNNING,
            since_us=min((child.since_us for child in self._children), default=0),
            restarts=0,
            last_error=None,
            mailbox=None,
            children=tuple(self._child_node(child) for child in self._children),
        )

    def _child_node(self, child: _Child) -> NodeReport:
        spec = child.spec
        mailbox = spec.mailbox() if isinstance(spec, ChildSpec) and spec.mailbox is not None else None
        return NodeReport(
            name=spec.name,
            strategy=spec.strategy if isinstance(spec, SupervisorSpec) else None,
            status=child.status,
            since_us=child.since_us,
            restarts=child.restarts,
            last_error=child.last_error,
            mailbox=mailbox,
            children=child.supervisor.node().children if child.supervisor is not None else (),
        )

    async def _govern(self, nursery: trio.Nursery, lifeline: Lifeline) -> StartFailed | RestartStorm | None:
        with trio.CancelScope() as governing:
            nursery.start_soon(_cancel_when, lifeline.stopping, governing)
            for child in self._children:
                try:
                    await self._start(nursery, child)
                except StartFailed as failure:
                    return failure
            lifeline.started()
            async for child, run_no in self._exits:
                if child.run_no == run_no and child.done.is_set() and not child.is_stopping:
                    storm = await self._on_exit(nursery, child)
                    if storm is not None:
                        return storm
        return None

    async def _on_exit(self, nursery: trio.Nursery, child: _Child) -> RestartStorm | None:
        """Decide what one child's end means. Returns the storm if it was one too many."""
        error = child.error
        if not child.spec.restart.is_due(error):
            self._set_status(child, Status.STOPPED if error is None else Status.FAILED)
            return None
        now = trio.current_time()
        self._restarted_at.append((now, f"{child.spec.name}: {child.last_error or 'ended'}"))
        recent = [what for at, what in self._restarted_at if now - at <= self.spec.period_s]
        if len(recent) > self.spec.restarts_max:
            self._set_status(child, Status.FAILED)
            bound = f"at most {self.spec.restarts_max} restarts in {self.spec.period_s:g} s"
            msg = f"{self.spec.name}: {bound}, and now: {'; '.join(recent)}"
            storm = RestartStorm(msg)
            storm.__cause__ = error
            return storm
        if now - child.started_at >= self.spec.healthy_s:
            child.streak = 0
        child.streak += 1
        group = self._bound_to(child)
        await self._cancel_restarts(group)
        await nursery.start(self._restart, nursery, group, child)
        return None

    def _bound_to(self, child: _Child) -> Sequence[_Child]:
        """Who restarts with this child, in start order; temporary siblings are stopped for good."""
        match self.spec.strategy:
            case Strategy.ONE_FOR_ONE:
                return [child]
            case Strategy.REST_FOR_ONE:
                return self._children[self._children.index(child) :]
            case Strategy.ONE_FOR_ALL:
                return self._children

    async def _restart(
        self,
        nursery: trio.Nursery,
        group: Sequence[_Child],
        cause: _Child,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Stop what still runs of the group, wait out the backoff, start it in order. A failed start is told as an exit."""
        done = trio.Event()
        with trio.CancelScope() as scope:
            self._restarting[scope] = (group, done)
            try:
                task_status.started()
                await self._stop(group)
                revived = [c for c in group if c is cause or c.spec.restart is not Restart.TEMPORARY]
                for child in revived:
                    self._set_status(child, Status.BACKOFF)
                await trio.sleep(self.spec.backoff.delay_s(cause.streak, self._rng))
                for child in revived:
                    child.restarts += 1
                    try:
                        await self._start(nursery, child)
                    except StartFailed as failure:
                        log.warning("start failed", actor=child.spec.name, error=str(failure))
                        self._tell_exit.send_nowait((child, child.run_no))
                        break
            finally:
                del self._restarting[scope]
                done.set()

    async def _cancel_restarts(self, group: Iterable[_Child]) -> None:
        """End every restart under way that touches the group, and wait until it has ended."""
        members = set(group)
        touching = [(scope, done) for scope, (others, done) in self._restarting.items() if members & set(others)]
        for scope, done in touching:
            scope.cancel()
            await done.wait()

    async def _start(self, nursery: trio.Nursery, child: _Child) -> None:
        """Start one child and wait until it is ready. Raises `StartFailed`, the child being stopped."""
        spec = child.spec
        child.run_no += 1
        child.lifeline = Lifeline()
        child.scope = trio.CancelScope()
        child.error = None
        child.is_stopping = False
        child.done = trio.Event()
        child.started_at = trio.current_time()
        self._set_status(child, Status.STARTING)
        nursery.start_soon(self._host, child, child.lifeline, child.scope, child.done, child.run_no, name=spec.name)
        try:
            with trio.fail_after(spec.start_s):
                await child.lifeline.settled.wait()
        except trio.TooSlowError:
            child.error = StartFailed(f"{spec.name} was not ready within {spec.start_s:g} s")
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await self._stop([child])
            raise
        if not child.lifeline.is_started and child.error is None:  # it returned
            if spec.restart is not Restart.PERMANENT:
                self._set_status(child, Status.STOPPED)
                return
            child.error = StartFailed(f"{spec.name} ended before it was ready")
        if not child.lifeline.is_started:
            failure = child.error
            assert failure is not None
            with trio.CancelScope(shield=True):
                await self._stop([child])
            child.error, child.last_error, child.is_stopping = failure, describe(failure), False
            self._set_status(child, Status.FAILED)
            raise StartFailed(f"{spec.name} did not start: {child.last_error}") from failure
        if not child.done.is_set():
            self._set_status(child, Status.RUNNING)
            if isinstance(spec, ChildSpec) and spec.heartbeat_s is not None:
                nursery.start_soon(self._watch_heartbeat, child, spec.heartbeat_s)

    async def _host(
        self, child: _Child, lifeline: Lifeline, scope: trio.CancelScope, done: trio.Event, run_no: int
    ) -> None:
        """Run one start of one child to its end, and tell the governing task."""
        with scope:
            try:
                await self._runner(child)(lifeline)
            except Exception as exc:
                if child.error is None:
                    child.error = exc
                log.error("actor failed", actor=child.spec.name, error=describe(exc), exc_info=exc)
        child.supervisor = None
        if child.error is not None:
            child.last_error = describe(child.error)
        done.set()
        if lifeline.is_started and not child.is_stopping:
            self._tell_exit.send_nowait((child, run_no))
        lifeline.settled.set()

    def _runner(self, child: _Child) -> Callable[[Lifeline], Awaitable[None]]:
        spec = child.spec
        if isinstance(spec, ChildSpec):
            return spec.run
        child.supervisor = Supervisor(
            spec, wall_us=self._wall_us, rng=self._rng, report=self._report, abort=self._abort
        )
        return child.supervisor.run

    async def _watch_heartbeat(self, child: _Child, period_s: float) -> None:
        lifeline, scope, done = child.lifeline, child.scope, child.done
        assert lifeline is not None
        while not done.is_set():
            silent_s = trio.current_time() - lifeline.last_beat
            if silent_s > period_s:
                child.error = HeartbeatLost(f"{child.spec.name} has shown no life for {silent_s:.1f} s")
                log.error("heartbeat lost", actor=child.spec.name, silent_s=round(silent_s, 1))
                scope.cancel()
                await self._wait_or_abort(child)
                return
            with trio.move_on_after(period_s - silent_s + 0.001):
                await done.wait()

    async def _stop(self, group: Sequence[_Child]) -> None:
        """Stop the running children of the group, last started first. Bounded by the sum of their `stop_s`."""
        for child in reversed(group):
            if child.done.is_set():
                continue
            child.is_stopping = True
            assert child.lifeline is not None
            child.lifeline.stopping.set()
            grace_s = child.spec.grace_s if isinstance(child.spec, ChildSpec) else child.spec.stop_s
            if grace_s:
                with trio.move_on_after(grace_s):
                    await child.done.wait()
            child.scope.cancel()
            await self._wait_or_abort(child)
            self._set_status(child, Status.STOPPED)

    async def _wait_or_abort(self, child: _Child) -> None:
        limit_s = child.spec.cancel_s if isinstance(child.spec, ChildSpec) else child.spec.stop_s
        with trio.move_on_after(limit_s, shield=True):
            await child.done.wait()
            return
        self._abort(f"{child.spec.name} did not end within {limit_s:g} s of its cancellation")

    def _set_status(self, child: _Child, status: Status) -> None:
        if child.status is status:
            return
        child.status = status
        child.since_us = self._wall_us()
        error = child.last_error if status in (Status.BACKOFF, Status.FAILED) else None
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
    on_made: Callable[[Supervisor], None] = lambda _: None,
) -> None:
    """Run a root supervisor until `stopping` is set. `on_made` gets it before it starts. Raises what it escalates with."""
    supervisor = Supervisor(spec, wall_us=wall_us, rng=rng, report=report, abort=abort)
    on_made(supervisor)
    await supervisor.run(Lifeline(stopping=stopping))
