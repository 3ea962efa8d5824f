"""Starting, stopping, giving up, and everything that may happen at the same time, on a virtual clock."""

import random
from collections.abc import MutableMapping
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.core.stage import (
    Crash,
    Stage,
    crash_early,
    crashing,
    deaf,
    find,
    in_order,
    lingering,
    never_ready,
    returning,
    scheduler_random,
    shape,
    slow,
    stay,
    tree,
)
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import (
    Backoff,
    HeartbeatLost,
    Restart,
    StartFailed,
    Status,
    Strategy,
)
from traderv3.core.supervisor import Supervisor, describe
from traderv3.domain.errors import RestartStorm

pytestmark = pytest.mark.usefixtures("scheduler_seed")


# -- starting ----------------------------------------------------------------------------------------------------------


async def test_the_next_child_starts_only_once_the_one_before_is_ready(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(stage.actor("a", slow(3)), stage.actor("b", slow(2)), stage.actor("c"))

    async with stage.running(spec):
        await trio.sleep(10)

    assert [stage.at(f"+{name}") for name in "abc"] == [[0], [3], [5]]


async def test_the_tree_tells_the_truth_while_it_starts(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(stage.actor("a"), stage.actor("b", slow(3)), stage.actor("c"))

    async with stage.running(spec) as root:
        await trio.sleep(1)
        starting = root.node()
        await trio.sleep(3)
        running = root.node()
    stopped = root.node()

    assert starting.status is Status.STARTING
    assert shape(starting) == {"a": Status.RUNNING, "b": Status.STARTING, "c": Status.STOPPED}
    assert running.status is Status.RUNNING
    assert running.since_us == 3_000_000
    assert shape(running) == dict.fromkeys("abc", Status.RUNNING)
    assert [child.since_us for child in running.children] == [0, 3_000_000, 3_000_000]
    assert stopped.status is Status.STOPPED
    assert shape(stopped) == dict.fromkeys("abc", Status.STOPPED)


async def test_a_failed_start_rolls_back_in_reverse_and_says_why(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(stage.actor("a"), stage.actor("b"), stage.actor("c", crash_early), stage.actor("d"))

    async with stage.running(spec):
        await trio.sleep(1)

    assert stage.log == ["+a", "+b", "+c", "-c", "-b", "-a"]
    assert isinstance(stage.ended_with, StartFailed)
    assert str(stage.ended_with) == "c did not start: Crash: early"
    assert isinstance(stage.ended_with.__cause__, Crash)


async def test_a_child_that_is_ready_exactly_in_time_carries_no_error(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(stage.actor("a", slow(2, returning(1)), start_s=2, restart=Restart.TRANSIENT))

    async with stage.running(spec) as root:
        await trio.sleep(4)
        node = find(root.node(), "a")

    if stage.ended_with is None:  # which of the two is first at the same instant is the scheduler's choice
        assert (node.status, node.last_error, stage.starts["a"]) == (Status.STOPPED, None, 1)
    else:
        assert isinstance(stage.ended_with, StartFailed)


async def test_an_early_end_of_one_child_while_a_later_one_starts_is_shown_at_once(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(stage.actor("a", crashing(1), stay), stage.actor("b", slow(5)))

    async with stage.running(spec) as root:
        await trio.sleep(2)
        before = shape(root.node())
        await trio.sleep(5)
        after = shape(root.node())

    assert before == {"a": Status.BACKOFF, "b": Status.STARTING}
    assert after == {"a": Status.RUNNING, "b": Status.RUNNING}
    assert stage.at("+a") == [0, 6]


# -- children that are added later -------------------------------------------------------------------------------------


async def test_a_child_added_later_starts_last_and_lives_by_the_same_policy(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(stage.actor("a"))

    async with stage.running(spec) as root:
        await trio.sleep(1)
        is_added = root.add("root", stage.actor("b", crashing(2), stay))
        await trio.sleep(10)
        node = root.node()

    assert is_added
    assert stage.at("+b") == [1, 4]
    assert [child.name for child in node.children] == ["a", "b"]
    assert find(node, "b").restarts == 1
    assert stage.log[-2:] == ["-b", "-a"]


async def test_a_child_is_added_to_a_supervisor_at_any_depth_once(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(tree(stage.actor("a"), name="room"))

    async with stage.running(spec) as root:
        await trio.sleep(1)
        answers = [root.add(where, stage.actor("b")) for where in ("room", "room", "nowhere")]
        await trio.sleep(1)
        children = [child.name for child in root.node().children[0].children]
    too_late = root.add("room", stage.actor("c"))

    assert answers == [True, False, False]
    assert children == ["a", "b"]
    assert stage.starts["b"] == 1
    assert not too_late


async def test_a_child_may_add_a_sibling_while_the_others_still_start(autojump_clock: MockClock) -> None:
    stage = Stage()
    made: list[Supervisor] = []

    async def adding(lifeline: Lifeline) -> None:
        made[0].add("root", stage.actor("late"))
        await stay(lifeline)

    spec = tree(stage.actor("a", slow(1, adding)), stage.actor("b", slow(3)))

    async with stage.running(spec) as root:
        made.append(root)
        await trio.sleep(5)
        statuses = shape(root.node())

    assert stage.starts == {"a": 1, "b": 1, "late": 1}
    assert statuses == dict.fromkeys(["a", "b", "late"], Status.RUNNING)


async def test_a_storm_counts_added_children_and_the_next_start_has_none_of_them(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(tree(stage.actor("a"), name="room", restarts_max=1))

    async with stage.running(spec) as root:
        root.add("room", stage.actor("b", crashing(1)))
        await trio.sleep(20)
        children = [child.name for child in root.node().children[0].children]

    assert stage.starts["b"] == 2
    assert stage.starts["a"] == 2
    assert children == ["a"]


async def test_a_stop_while_an_added_child_starts_leaves_nothing(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(stage.actor("a"))

    async with stage.running(spec) as root:
        root.add("root", stage.actor("b", slow(5)))
        await trio.lowlevel.checkpoint()

    assert stage.alive["b"] == 0


# -- stopping ----------------------------------------------------------------------------------------------------------


async def test_a_stop_goes_in_reverse_each_child_with_its_grace_then_a_cancel(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(
        stage.actor("stubborn", grace_s=2),
        stage.actor("polite", lingering(1), grace_s=3),
        stage.actor("abrupt", lingering(1)),
    )

    async with stage.running(spec):
        await trio.sleep(10)

    assert stage.at("-abrupt") == [10]  # no grace: cancelled at once
    assert stage.at("-polite") == [11]  # ended by itself within its grace
    assert stage.at("-stubborn") == [13]  # cancelled after its grace
    assert stage.ended_at == 13
    assert all(statuses[-1] is Status.STOPPED for statuses in map(stage.statuses, ("stubborn", "polite", "abrupt")))


async def test_a_child_that_ends_with_an_error_while_it_is_stopped_is_not_started_again(
    autojump_clock: MockClock,
) -> None:
    async def sore_loser(lifeline: Lifeline) -> None:
        lifeline.started()
        await lifeline.stopping.wait()
        raise Crash("sore")

    stage = Stage()
    spec = tree(stage.actor("a"), stage.actor("b", sore_loser, grace_s=1), strategy=Strategy.ONE_FOR_ALL)

    async with stage.running(spec) as root:
        await trio.sleep(1)

    assert stage.ended_with is None
    assert stage.log == ["+a", "+b", "-b", "-a"]
    assert stage.statuses("b") == [Status.STARTING, Status.RUNNING, Status.STOPPED]
    assert find(root.node(), "b").last_error == "Crash: sore"


@pytest.mark.parametrize("grace_s", [0.0, 2.0])
async def test_a_child_that_survives_its_cancellation_ends_the_process(
    autojump_clock: MockClock, grace_s: float
) -> None:
    release = trio.Event()
    stage = Stage()
    stage.on_abort = release.set
    spec = tree(stage.actor("a"), stage.actor("b", deaf(release), grace_s=grace_s, cancel_s=3))

    async with stage.running(spec):
        await trio.sleep(1)

    assert stage.aborts == [("b did not end within 3 s of its cancellation", 4 + grace_s)]


async def test_a_child_that_swallows_every_cancellation_ends_the_process(autojump_clock: MockClock) -> None:
    stage = Stage()
    is_over = False

    async def swallow(lifeline: Lifeline) -> None:
        lifeline.started()
        while not is_over:
            with trio.CancelScope() as scope:
                scope.shield = True
                await trio.sleep(0.5)

    def end() -> None:
        nonlocal is_over
        is_over = True

    stage.on_abort = end

    async with stage.running(tree(stage.actor("a", swallow, cancel_s=2))):
        await trio.sleep(1)

    assert len(stage.aborts) == 1
    assert stage.aborts[0][1] == 3


async def test_a_killed_child_that_survives_its_cancellation_ends_the_process(autojump_clock: MockClock) -> None:
    release = trio.Event()
    stage = Stage()
    stage.on_abort = release.set

    async with stage.running(tree(stage.actor("a", deaf(release), stay, cancel_s=3))) as root:
        await trio.sleep(1)
        root.kill("a")
        await trio.sleep(10)

    assert stage.aborts == [("a did not end within 3 s of its cancellation", 4)]


async def test_a_hung_child_that_survives_its_cancellation_ends_the_process(autojump_clock: MockClock) -> None:
    release = trio.Event()
    stage = Stage()
    stage.on_abort = release.set

    async with stage.running(tree(stage.actor("a", deaf(release), stay, cancel_s=3, heartbeat_s=5))):
        await trio.sleep(20)

    assert len(stage.aborts) == 1
    assert stage.aborts[0][1] == pytest.approx(8, abs=0.01)


async def test_a_stop_during_the_start_stops_what_was_started(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(stage.actor("a"), stage.actor("b", never_ready, start_s=30), stage.actor("c"))

    async with stage.running(spec):
        await trio.sleep(1)

    assert stage.log == ["+a", "+b", "-b", "-a"]
    assert stage.ended_with is None
    assert stage.ended_at == 1


async def test_a_stop_cuts_a_backoff_short(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(stage.actor("a", crashing(1)), backoff=Backoff(first_s=60, most_s=60, jitter=0))

    async with stage.running(spec):
        await trio.sleep(2)

    assert stage.ended_at == 2
    assert stage.statuses("a") == [Status.STARTING, Status.RUNNING, Status.BACKOFF, Status.STOPPED]


@pytest.mark.parametrize("stop_at_s", [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0])
async def test_a_stop_during_a_group_restart_leaves_nothing(autojump_clock: MockClock, stop_at_s: float) -> None:
    # b crashes at 1, c is stopped until 2, backoff until 3, b starts until 4, c until 5
    stage = Stage()
    spec = tree(
        stage.actor("a"),
        stage.actor("b", crashing(1), slow(1)),
        stage.actor("c", lingering(1), slow(1), grace_s=3),
        strategy=Strategy.REST_FOR_ONE,
    )

    async with stage.running(spec):
        await trio.sleep(stop_at_s)

    assert stage.ended_with is None
    assert not stage.aborts
    assert stage.log[-1] == "-a"
    assert stage.ended_at is not None
    assert stage.ended_at <= stop_at_s + 3
    assert all(stage.statuses(name)[-1] is Status.STOPPED for name in "abc")


@pytest.mark.parametrize("cancel_at_s", [0.0, 0.5, 1.5, 2.5, 9.0])
async def test_cancelling_a_supervisor_from_outside_ends_everything_at_once(
    autojump_clock: MockClock, cancel_at_s: float
) -> None:
    # inner: x is ready at 1, crashes at 2, is back at 3
    stage = Stage()
    inner = tree(stage.actor("x", slow(1, crashing(1)), stay), stage.actor("y"), name="inner")

    with trio.CancelScope() as scope:
        async with stage.running(tree(stage.actor("a", grace_s=2), inner)):
            await trio.sleep(cancel_at_s)
            scope.cancel()
            await trio.sleep_forever()

    assert trio.current_time() == cancel_at_s
    assert not stage.aborts
    assert not +stage.alive
    assert all(stage.statuses(n)[-1] is Status.STOPPED for n in ("a", "inner", "x", "y") if stage.statuses(n))
    assert all(Status.BACKOFF not in stage.statuses(n) for n in ("a", "inner", "y"))


async def test_cancelling_from_outside_a_child_that_does_not_end_is_bounded(autojump_clock: MockClock) -> None:
    release = trio.Event()
    stage = Stage()
    stage.on_abort = release.set

    with trio.CancelScope() as scope:
        async with stage.running(tree(stage.actor("a", deaf(release), grace_s=2, cancel_s=3))):
            scope.cancel()
            await trio.sleep_forever()

    assert [at_s for _, at_s in stage.aborts] == [5]


async def test_an_error_on_the_way_out_of_a_cancelled_child_does_not_escape(autojump_clock: MockClock) -> None:
    async def messy(lifeline: Lifeline) -> None:
        async def careless() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise Crash("in its cleanup")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(careless)
            nursery.start_soon(trio.sleep_forever)
            lifeline.started()

    stage = Stage()

    async with stage.running(tree(stage.actor("a", messy, stay), stage.actor("b", messy))) as root:
        await trio.sleep(1)
        root.kill("a")
        await trio.sleep(2)
        node = find(root.node(), "a")

    assert node.status is Status.RUNNING
    assert node.last_error == "Killed: a was killed on request"
    assert stage.ended_with is None
    assert find(root.node(), "b").last_error == "Crash: in its cleanup"


async def test_an_error_on_the_way_out_of_a_cancelled_supervisor_does_not_escape(autojump_clock: MockClock) -> None:
    async def messy(lifeline: Lifeline) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            lifeline.started()
            try:
                await trio.sleep_forever()
            finally:
                raise Crash("in its cleanup")

    stage = Stage()

    with trio.CancelScope() as scope:
        async with stage.running(tree(stage.actor("a", messy))):
            scope.cancel()
            await trio.sleep_forever()

    assert not stage.aborts
    assert not +stage.alive


# -- giving up ---------------------------------------------------------------------------------------------------------


async def test_one_restart_more_than_allowed_escalates_with_the_history_and_the_cause(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    spec = tree(stage.actor("a"), stage.actor("b", crashing(1), returning(1)), restarts_max=2)

    async with stage.running(spec):
        await trio.sleep(30)

    assert isinstance(stage.ended_with, RestartStorm)
    assert str(stage.ended_with) == "root: at most 2 restarts in 60 s, and now: b: Crash: boom; b: ended; b: ended"
    assert stage.starts["b"] == 3
    assert stage.statuses("b")[-2:] == [Status.BACKOFF, Status.FAILED]
    assert stage.log[-1] == "-a"


async def test_the_cause_of_a_storm_is_the_last_error(autojump_clock: MockClock) -> None:
    error = Crash("the last straw")
    stage = Stage()

    async with stage.running(tree(stage.actor("a", crashing(1, error)), restarts_max=0)):
        await trio.sleep(30)

    assert isinstance(stage.ended_with, RestartStorm)
    assert stage.ended_with.__cause__ is error


async def test_siblings_share_the_intensity(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(
        stage.actor("a", crashing(1), stay),
        stage.actor("b", crashing(3), stay),
        stage.actor("c", crashing(5), stay),
        restarts_max=2,
    )

    async with stage.running(spec):
        await trio.sleep(30)

    assert isinstance(stage.ended_with, RestartStorm)
    assert stage.ended_at == 5


async def test_restarts_older_than_the_period_are_forgotten(autojump_clock: MockClock) -> None:
    stage = Stage()
    # a crash every 11 s: within any 30 s there are three, never four
    spec = tree(stage.actor("a", crashing(10)), restarts_max=3, period_s=30)

    async with stage.running(spec) as root:
        await trio.sleep(1000)
        node = find(root.node(), "a")

    assert stage.ended_with is None
    assert node.restarts == len(stage.at("+a")) - 1 == 1000 // 11


async def test_a_storm_climbs_the_tree_and_the_parent_starts_the_whole_branch_anew(autojump_clock: MockClock) -> None:
    stage = Stage()
    inner = tree(stage.actor("x"), stage.actor("y", *[crashing(1)] * 3, stay), name="inner", restarts_max=1)

    async with stage.running(tree(stage.actor("a"), inner)) as root:
        await trio.sleep(30)
        node = root.node()

    branch = find(node, "inner")
    assert stage.ended_with is None
    assert (branch.status, branch.restarts) == (Status.RUNNING, 1)
    assert branch.last_error is not None
    assert branch.last_error.startswith("RestartStorm: inner: at most 1 restarts in 60 s, and now: y: Crash: boom; y:")
    assert stage.starts == {"a": 1, "x": 2, "y": 4}
    assert find(branch, "y").restarts == 1  # one more crash, forgiven by the new start


async def test_a_branch_that_is_down_has_no_children_to_show_or_to_kill(autojump_clock: MockClock) -> None:
    stage = Stage()
    inner = tree(stage.actor("x"), stage.actor("y", crashing(1), stay), name="inner", restarts_max=0)

    async with stage.running(tree(inner)) as root:
        await trio.sleep(1.5)
        down, is_killed = find(root.node(), "inner"), root.kill("x")
        await trio.sleep(1)
        up = find(root.node(), "inner")

    assert (down.status, down.children) == (Status.BACKOFF, ())
    assert not is_killed
    assert (up.status, shape(up)) == (Status.RUNNING, {"x": Status.RUNNING, "y": Status.RUNNING})


async def test_a_storm_at_every_level_reaches_the_top_with_the_whole_story(autojump_clock: MockClock) -> None:
    stage = Stage()
    inner = tree(stage.actor("x", crashing(1)), name="inner", restarts_max=1)
    middle = tree(inner, name="middle", restarts_max=1)

    async with stage.running(tree(middle, restarts_max=1)):
        await trio.sleep(1000)

    assert isinstance(stage.ended_with, RestartStorm)
    for name in ("root", "middle", "inner", "x: Crash: boom"):
        assert name in str(stage.ended_with)
    assert stage.starts["x"] == 2**3


async def test_a_failed_start_of_a_nested_supervisor_is_a_failed_start(autojump_clock: MockClock) -> None:
    stage = Stage()
    inner = tree(stage.actor("x"), stage.actor("y", crash_early), name="inner")

    async with stage.running(tree(stage.actor("a"), inner)):
        await trio.sleep(1)

    assert stage.log == ["+a", "+x", "+y", "-y", "-x", "-a"]
    assert str(stage.ended_with) == "inner did not start: StartFailed: y did not start: Crash: early"


# -- backoff -----------------------------------------------------------------------------------------------------------


async def test_the_backoff_doubles_up_to_its_bound(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(stage.actor("a", crashing(1)), backoff=Backoff(first_s=1, most_s=5, jitter=0), restarts_max=99)

    async with stage.running(spec):
        await trio.sleep(30)

    waits = [start - end for end, start in zip(stage.at("-a"), stage.at("+a")[1:], strict=False)]
    assert waits == [1, 2, 4, 5, 5, 5]


async def test_a_healthy_interval_starts_the_backoff_anew(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(
        stage.actor("a", crashing(1), crashing(1), crashing(20), stay),
        backoff=Backoff(first_s=1, most_s=60, jitter=0),
        healthy_s=20,
    )

    async with stage.running(spec):
        await trio.sleep(60)

    waits = [start - end for end, start in zip(stage.at("-a"), stage.at("+a")[1:], strict=False)]
    assert waits == [1, 2, 1]


async def test_time_spent_without_becoming_ready_is_not_healthy(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(
        stage.actor("a", crashing(1), never_ready, never_ready, never_ready, stay, start_s=30),
        backoff=Backoff(first_s=1, most_s=60, jitter=0),
        healthy_s=30,
    )

    async with stage.running(spec):
        await trio.sleep(200)

    waits = [start - end for end, start in zip(stage.at("-a"), stage.at("+a")[1:], strict=False)]
    assert waits == [1, 2, 4, 8]


async def test_the_jitter_is_drawn_from_the_generator_given(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(stage.actor("a", crashing(1)), backoff=Backoff(first_s=8, most_s=8, jitter=0.5), restarts_max=99)

    async with stage.running(spec, rng=random.Random(7)):
        await trio.sleep(60)

    draws = random.Random(7)
    waits = [start - end for end, start in zip(stage.at("-a"), stage.at("+a")[1:], strict=False)]
    assert len(waits) > 5
    assert waits == pytest.approx([8 * (1 - 0.5 * draws.random()) for _ in waits])


async def test_one_childs_backoff_does_not_delay_another(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(
        stage.actor("a", crashing(1), crashing(0), crashing(0), crashing(0), stay),
        stage.actor("b", crashing(9), stay),
        stage.actor("c", slow(0, crashing(10)), slow(40), start_s=60),
        stage.actor("d", crashing(14), stay),
        backoff=Backoff(first_s=1, most_s=60, jitter=0),
        restarts_max=99,
    )

    async with stage.running(spec):
        await trio.sleep(100)

    assert stage.at("+a") == [0, 2, 4, 8, 16]
    assert stage.at("+b") == [0, 10]  # while a waits
    assert stage.at("+d") == [0, 15]  # while a waits and c starts


# -- groups under restart ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crash_at_s", [1.5, 2.5, 3.5, 4.5])
async def test_the_end_of_an_earlier_sibling_replaces_a_restart_of_the_rest(
    autojump_clock: MockClock, crash_at_s: float
) -> None:
    # b crashes at 1, c is stopped until 2, backoff until 3, b starts until 4, c until 5; a crashes in between
    stage = Stage()
    spec = tree(
        stage.actor("a", crashing(crash_at_s), stay),
        stage.actor("b", crashing(1), slow(1), grace_s=1),
        stage.actor("c", lingering(1), slow(1), grace_s=3),
        strategy=Strategy.REST_FOR_ONE,
    )

    async with stage.running(spec) as root:
        await trio.sleep(30)
        node = root.node()

    assert shape(node) == dict.fromkeys("abc", Status.RUNNING)
    assert stage.starts["a"] == 2
    assert in_order(stage.log, "+a", "-a", "+a", "+b", "+c")
    assert max(stage.at("+c")) == max(stage.at("+b")) + 1 == max(stage.at("+a")) + 1
    assert stage.starts["b"] - 1 == find(node, "b").restarts
    assert stage.starts["c"] - 1 == find(node, "c").restarts


@pytest.mark.parametrize("strategy", [Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL])
@pytest.mark.parametrize("restart", list(Restart))
async def test_a_sibling_that_ends_while_its_group_is_being_stopped_is_part_of_that_restart(
    autojump_clock: MockClock, strategy: Strategy, restart: Restart
) -> None:
    # b crashes at 1; d takes until 4 to stop; meanwhile, at 2, c crashes by itself
    stage = Stage()
    spec = tree(
        stage.actor("a"),
        stage.actor("b", crashing(1), stay),
        stage.actor("c", crashing(2), stay, restart=restart),
        stage.actor("d", lingering(3), stay, grace_s=5),
        strategy=strategy,
        restarts_max=1,
    )

    async with stage.running(spec) as root:
        await trio.sleep(30)
        node = root.node()

    is_back = restart is not Restart.TEMPORARY
    assert stage.ended_with is None
    assert shape(node) == dict.fromkeys("abd", Status.RUNNING) | {"c": Status.RUNNING if is_back else Status.STOPPED}
    assert stage.at("+b") == [0, 5]
    assert stage.at("+c") == ([0, 5] if is_back else [0])
    assert stage.at("+d") == [0, 5]


async def test_two_that_crash_at_the_same_instant_are_both_started_again(autojump_clock: MockClock) -> None:
    for strategy in Strategy:
        stage = Stage()
        spec = tree(
            stage.actor("a"),
            stage.actor("b", crashing(1), stay),
            stage.actor("c", crashing(1), stay),
            stage.actor("d"),
            strategy=strategy,
        )

        async with stage.running(spec) as root:
            await trio.sleep(10)
            node = root.node()

        assert shape(node) == dict.fromkeys("abcd", Status.RUNNING), strategy
        assert stage.starts["b"] == stage.starts["c"] == 2
        assert {child.name: child.restarts + 1 for child in node.children} == stage.starts


async def test_a_start_that_fails_within_a_group_restart_takes_the_group_along_again(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    spec = tree(
        stage.actor("a"),
        stage.actor("b", crashing(1), stay),
        stage.actor("c", stay, crash_early, stay),
        stage.actor("d"),
        strategy=Strategy.REST_FOR_ONE,
    )

    async with stage.running(spec) as root:
        await trio.sleep(10)
        node = root.node()

    assert shape(node) == dict.fromkeys("abcd", Status.RUNNING)
    assert stage.starts == {"a": 1, "b": 2, "c": 3, "d": 2}
    assert find(node, "c").last_error == "Crash: early"


async def test_a_temporary_sibling_that_a_group_restart_stops_stays_stopped(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(
        stage.actor("a", crashing(1), stay),
        stage.actor("b", restart=Restart.TEMPORARY),
        stage.actor("c"),
        strategy=Strategy.ONE_FOR_ALL,
    )

    async with stage.running(spec) as root:
        await trio.sleep(10)
        node = root.node()

    assert shape(node) == {"a": Status.RUNNING, "b": Status.STOPPED, "c": Status.RUNNING}
    assert stage.starts == {"a": 2, "b": 1, "c": 2}


# -- heartbeat, kill, reports ------------------------------------------------------------------------------------------


async def test_a_heart_that_beats_in_time_is_left_alone(autojump_clock: MockClock) -> None:
    async def beating(lifeline: Lifeline) -> None:
        lifeline.started()
        while True:
            await trio.sleep(4.9)
            lifeline.beat()

    stage = Stage()

    async with stage.running(tree(stage.actor("a", beating, heartbeat_s=5))):
        await trio.sleep(1000)

    assert stage.starts["a"] == 1


async def test_a_child_that_is_ready_and_then_hangs_is_started_again(autojump_clock: MockClock) -> None:
    stage = Stage()

    async with stage.running(tree(stage.actor("a", slow(20), heartbeat_s=5))) as root:
        await trio.sleep(40)
        node = find(root.node(), "a")

    assert stage.at("-a")[0] == pytest.approx(25, abs=0.01)  # its start may take longer than a beat
    assert node.last_error == "HeartbeatLost: a has shown no life for 5 s"


async def test_a_heart_need_not_beat_while_the_child_ends_in_its_grace(autojump_clock: MockClock) -> None:
    stage = Stage()

    async with stage.running(tree(stage.actor("a", lingering(8), grace_s=10, heartbeat_s=5))):
        await trio.sleep(1)

    assert stage.at("-a") == [9]
    assert stage.statuses("a")[-1] is Status.STOPPED


async def test_kill_finds_a_worker_at_any_depth_and_no_one_else_notices(autojump_clock: MockClock) -> None:
    stage = Stage()
    inner = tree(stage.actor("x"), stage.actor("y"), name="inner")
    middle = tree(stage.actor("m"), inner, name="middle")

    async with stage.running(tree(stage.actor("a"), middle)) as root:
        await trio.sleep(1)
        is_found = root.kill("y")
        await trio.sleep(10)

    assert is_found
    assert stage.starts == {"a": 1, "m": 1, "x": 1, "y": 2}


async def test_kill_says_no_for_what_does_not_run(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(stage.actor("a", crashing(1)), stage.actor("b"), tree(stage.actor("x"), name="inner"))

    async with stage.running(spec) as root:
        await trio.sleep(1.5)
        answers = [root.kill(name) for name in ("a", "nobody", "inner", "root")]

    assert answers == [False] * 4
    assert not root.kill("b")


async def test_a_transient_child_that_was_killed_and_returns_is_started_again(autojump_clock: MockClock) -> None:
    async def graceful(lifeline: Lifeline) -> None:
        lifeline.started()
        with trio.CancelScope(), trio.move_on_after(100):
            await trio.sleep_forever()

    stage = Stage()

    async with stage.running(tree(stage.actor("a", graceful, restart=Restart.TRANSIENT))) as root:
        await trio.sleep(1)
        root.kill("a")
        await trio.sleep(10)

    assert stage.starts["a"] == 2


async def test_every_change_of_status_is_reported_once_and_in_order(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(
        stage.actor("a", slow(1, crashing(1)), slow(2)), stage.actor("b", returning(1.5), restart=Restart.TEMPORARY)
    )

    async with stage.running(spec):
        await trio.sleep(10)

    told = [(r.name, r.status, r.restarts, r.error, r.at_us / 1e6) for r in stage.reports]
    assert told == [
        ("a", Status.STARTING, 0, None, 0),
        ("a", Status.RUNNING, 0, None, 1),
        ("b", Status.STARTING, 0, None, 1),
        ("b", Status.RUNNING, 0, None, 1),
        ("a", Status.BACKOFF, 0, "Crash: boom", 2),
        ("b", Status.STOPPED, 0, None, 2.5),
        ("a", Status.STARTING, 1, None, 3),
        ("a", Status.RUNNING, 1, None, 5),
        ("a", Status.STOPPED, 1, None, 10),
    ]


async def test_a_report_names_the_error_of_this_end_and_no_older_one(autojump_clock: MockClock) -> None:
    stage = Stage()
    spec = tree(
        stage.actor("a", returning(1), stay),
        stage.actor("b", stay, crashing(5), stay),
        stage.actor("c", crashing(0.5), stay),
        strategy=Strategy.REST_FOR_ONE,
    )

    async with stage.running(spec):
        await trio.sleep(20)

    told = [(report.name, report.error) for report in stage.reports if report.status is Status.BACKOFF]
    assert told == [("c", "Crash: boom"), ("a", "ended"), ("b", None), ("b", "Crash: boom"), ("c", None)]


async def test_a_crash_is_logged_with_its_traceback(
    autojump_clock: MockClock, logged: list[MutableMapping[str, Any]]
) -> None:
    error = Crash("boom")
    stage = Stage()

    async with stage.running(tree(stage.actor("a", crashing(1, error), stay))):
        await trio.sleep(5)

    lines = [line for line in logged if line["event"] == "actor failed"]
    assert [(line["actor"], line["error"], line["exc_info"]) for line in lines] == [("a", "Crash: boom", error)]


async def test_the_heartbeat_error_is_what_the_history_tells(autojump_clock: MockClock) -> None:
    stage = Stage()

    async with stage.running(tree(stage.actor("a", heartbeat_s=5), restarts_max=0)):
        await trio.sleep(20)

    assert isinstance(stage.ended_with, RestartStorm)
    assert isinstance(stage.ended_with.__cause__, HeartbeatLost)


def test_an_error_is_described_by_its_innermost_cause_in_one_line() -> None:
    deep = ExceptionGroup("outer", [ExceptionGroup("inner", [ValueError("what it was")]), KeyError("other")])

    assert describe(deep) == "ValueError: what it was"
    assert describe(ValueError()) == "ValueError"


async def test_one_scheduler_seed_gives_one_trace(autojump_clock: MockClock) -> None:
    logs: list[list[str]] = []
    for _ in range(2):
        scheduler_random.seed(42)
        stage = Stage()
        spec = tree(
            *(stage.actor(name, crashing(1), stay) for name in "abcd"), strategy=Strategy.ONE_FOR_ONE, restarts_max=9
        )
        async with stage.running(spec):
            await trio.sleep(5)
        logs.append(stage.log)

    assert logs[0] == logs[1]
