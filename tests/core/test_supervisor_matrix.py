"""The whole matrix: restart kind x exit kind x strategy, against an oracle written from the OTP documentation.

Three children a, b, c start in this order; b is the one that ends.
Source: https://www.erlang.org/doc/system/sup_princ
"""

import enum
import itertools

import pytest
import trio
from trio.testing import MockClock

from tests.core.stage import (
    Act,
    Stage,
    crash_early,
    crashing,
    find,
    in_order,
    never_ready,
    return_early,
    returning,
    shape,
    stay,
    tree,
)
from traderv3.core.supervision import Restart, StartFailed, Status, Strategy

pytestmark = pytest.mark.usefixtures("scheduler_seed")


class Exit(enum.StrEnum):
    """How b ends once it was ready."""

    RETURN = "return"
    CRASH = "crash"
    GROUP = "group"
    KILLED = "killed"
    HUNG = "hung"


class Early(enum.StrEnum):
    """How b ends without ever having been ready."""

    RETURN = "return"
    CRASH = "crash"
    NEVER = "never"


END_S = 5.0  # after its start, each ending has happened
ACTS: dict[Exit, Act] = {
    Exit.RETURN: returning(END_S),
    Exit.CRASH: crashing(END_S),
    Exit.GROUP: crashing(END_S, ExceptionGroup("two at once", [ValueError("first"), KeyError("second")])),
    Exit.KILLED: stay,
    Exit.HUNG: stay,
}
SAID = {
    Exit.RETURN: "ended",
    Exit.CRASH: "Crash: boom",
    Exit.GROUP: "ValueError: first",
    Exit.KILLED: "Killed: b was killed on request",
    Exit.HUNG: "HeartbeatLost: b has shown no life for 5 s",
}
EARLY_ACTS: dict[Early, Act] = {Early.RETURN: return_early, Early.CRASH: crash_early, Early.NEVER: never_ready}
BOUND = {Strategy.ONE_FOR_ONE: "b", Strategy.REST_FOR_ONE: "bc", Strategy.ONE_FOR_ALL: "abc"}
KEPT = {Strategy.ONE_FOR_ONE: "ac", Strategy.REST_FOR_ONE: "a", Strategy.ONE_FOR_ALL: ""}


def is_restart_due(restart: Restart, *, is_error: bool) -> bool:
    """The sentence of the documentation, restated."""
    return {Restart.PERMANENT: True, Restart.TRANSIENT: is_error, Restart.TEMPORARY: False}[restart]


@pytest.mark.parametrize(("restart", "ending", "strategy"), list(itertools.product(Restart, Exit, Strategy)))
async def test_an_end_after_readiness(
    autojump_clock: MockClock, restart: Restart, ending: Exit, strategy: Strategy
) -> None:
    stage = Stage()
    beat_s = END_S if ending is Exit.HUNG else None
    b = stage.actor("b", ACTS[ending], stay, restart=restart, heartbeat_s=beat_s)
    spec = tree(stage.actor("a"), b, stage.actor("c"), strategy=strategy)
    is_error = ending is not Exit.RETURN
    is_due = is_restart_due(restart, is_error=is_error)

    async with stage.running(spec) as root:
        await trio.sleep(END_S - 0.1)
        assert shape(root.node()) == dict.fromkeys("abc", Status.RUNNING)
        await trio.sleep(0.2)
        if ending is Exit.KILLED:
            assert root.kill("b")
            await trio.testing.wait_all_tasks_blocked()
        ended = root.node()
        await trio.sleep(2)
        after = root.node()

        bound = BOUND[strategy] if is_due else ""
        at_rest = Status.FAILED if is_error else Status.STOPPED
        assert shape(ended) == {
            name: (Status.BACKOFF if name in bound else Status.RUNNING if name != "b" else at_rest) for name in "abc"
        }
        assert shape(after) == dict.fromkeys("abc", Status.RUNNING) | ({} if is_due else {"b": at_rest})
        assert stage.starts == {name: 2 if name in bound else 1 for name in "abc"}
        assert {node.name: node.restarts for node in after.children} == {n: int(n in bound) for n in "abc"}
        assert find(after, "b").last_error == (SAID[ending] if is_error or is_due else None)
        assert find(after, "a").last_error is None
        assert find(after, "c").last_error is None
        kept = [name for name in KEPT[strategy] if f"-{name}" in stage.log]
        assert not kept, "a sibling that the strategy does not bind was stopped"
        if is_due:
            others = [f"-{name}" for name in reversed(bound) if name != "b"]
            assert in_order(stage.log, "-b", *others, *(f"+{name}" for name in bound))

    assert stage.ended_with is None
    assert not stage.aborts


@pytest.mark.parametrize(("restart", "early", "strategy"), list(itertools.product(Restart, Early, Strategy)))
async def test_an_end_before_readiness_at_the_first_start(
    autojump_clock: MockClock, restart: Restart, early: Early, strategy: Strategy
) -> None:
    stage = Stage()
    b = stage.actor("b", EARLY_ACTS[early], restart=restart, start_s=2)
    spec = tree(stage.actor("a"), b, stage.actor("c"), strategy=strategy)
    is_fine = early is Early.RETURN and restart is not Restart.PERMANENT  # it had nothing to do

    async with stage.running(spec) as root:
        await trio.sleep(3)
        if is_fine:
            expected = {"a": Status.RUNNING, "b": Status.STOPPED, "c": Status.RUNNING}
            assert shape(root.node()) == expected

    if is_fine:
        assert stage.ended_with is None
        assert stage.starts == {"a": 1, "b": 1, "c": 1}
        return
    assert isinstance(stage.ended_with, StartFailed)
    assert str(stage.ended_with).startswith("b did not start: ")
    assert stage.log == ["+a", "+b", "-b", "-a"]
    assert stage.statuses("b") == [Status.STARTING, Status.FAILED]
    assert stage.statuses("a") == [Status.STARTING, Status.RUNNING, Status.STOPPED]
    assert stage.statuses("c") == []
    assert stage.ended_at == (2 if early is Early.NEVER else 0)


@pytest.mark.parametrize(
    ("restart", "early", "strategy"),
    list(itertools.product([Restart.PERMANENT, Restart.TRANSIENT], Early, Strategy)),
)
async def test_an_end_before_readiness_at_a_restart(
    autojump_clock: MockClock, restart: Restart, early: Early, strategy: Strategy
) -> None:
    stage = Stage()
    b = stage.actor("b", crashing(1), EARLY_ACTS[early], stay, restart=restart, start_s=2)
    spec = tree(stage.actor("a"), b, stage.actor("c"), strategy=strategy)
    has_ended_well = early is Early.RETURN and restart is Restart.TRANSIENT

    async with stage.running(spec) as root:
        await trio.sleep(10)

        starts = 2 if has_ended_well else 3
        siblings = {"a": strategy is Strategy.ONE_FOR_ALL, "c": strategy is not Strategy.ONE_FOR_ONE}
        expected = dict.fromkeys("abc", Status.RUNNING) | ({"b": Status.STOPPED} if has_ended_well else {})
        assert shape(root.node()) == expected
        assert stage.starts["b"] == starts
        assert find(root.node(), "b").restarts == starts - 1
        if not siblings["a"]:
            assert stage.starts["a"] == 1
        if not siblings["c"]:
            assert stage.starts["c"] == 1
        elif has_ended_well:
            assert stage.starts["c"] == 2
        # a failed start of b comes before c is started again, so c is started no more often than b succeeds
        assert stage.starts["c"] <= 2

    assert stage.ended_with is None
