"""Any schedule of starts, crashes, kills and stops, in any order of Trio's scheduler: what holds of all of them.

Times lie on a coarse grid, so that much happens at the same instant. Nothing here knows how the supervisor works.
"""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.core.stage import Act, Crash, Stage, scheduler_random, tree
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff, NodeReport, Restart, StartFailed, Status, Strategy, SupervisorSpec
from traderv3.domain.errors import RestartStorm

QUIET_S = 500.0  # longer than every script together
STOP_S = 60.0  # more than any ordered stop of the trees below may take
OFF_GRID_S = 0.25
NAMES = "abcdef"


@dataclass(frozen=True)
class Life:
    """One life of an actor: None for never ready, or for living until it is stopped."""

    ready_s: float | None
    lives_s: float | None
    is_crash: bool
    linger_s: float  # how long it takes to end once cancelled


GOOD = Life(ready_s=0.0, lives_s=None, is_crash=False, linger_s=0.0)


@dataclass(frozen=True)
class Cast:
    """One actor's script and kind."""

    lives: tuple[Life, ...]
    restart: Restart
    grace_s: float


@dataclass(frozen=True)
class Schedule:
    """One run of the world."""

    strategy: Strategy
    cast: tuple[Cast, ...]
    nested: tuple[int, int] | None  # these of the cast have a supervisor of their own
    backoff_s: float
    kills: tuple[tuple[float, int], ...]
    stop_at_s: float
    is_cancelled: bool  # the end comes by cancellation from outside
    restarts_max: int
    seed: int


seconds = st.sampled_from([0.0, 0.5, 1.0])
lives = st.builds(
    Life,
    ready_s=st.sampled_from([0.0, 0.0, 0.5, 1.0, None]),
    lives_s=st.sampled_from([0.0, 0.5, 1.0, 2.0, None]),
    is_crash=st.booleans(),
    linger_s=seconds,
)
casts = st.builds(
    Cast,
    lives=st.lists(lives, max_size=4).map(
        lambda some: (GOOD, *some) if some and some[0].ready_s is None else tuple(some)
    ),
    restart=st.sampled_from([Restart.PERMANENT, Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY]),
    grace_s=seconds,
)
schedules = st.builds(
    Schedule,
    strategy=st.sampled_from(Strategy),
    cast=st.lists(casts, min_size=1, max_size=4).map(tuple),
    nested=st.none() | st.just((1, 3)),
    backoff_s=seconds,
    kills=st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0]), st.integers(0, 3)), max_size=4).map(
        tuple
    ),
    stop_at_s=st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, QUIET_S])
    | st.integers(0, 9).map(lambda steps: steps / 2 + OFF_GRID_S),
    is_cancelled=st.booleans(),
    restarts_max=st.sampled_from([0, 1, 2, 10_000]),
    seed=st.integers(0, 2**32),
)


class World:
    """The schedule played; asserts in passing that nobody is on stage twice (`Stage.actor`)."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.stage = Stage()
        self.own_ends: Counter[str] = Counter()  # ends that nobody asked for
        self.ended_on_request: list[str] = []

    def act(self, name: str, life: Life) -> Act:
        """Play one life and note how it ended."""

        async def play(lifeline: Lifeline) -> None:
            try:
                try:
                    await trio.sleep(or_for_ever(life.ready_s))
                    lifeline.started()
                    await trio.sleep(or_for_ever(life.lives_s))
                except trio.Cancelled:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(life.linger_s)
                    raise
                if life.is_crash:
                    raise Crash("as written")
            finally:
                if lifeline.stopping.is_set() and lifeline.is_started:
                    self.ended_on_request.append(name)
                else:
                    self.own_ends[name] += 1

        return play

    def spec(self) -> SupervisorSpec:
        """The tree of the schedule."""
        schedule = self.schedule
        supervised = partial(
            tree,
            strategy=schedule.strategy,
            restarts_max=schedule.restarts_max,
            backoff=Backoff(first_s=schedule.backoff_s, most_s=schedule.backoff_s, jitter=0.5),
        )
        children = [
            self.stage.actor(
                name,
                *(self.act(name, life) for life in (*cast.lives, GOOD)),
                restart=cast.restart,
                grace_s=cast.grace_s,
                cancel_s=2.0,
                start_s=1.5,
            )
            for name, cast in zip(NAMES, schedule.cast, strict=False)
        ]
        if schedule.nested is None:
            return supervised(*children)
        first, last = schedule.nested
        inner = supervised(*children[first:last], name="inner")
        return supervised(*children[:first], inner, *children[last:])


def or_for_ever(wait_s: float | None) -> float:
    """None is for ever, as seconds."""
    return float("inf") if wait_s is None else wait_s


def workers(node: NodeReport) -> list[NodeReport]:
    """The leaves below a node."""
    return [leaf for child in node.children for leaf in (workers(child) if child.strategy else [child])]


async def play(schedule: Schedule) -> None:
    """Run the schedule to its end and assert what holds of every one."""
    scheduler_random.seed(schedule.seed)
    world = World(schedule)
    stage = world.stage
    with trio.CancelScope() as scope:
        async with stage.running(world.spec()) as root, trio.open_nursery() as nursery:
            last_tree = root.node()
            for at_s, index in schedule.kills:
                nursery.start_soon(kill_at, root.kill, at_s, NAMES[index])
            with trio.move_on_after(schedule.stop_at_s):
                await stage.ended.wait()
            last_tree = root.node()
            stopped_at = trio.current_time()
            on_request_before = len(world.ended_on_request)
            ends_before = world.own_ends.copy()
            starts_before = len(stage.log)
            nursery.cancel_scope.cancel()
            if schedule.is_cancelled:
                scope.cancel()

    assert not stage.aborts
    assert not +stage.alive
    assert stage.ended_at is None or stage.ended_at <= schedule.stop_at_s + STOP_S
    assert trio.current_time() - stopped_at <= STOP_S
    assert all(not entry.startswith("+") for entry in stage.log[starts_before:]) or schedule.stop_at_s < QUIET_S
    assert_order(world, on_request_before)
    assert_statuses(stage)
    if schedule.stop_at_s == QUIET_S and stage.ended_with is None:
        assert_settled(world, last_tree, ends_before)
    if schedule.restarts_max == 10_000:
        assert not isinstance(stage.ended_with, RestartStorm)
    if all(cast.lives[:1] == () or cast.lives[0].ready_s is not None for cast in schedule.cast) and not schedule.kills:
        assert not isinstance(stage.ended_with, StartFailed)


async def kill_at(kill: Callable[[str], bool], at_s: float, name: str) -> None:
    """Kill a worker at a time, if it runs then."""
    await trio.sleep(at_s)
    kill(name)


def assert_order(world: World, before: int) -> None:
    """First starts are in the order of the tree; what a stop ended, it ended in reverse.

    Not said of a cancellation (all at once), of a branch that gives up at the same time, and of a restart in the same
    instant as the stop, which is why some stops lie off the grid.
    """
    first_starts = list(dict.fromkeys(entry[1] for entry in world.stage.log if entry.startswith("+")))
    assert first_starts == sorted(first_starts)
    schedule = world.schedule
    if not schedule.is_cancelled and schedule.nested is None and schedule.stop_at_s % 0.5 == OFF_GRID_S:
        stopped = world.ended_on_request[before:]
        assert stopped == sorted(stopped, reverse=True)


def assert_statuses(stage: Stage) -> None:
    """Nobody is left in a status that only a running supervisor can mean; restarts are counted one by one."""
    for name in stage.starts:
        reports = [report for report in stage.reports if report.name == name]
        assert reports[-1].status in {Status.STOPPED, Status.FAILED}
        starting = [report for report in reports if report.status is Status.STARTING]
        assert len(starting) == stage.starts[name]
        assert all(one.status is not two.status for one, two in itertools.pairwise(reports))


def assert_settled(world: World, root: NodeReport, ends: Counter[str]) -> None:
    """When all scripts are played, whoever must run does, and every restart was counted."""
    schedule = world.schedule
    kinds = {name: cast.restart for name, cast in zip(NAMES, schedule.cast, strict=False)}
    allowed = {
        Restart.PERMANENT: {Status.RUNNING},
        Restart.TRANSIENT: {Status.RUNNING, Status.STOPPED},
        Restart.TEMPORARY: {Status.RUNNING, Status.STOPPED, Status.FAILED},
    }
    for node in workers(root):
        assert node.status in allowed[kinds[node.name]], node
        if schedule.nested is None:
            assert node.restarts == world.stage.starts[node.name] - 1
            if schedule.strategy is Strategy.ONE_FOR_ONE and kinds[node.name] is Restart.PERMANENT:
                assert node.restarts == ends[node.name]
        if kinds[node.name] is Restart.TEMPORARY:
            assert node.restarts == 0
    assert_nested_restarts(world.stage, root)


def assert_nested_restarts(stage: Stage, root: NodeReport) -> None:
    """A supervisor within the tree is running, and was started as often as the tree says."""
    for node in root.children:
        if node.strategy is not None:
            assert node.status is Status.RUNNING
            assert stage.statuses(node.name).count(Status.STARTING) == node.restarts + 1


@settings(max_examples=max(600, settings().max_examples))
@given(schedule=schedules)
def test_whatever_happens_nobody_outlives_nobody_is_doubled_and_everything_is_counted(schedule: Schedule) -> None:
    trio.run(play, schedule, clock=MockClock(autojump_threshold=0))


def test_a_stop_in_the_wrong_order_would_be_noticed() -> None:
    world = World(
        Schedule(Strategy.ONE_FOR_ONE, (), None, 0.0, (), OFF_GRID_S, is_cancelled=False, restarts_max=0, seed=0)
    )
    world.ended_on_request.extend("ab")

    with pytest.raises(AssertionError):
        assert_order(world, 0)
