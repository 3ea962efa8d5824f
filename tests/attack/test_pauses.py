"""A process that did not run for a while (SIGSTOP, a virtual machine that is moved) judges nobody by the time it missed."""

import random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import ActorChanged, ChildSpec, Status, Strategy, SupervisorSpec
from traderv3.core.supervisor import supervise

HEARTBEAT_S = 30.0


async def beating(lifeline: Lifeline) -> None:
    lifeline.started()
    while True:
        lifeline.beat()
        await trio.sleep(10)


async def hanging(lifeline: Lifeline) -> None:
    lifeline.started()
    await trio.sleep_forever()


async def run_for(steps_s: list[float], clock: MockClock, *children: ChildSpec) -> list[ActorChanged]:
    """Let the clock pass by these steps, each of them a time in which nobody ran; what changed."""
    changes: list[ActorChanged] = []
    spec = SupervisorSpec(name="root", strategy=Strategy.ONE_FOR_ONE, children=children)
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await supervise(
                spec,
                stopping,
                wall_us=lambda: 0,
                rng=random.Random(1),
                report=changes.append,
                abort=pytest.fail,
            )

        nursery.start_soon(run)
        await wait_all_tasks_blocked()
        for step_s in steps_s:
            clock.jump(step_s)
            await wait_all_tasks_blocked()
        stopping.set()
    return [change for change in changes if change.status is Status.BACKOFF]


async def test_no_actor_is_taken_for_hung_because_the_process_was_stopped(mock_clock: MockClock) -> None:
    many = [ChildSpec(name=f"actor_{number}", run=beating, heartbeat_s=HEARTBEAT_S) for number in range(50)]
    lost = await run_for([5.0, 45.0, 1.0, 3600.0, 1.0], mock_clock, *many)

    assert lost == []


async def test_an_actor_that_hangs_is_still_found_after_a_stop(mock_clock: MockClock) -> None:
    child = ChildSpec(name="hung", run=hanging, heartbeat_s=HEARTBEAT_S)
    lost = await run_for([45.0, *[1.0] * 20], mock_clock, child)

    assert len(lost) == 1
    assert "shown no life for 30 s" in str(lost[0].error)


async def test_an_actor_that_hangs_is_found_within_its_period_when_nobody_stops_us(mock_clock: MockClock) -> None:
    child = ChildSpec(name="hung", run=hanging, heartbeat_s=HEARTBEAT_S)
    lost = await run_for([0.5] * 63, mock_clock, child)

    assert len(lost) == 1
