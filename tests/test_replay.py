"""The recording's clock: real, multiplied, maximal, and by hand."""

import math
from collections.abc import Awaitable, Callable

import trio

from traderv3.replay import LEAP_S, Tempo

Body = Callable[[Tempo], Awaitable[None]]


def played(speed: float, body: Body) -> None:
    tempo = Tempo(speed)

    async def main() -> None:
        tempo.start()
        await body(tempo)

    trio.run(main, clock=tempo.clock)


def test_at_maximal_speed_the_clock_stands_exactly_at_each_moment() -> None:
    stood_at: list[float] = []

    async def body(tempo: Tempo) -> None:
        for at_s in (0.25, 0.5, 100.0, 100.0, 99.0, 100.125):
            await tempo.reach(at_s)
            stood_at.append(trio.current_time())

    played(math.inf, body)

    assert stood_at == [0.25, 0.5, 100.0, 100.0, 100.0, 100.125]


def test_at_maximal_speed_nobody_waits_longer_than_three_leaps() -> None:
    woke_at: list[float] = []

    async def beat() -> None:
        while True:
            await trio.sleep(1.0)
            woke_at.append(trio.current_time())

    async def body(tempo: Tempo) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(beat)
            await trio.lowlevel.checkpoint()
            for tenth in range(10_000):
                await tempo.reach(tenth / 10)
            nursery.cancel_scope.cancel()

    played(math.inf, body)

    pauses_s = [later - earlier for earlier, later in zip([0.0, *woke_at], [*woke_at, 1_000.0], strict=True)]
    assert max(pauses_s) <= 3 * LEAP_S


def test_by_hand_the_clock_goes_as_far_as_it_is_told() -> None:
    async def body(tempo: Tempo) -> None:
        tempo.say(["pause"])
        reached = trio.Event()

        async def reach() -> None:
            await tempo.reach(3.0)
            reached.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(reach)
            await trio.testing.wait_all_tasks_blocked()
            assert trio.current_time() < 1.0
            tempo.say(["step", "2"])
            await trio.testing.wait_all_tasks_blocked()
            assert 2.0 <= trio.current_time() < 3.0
            assert not reached.is_set()
            tempo.say(["speed", "max"])
            tempo.say(["resume"])
            await reached.wait()
        assert trio.current_time() == 3.0

    played(1.0, body)
