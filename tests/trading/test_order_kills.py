"""kill -9 at every step of an order's life: after the restart no duplicate, no orphan, the right position, within 5 s."""

import random
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.trading.lives import STEPS, World, live
from traderv3.domain.permission import Mode
from traderv3.domain.states import State

READY: tuple[State, ...] = (State.TRADING_READY, State.ACTING)
RESTART_S = 5.0  # the promise
LIFE_S = 60.0  # the first life's at most: then it is killed wherever it is


async def killed_and_restarted(world: World) -> dict[str, Any]:
    """Die at the seed's step, start anew, trade on, stop trading, and compare everything."""
    step = STEPS[world.rng.randrange(len(STEPS))]
    number = world.rng.randint(1, 8)
    first = world.start(dies_at=(step, number))
    lives_s = world.rng.uniform(1.0, 30.0) if step == "any time" else LIFE_S
    with trio.move_on_after(lives_s):
        await first.is_over.wait()
    first.scope.cancel()
    await first.is_over.wait()
    sent = len(world.orders)
    await trio.sleep(world.rng.choice((0.0, 0.3, 1.5)))

    second = world.start()
    took_s = await second.until(lambda: second.state in READY, RESTART_S)
    await trio.sleep(world.rng.uniform(5.0, 20.0))
    await second.trader.latch.set(Mode.HALTED, by="test", reason="the end")
    assert world.exchange.participants is not None
    world.exchange.participants = None
    await trio.sleep(4.0)

    assert world.resting == []
    assert world.differences(second) == {}
    unknown = [order.state for order in second.execution.portfolio.open.values()]
    assert unknown == []
    assert second.execution.engine.reconciliation.differences == ()
    await second.trader.stop("the end")
    await second.is_over.wait()
    return {"step": (step, number), "took_s": round(took_s, 2), "sent": sent, "orders": len(world.orders)}


def check(seed: int, folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = live(seed, folder, killed_and_restarted)
    return told


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_trader_comes_back_with_everything_right(seed: int, tmp_path: Path) -> None:
    told = check(seed, tmp_path)

    assert told["orders"] >= told["sent"]


@pytest.mark.soak
@pytest.mark.parametrize("seed", random.Random(8).sample(range(10**6), 200))
def test_a_killed_trader_comes_back_with_everything_right_200_times(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path)
