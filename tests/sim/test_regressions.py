"""What the simulation found, each as the few faults that it takes. The seeds are those of the plan at the time."""

from dataclasses import replace

import pytest

from traderv3.simulation.actors import HANG_AT_START, RAISE_AT_START
from traderv3.simulation.plan import Fault, Plan, draw_plan
from traderv3.simulation.story import verdict
from traderv3.simulation.world import simulate

QUIET: Plan = draw_plan(25)  # a world without faults of its own


def check(*faults: Fault) -> None:
    outcome = simulate(replace(QUIET, faults=faults))

    assert outcome.broken is None, verdict(outcome)


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


def test_an_actor_that_dies_at_its_next_start_too_comes_back() -> None:
    """Seed 1086, of the simulator: a *first* start that fails ends the trader, and is meant to."""
    check(Fault(5.0, "ill", f"discovery/{RAISE_AT_START}"), Fault(0.05, "ill", f"cross_check/{RAISE_AT_START}"))


def test_no_market_left_is_an_error_that_says_so() -> None:
    """Seed 78, of the simulator: with every market over there is nothing to be ready for."""
    check(*(Fault(5.0 + number, "market", "determine") for number in range(12)))
