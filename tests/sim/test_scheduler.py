"""A simulated run ends, whatever its tasks do: where none would ever wake again, and where one never lets time go on."""

import pytest
import trio

from traderv3.simulation import scheduler
from traderv3.simulation.scheduler import LOOK_STEPS, NobodyWakes, Standstill, run_seeded


def test_a_run_in_which_nobody_would_ever_wake_raises() -> None:
    async def wait_shielded() -> None:
        with trio.move_on_after(5), trio.CancelScope(shield=True):
            await trio.sleep_forever()

    with pytest.raises(NobodyWakes):
        run_seeded(wait_shielded, 1)


def test_the_next_run_is_none_the_worse_for_it() -> None:
    with pytest.raises(NobodyWakes):
        run_seeded(trio.sleep_forever, 1)

    async def sleep_long() -> float:
        await trio.sleep(80_000)
        return trio.current_time()

    assert run_seeded(sleep_long, 1) == 80_000


def test_a_task_that_takes_turn_after_turn_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "STANDSTILL_LOOKS", 2)
    told: list[str] = []

    async def spin() -> None:
        with trio.CancelScope() as scope:

            def tell(task: str) -> None:
                told.append(task)
                scope.cancel()

            trio.lowlevel.add_instrument(Standstill(tell))
            while True:
                await trio.lowlevel.checkpoint()

    run_seeded(spin, 1)

    assert len(told) == 1
    assert "spin" in told[0]


def test_turns_between_which_time_goes_on_are_no_standstill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "STANDSTILL_LOOKS", 2)
    told: list[str] = []

    async def tick() -> None:
        trio.lowlevel.add_instrument(Standstill(told.append))
        for _ in range(5 * LOOK_STEPS):
            await trio.sleep(0.001)

    run_seeded(tick, 1)

    assert told == []
