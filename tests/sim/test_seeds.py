"""The whole trader in worlds of faults: as many seeds as fit into two minutes; the soak tier has 2,000, and 1,000 more in
which the shipped strategy trades.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from traderv3.config.markets import AutoMarkets
from traderv3.domain.risk_limits import DEFAULT_LIMITS
from traderv3.domain.units import Price
from traderv3.simulation.growth import Growth
from traderv3.simulation.plan import ALL_KINDS, Fault, draw_plan
from traderv3.simulation.story import verdict
from traderv3.simulation.venture import NO_STOP, PLENTY, Venture
from traderv3.simulation.world import simulate
from traderv3.trading.strategies.spread_maker import DEFAULTS, SpreadMaker

REPOSITORY = Path(__file__).resolve().parents[2]
BUDGET_S = 120.0
SEEDS_MIN = 8
SEEDS_MAX = 400  # no more than a soak repeats often
HOUR_S, EVERY_S, WAVE_S = 3600.0, 240.0, 60.0
WAVES = HOUR_S / EVERY_S
OVER = ("close", "close soon", "determine", "settle")  # what ends a market; others come in its place

Record = Callable[[str, object], None]


def test_no_seed_breaks_an_invariant(record_property: Record) -> None:
    ends_at = time.monotonic() + BUDGET_S
    virtual_s = 0.0
    seed = 0
    while seed < SEEDS_MAX and (seed < SEEDS_MIN or time.monotonic() < ends_at):
        seed += 1
        outcome = simulate(draw_plan(seed))
        virtual_s += outcome.virtual_s
        assert outcome.broken is None, f"{verdict(outcome)}\ntraderv3 simulate --seed {seed}"

    record_property("campaign", f"{seed} seeds, {virtual_s / 3600:.2f} virtual hours, 0 failed")


def test_every_kind_of_fault_is_drawn_within_a_few_seeds() -> None:
    drawn = {fault.kind for seed in range(60) for fault in draw_plan(seed).faults}

    assert drawn == ALL_KINDS.keys()


def test_about_half_of_the_worlds_trade() -> None:
    trading = sum(draw_plan(seed).venture is not None for seed in range(200))

    assert 80 <= trading <= 120


@pytest.mark.soak
@pytest.mark.parametrize(("count", "options"), [(2_000, ()), (1_000, ("--strategy", SpreadMaker.name))])
def test_thousands_of_seeds_break_no_invariant(
    count: int, options: tuple[str, ...], tmp_path: Path, record_property: Record
) -> None:
    command = [sys.executable, "scripts/soak.py", "--count", str(count), "--keep", str(tmp_path / "failed"), *options]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=4 * 3600)
    tally = done.stdout.splitlines()[-1] if done.stdout else "nothing was said"
    record_property("campaign", " ".join((*options, tally)))

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert tally.startswith(f"{count} seeds, ")


@pytest.mark.soak
def test_a_virtual_day_of_faults_breaks_no_invariant_and_nothing_grows(record_property: Record) -> None:
    """24 hours, calmer than the others (a fault every 40 s or so, looked at twice a second): a quarter of an hour of ours."""
    plan, growth = draw_plan(1, quiet_s=24 * HOUR_S), Growth(HOUR_S)
    outcome = simulate(replace(plan, faults=plan.faults[::10], activity=0.05, step_s=0.5), growth=growth)
    record_property(
        "campaign", f"{outcome.virtual_s / 3600:.2f} virtual hours in one run, {len(plan.faults[::10])} faults"
    )

    assert outcome.broken is None, verdict(outcome)
    assert growth.grown() == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 4))
def test_an_hour_of_trading_in_waves_of_faults_comes_out_even(seed: int, record_property: Record) -> None:
    """The shipped strategy; between two waves the account is equal, too, as the judge of the account sees to.

    A market that ends is followed by a new one, so that there is something to trade for an hour.
    """
    risk = replace(DEFAULT_LIMITS, day=NO_STOP)
    venture = Venture(SpreadMaker.name, replace(DEFAULTS, spread_min=Price(100), edge=Price(20)), risk, PLENTY)
    plan = draw_plan(seed, quiet_s=WAVES * WAVE_S, venture=venture)
    faults: list[Fault] = []
    for fault in plan.faults:
        at_s, left_s = fault.at_s // WAVE_S * EVERY_S + fault.at_s % WAVE_S, WAVE_S - fault.at_s % WAVE_S
        if fault.kind == "market" and fault.target in OVER:
            faults.append(Fault(at_s, "market", "create"))
        faults.append(replace(fault, at_s=at_s, for_s=min(fault.for_s, left_s)))
    outcome = simulate(replace(plan, wanted=AutoMarkets(3), faults=tuple(faults), quiet_s=HOUR_S))
    record_property(
        "campaign", f"{outcome.virtual_s / 3600:.2f} virtual hours in waves, {outcome.facts.get('fills')} fills"
    )

    assert outcome.broken is None, verdict(outcome)
