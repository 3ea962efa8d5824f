"""What grows is seen, with the name of whoever holds it; what fills up and stays is not taken for it."""

from collections import deque
from dataclasses import replace
from typing import Any

import pytest
import trio

from traderv3.simulation.growth import Growth, sizes
from traderv3.simulation.plan import Plan, draw_plan
from traderv3.simulation.venture import draw_venture
from traderv3.simulation.world import simulate
from traderv3.trading.engine import Engine
from traderv3.trading.pilot import Pilot

LASTS_S, EVERY_S = 60.0, 3.0


def trading() -> Plan:
    """A world without faults that trades."""
    venture = draw_venture(25, "spread_maker", may_be_narrow=False)
    return replace(draw_plan(25, venture=venture), quiet_s=LASTS_S, activity=0.05)


def grown(plan: Plan) -> list[str]:
    growth = Growth(EVERY_S)
    outcome = simulate(plan, growth=growth)

    assert outcome.broken is None
    return growth.grown()


def test_a_trader_that_is_well_does_not_grow() -> None:
    assert grown(replace(trading(), venture=None)) == []


def test_a_collection_that_leaks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Engine.step

    def step(engine: Any) -> None:
        engine.__dict__.setdefault("_kept", []).append(engine.stepped_at)
        honest(engine)

    monkeypatch.setattr(Engine, "step", step)

    assert any(line.startswith("Engine._kept grew from") for line in grown(trading()))


def test_tasks_that_are_left_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    honest_look = Pilot.look
    count = 0

    async def look(pilot: Any) -> None:
        nonlocal count
        count += 1
        if count % 5 == 0:
            trio.lowlevel.spawn_system_task(trio.sleep_forever)
        await honest_look(pilot)

    monkeypatch.setattr(Pilot, "look", look)

    assert any(line.startswith("tasks grew from") for line in grown(replace(trading(), venture=None)))


def test_what_fills_up_and_stays_is_no_leak() -> None:
    growth = Growth(1.0)
    growth.looks = [{"a": min(1_000, 100 * number), "b": 100 * number, "rss": 1} for number in range(24)]

    assert growth.grown() == ["b grew from 1200 to 2300"]


def test_a_process_that_grows_is_told() -> None:
    growth = Growth(1.0)
    growth.looks = [{"rss": 8_000 * number} for number in range(24)]

    assert growth.grown() == ["the process grew by 88000 KiB"]


def test_collections_are_found_by_their_owner_and_bounded_ones_are_left_out() -> None:
    growth = Growth(1.0)
    growth.looks = [{"x": 1}, {"y": 2}]
    bounded: deque[int] = deque(range(5), maxlen=5)
    growth.__dict__["bounded"] = bounded

    assert sizes(growth) == {"Growth.looks": 4}
