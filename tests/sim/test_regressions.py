"""What the simulation found, each as the few faults that it takes. The seeds are those of the plan at the time."""

from dataclasses import replace

import pytest

from traderv3.config.markets import AutoMarkets
from traderv3.exchange.market import made_up
from traderv3.simulation.actors import HANG_AT_START, RAISE_AT_START
from traderv3.simulation.plan import Fault, Plan, draw_plan
from traderv3.simulation.story import verdict
from traderv3.simulation.world import simulate

QUIET: Plan = draw_plan(25)  # a world without faults of its own


def check_world(plan: Plan) -> None:
    outcome = simulate(plan)

    assert outcome.broken is None, verdict(outcome)


def check(*faults: Fault) -> None:
    check_world(replace(QUIET, faults=faults))


def test_a_clock_set_forward_while_the_venue_is_away_replays_to_the_same_state() -> None:
    """Seed 235: the replay's machine took the leap of the wall clock for time spent waiting, and went into error."""
    check(
        Fault(5.0, "exchange starts slowly", amount=8.0),
        Fault(10.0, "exchange dies"),
        Fault(14.0, "clock", "forward", amount=600.0),
    )


@pytest.mark.parametrize("actor", ["write_queue", "journal", "recorder", "discovery", "event_bus"])
def test_an_actor_that_does_not_come_up_again_is_told(actor: str) -> None:
    """Seed 319: healthy for the half minute that a start may take, with an actor that had died and did not come back."""
    check(Fault(5.0, "ill", f"{actor}/{HANG_AT_START}"))


def test_a_gap_of_a_market_that_closes_before_its_repair_does_not_stay_open() -> None:
    """Seed 354: the gap journal showed repairs under way for ever, where a connection had lost its only market."""
    world = Plan(
        seed=354,
        markets=tuple(made_up(354, 3)),
        wanted=AutoMarkets(3),
        connections=3,
        activity=0.3,
        browsers=0,
        browsers_stop=False,
        faults=(
            Fault(20.845, "frames", "drop=0.1,command_timeout=0.3", for_s=14.164),
            Fault(31.359, "market", "settle", for_s=13.641),
        ),
    )
    check_world(world)


def test_an_actor_that_dies_at_its_next_start_too_comes_back() -> None:
    """Seed 1086, of the simulator: a *first* start that fails ends the trader, and is meant to."""
    check(Fault(5.0, "ill", f"discovery/{RAISE_AT_START}"), Fault(0.05, "ill", f"cross_check/{RAISE_AT_START}"))


def test_no_market_left_is_an_error_that_says_so() -> None:
    """Seed 78, of the simulator: with every market over there is nothing to be ready for."""
    check(*(Fault(5.0 + number, "market", "determine") for number in range(12)))
