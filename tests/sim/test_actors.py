"""An actor in its dress: raises, stands still and falls ill as told, and is itself otherwise."""

import pytest
import trio
from trio.testing import MockClock

from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import ChildSpec
from traderv3.simulation.actors import HANG_AT_STOP, POLL_S, RAISE_AT_START, STOP_HANG_S, Actors, Mishap


class Ticking:
    """Counts seconds."""

    def __init__(self) -> None:
        self.ticks = 0
        self.has_cleaned_up = False

    async def run(self, lifeline: Lifeline) -> None:
        lifeline.started()
        try:
            while True:
                with trio.move_on_after(1.0):
                    await trio.sleep_forever()
                self.ticks += 1
        finally:
            self.has_cleaned_up = True


async def test_a_frozen_actor_stands_still_with_its_own_time_limits_and_hears_its_cancellation(
    autojump_clock: MockClock,
) -> None:
    actors, ticking = Actors(), Ticking()
    spec = actors.dress(ChildSpec(name="ticking", run=ticking.run))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(spec.run, Lifeline())
        await trio.sleep(3.5)
        assert actors.freeze("ticking")
        await trio.sleep(100)
        ticks = ticking.ticks
        nursery.cancel_scope.cancel()

    assert ticks == 3
    assert ticking.has_cleaned_up
    assert trio.current_time() <= 103.5 + POLL_S
    assert actors.running == {"ticking": 0}


async def test_an_actor_raises_when_told(autojump_clock: MockClock) -> None:
    actors, ticking = Actors(), Ticking()
    spec = actors.dress(ChildSpec(name="ticking", run=ticking.run))
    with pytest.RaisesGroup(Mishap):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(spec.run, Lifeline())
            await trio.sleep(1.5)
            assert actors.raises("ticking")

    assert ticking.has_cleaned_up
    assert not actors.raises("ticking")


async def test_an_actor_that_never_came_up_is_left_alone(autojump_clock: MockClock) -> None:
    """Seed 640, of the simulator: a first start that fails ends the trader, however long it takes."""
    actors = Actors()

    async def comes_up_late(lifeline: Lifeline) -> None:
        await trio.sleep(2.0)
        lifeline.started()
        await trio.sleep_forever()

    spec = actors.dress(ChildSpec(name="late", run=comes_up_late))
    with pytest.RaisesGroup(Mishap):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(spec.run, Lifeline())
            await trio.sleep(1.0)
            assert not actors.raises("late")
            assert not actors.freeze("late")
            await trio.sleep(2.0)
            assert actors.raises("late")


async def test_an_ill_actor_is_so_once(autojump_clock: MockClock) -> None:
    actors, ticking = Actors(), Ticking()
    spec = actors.dress(ChildSpec(name="ticking", run=ticking.run))
    actors.ills["ticking"] = [RAISE_AT_START, HANG_AT_STOP]
    with pytest.raises(Mishap):
        await spec.run(Lifeline())
    with trio.move_on_after(2.5):
        await spec.run(Lifeline())

    assert ticking.ticks == 2
    assert trio.current_time() == 2.5 + STOP_HANG_S
    assert actors.ills["ticking"] == []
