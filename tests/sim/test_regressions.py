"""What the simulation found, each as the few faults that it takes. The seeds are those of the plan at the time."""

from dataclasses import replace

import pytest

from traderv3.config.markets import AutoMarkets
from traderv3.domain.risk_limits import DEFAULT_LIMITS
from traderv3.domain.units import Qty
from traderv3.exchange.market import made_up
from traderv3.simulation.actors import HANG_AT_START, RAISE_AT_START
from traderv3.simulation.plan import LATER_KINDS, Fault, Plan, draw_plan
from traderv3.simulation.restless import Restless, RestlessParameters
from traderv3.simulation.story import verdict
from traderv3.simulation.venture import NO_STOP, PLENTY, Venture, draw_venture
from traderv3.simulation.world import simulate

QUIET: Plan = draw_plan(25)  # a world without faults of its own


def as_it_was(seed: int) -> Plan:
    """The world of a seed without what was added to the plans since: narrow limits, more actors that freeze."""
    plan = draw_plan(seed, venture=draw_venture(seed, may_be_narrow=False))
    return replace(plan, faults=tuple(fault for fault in plan.faults if fault.kind not in LATER_KINDS))


def check_world(plan: Plan) -> None:
    outcome = simulate(plan)

    assert outcome.broken is None, verdict(outcome)


def check(*faults: Fault) -> None:
    check_world(replace(QUIET, faults=faults))


@pytest.mark.parametrize("leaps_s", [12.0, 16.0, 18.3])
def test_a_clock_set_forward_while_the_venue_is_away_replays_to_the_same_state(leaps_s: float) -> None:
    """Seed 235: the replay's machine took the leap of the wall clock for time spent waiting, and went into error."""
    check(
        Fault(5.0, "exchange starts slowly", amount=8.0),
        Fault(10.0, "exchange dies"),
        Fault(leaps_s, "clock", "forward", amount=600.0),
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


@pytest.mark.parametrize("after_s", [29.95, 30.05, 30.15])
def test_a_connector_that_is_stopped_while_it_leaves_a_silent_connection_has_not_failed(after_s: float) -> None:
    """Seed 89: the silence came out of the cancelled actor, as the error that it died of, a log line and a cause."""
    check(Fault(5.0, "vanish", "orderbook_connector"), Fault(5.0 + after_s, "raise", "orderbook_connector"))


def test_a_connector_frozen_just_before_it_would_find_its_connection_silent_is_found() -> None:
    """Seed 260, of the simulator: silence, then the heartbeat, one after the other, are the longest that a book is late."""
    check(Fault(5.0, "vanish", "orderbook_connector"), Fault(34.0, "freeze", "orderbook_connector"))


def test_rest_may_disagree_with_a_book_whose_connection_is_gone_without_a_trace() -> None:
    """Seed 1007, of the simulator: it forgot that a vanished connection is late, too."""
    check(Fault(13.0, "vanish"))


def test_a_silent_socket_that_the_exchange_has_given_up_is_late_too() -> None:
    """Seed 38, of the simulator: a subscription that is over tells nothing, and was taken for one that misses nothing."""
    check(Fault(18.0, "venue", "silent_after=8", for_s=20.0))


def test_a_database_that_is_away_is_told_while_rows_wait_in_the_spill() -> None:
    """Mutants: the simulator looked at the rows in memory alone, and the spill takes those away at once."""
    check(Fault(5.0, "database away", for_s=35.0))


@pytest.mark.parametrize("seed", [1074, 1261, 1186])
def test_a_world_that_the_simulator_judged_wrongly(seed: int) -> None:
    """Of the simulator: bytes that were held up come late, and the silence counts from them; rows in a spill, no market left."""
    check_world(replace(as_it_was(seed), venture=None))


def test_with_no_market_left_everything_else_is_to_be_well_all_the_same() -> None:
    """Seed 3013, of the simulator: it stopped the trader while the actor that notes the run's end did not come up."""
    check(
        *(Fault(5.0 + number, "market", "determine") for number in range(12)),
        Fault(44.0, "ill", f"run_record/{HANG_AT_START}"),
    )


def trading(*faults: Fault, eagerness: float = 0.5) -> None:
    """A strategy of chance in a narrow market of limits, in a world with these faults alone."""
    parameters = RestlessParameters(seed=1, size=Qty(400), eagerness=eagerness, ttl_s=5.0)
    risk = replace(DEFAULT_LIMITS, market=replace(DEFAULT_LIMITS.market, size=Qty(600)), day=NO_STOP)
    check_world(replace(QUIET, venture=Venture(Restless.name, parameters, risk, PLENTY), faults=faults))


def test_an_undisturbed_account_is_equal_on_both_sides() -> None:
    trading()


def test_what_has_filled_counts_before_its_fill_is_heard() -> None:
    """Seeds 33, 74, 88: an answer ended the order, its fill came a moment later; in between risk saw neither."""
    trading(Fault(3.0, "answers", "fill_after_ack=1", for_s=40.0))


def test_orders_whose_answers_are_lost_are_known_in_the_end() -> None:
    trading(Fault(3.0, "orders", "half", for_s=20.0, amount=0.5), Fault(25.0, "orders", "late", for_s=15.0, amount=0.5))


def test_a_halt_leaves_nothing_and_a_resumed_trader_goes_on() -> None:
    trading(Fault(5.0, "latch", "halted", for_s=8.0), Fault(20.0, "latch", "reducing", for_s=8.0))


@pytest.mark.parametrize("actor", ["engine", "order_gateway", "account_connector", "state_sync"])
def test_what_trades_may_die_at_any_moment(actor: str) -> None:
    trading(*(Fault(5.0 + 3.7 * number, "trader raises", actor) for number in range(10)))


@pytest.mark.parametrize("seed", [33, 74, 88, 5008])
def test_a_trading_world_that_broke_an_invariant_does_so_no_more(seed: int) -> None:
    check_world(as_it_was(seed))


def test_an_exchange_that_begins_anew_is_believed() -> None:
    trading(Fault(12.0, "exchange dies"))


def test_orders_of_which_nothing_is_known_are_found_absent_also_after_a_clock_set_back() -> None:
    """Seed 302: they were dated later than every reading for as long as the clock was set back."""
    trading(Fault(8.0, "orders", "lost", for_s=6.0, amount=0.7), Fault(13.0, "clock", "back", amount=600.0))


def test_a_full_disk_is_no_trouble_any_more_once_it_is_well_though_nobody_writes() -> None:
    """Seed 303: the gateway looked again with the next order only, and in what was left of its markets none was wanted."""
    check_world(as_it_was(303))


def test_a_name_that_the_venue_does_not_know_replays_as_it_was_forgotten() -> None:
    """Seed 1333: a market watched while REST was away, then unknown to it, stayed in the replay's books alone."""
    check_world(as_it_was(1333))
