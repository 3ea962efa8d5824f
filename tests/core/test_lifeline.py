"""A wait shows life, ends with what it waits for, and not later than it was told."""

import pytest
import trio
from trio.testing import MockClock

from traderv3.core.lifeline import WAIT_BEAT_S, Lifeline


@pytest.mark.parametrize(("until", "ended_at"), [(50.0, 50.0), (200.0, 100.0)])
async def test_a_wait_beats_and_ends_in_time(autojump_clock: MockClock, until: float, ended_at: float) -> None:
    lifeline, event = Lifeline(), trio.Event()
    silent_s: list[float] = []

    async def watch() -> None:
        while True:
            silent_s.append(trio.current_time() - lifeline.last_beat)
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        nursery.start_soon(_set_at, event, 100.0)
        await lifeline.wait(event.wait, until=until)
        ended = trio.current_time()
        nursery.cancel_scope.cancel()

    assert ended == ended_at
    assert max(silent_s) <= WAIT_BEAT_S


async def _set_at(event: trio.Event, at: float) -> None:
    await trio.sleep_until(at)
    event.set()
