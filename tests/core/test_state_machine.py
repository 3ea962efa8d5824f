"""The trader's table whole, through the machine; entry actions, time limits, announcements, several callers at once."""

import itertools
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from traderv3.core.state_machine import EntryFailed, IllegalTransition, StateMachine, StateTable, Transition
from traderv3.domain.errors import ConnectivityError
from traderv3.domain.states import EDGES, LIMITS_S, MEANING, OPERATING, OVERDUE, State

# Design, section 7, word for word: the contract. (`kalshi…` stands for the long name.)
CONTRACT = """
startup                                 initializing, error, shutdown
initializing                            kalshi_connectivity_orderbook_client, error, shutdown
kalshi_connectivity_orderbook_client    ready, error, shutdown
ready                                   calibrating, kalshi_connectivity_orderbook_client, error, shutdown
calibrating                             trading_ready, ready, kalshi_connectivity_orderbook_client, error, shutdown
trading_ready                           acting, calibrating, ready, kalshi_connectivity_orderbook_client, error, shutdown
acting                                  trading_ready, calibrating, ready, kalshi_connectivity_orderbook_client, error, shutdown
error                                   kalshi_connectivity_orderbook_client, initializing, shutdown
shutdown
"""
CONTRACT_LIMITS_S = {"startup": 30, "initializing": 60, "kalshi_connectivity_orderbook_client": 120}

TABLE = StateTable(
    edges=EDGES, initial=State.STARTUP, final=frozenset({State.SHUTDOWN}), limits_s=LIMITS_S, overdue=OVERDUE
)
PAIRS = list(itertools.product(State, State))


class Recorder:
    """What was announced, and the machine's state at that moment."""

    def __init__(self) -> None:
        self.told: list[Transition[State]] = []
        self.machine: StateMachine[State]

    def announce(self, transition: Transition[State]) -> None:
        """Take one announcement."""
        assert self.machine.state is transition.target, "announced before it happened"
        self.told.append(transition)

    @property
    def steps(self) -> list[tuple[State, State, str]]:
        """From, to, why."""
        return [(each.source, each.target, each.context) for each in self.told]


def machine_in(
    state: State, actions: dict[State, Callable[[], Awaitable[None]]] | None = None
) -> tuple[StateMachine[State], Recorder]:
    """A machine in `state`, entered just now, and who listens to it."""
    recorder = Recorder()
    table = StateTable(edges=EDGES, initial=state, final=TABLE.final, limits_s=LIMITS_S, overdue=OVERDUE)
    recorder.machine = StateMachine(table, recorder.announce, actions)
    return recorder.machine, recorder


# -- the table ---------------------------------------------------------------------------------------------------------


def test_the_table_is_the_contract_of_the_design() -> None:
    rows = [line.replace(",", " ").split() for line in CONTRACT.strip().splitlines()]

    assert {str(state): {str(target) for target in targets} for state, targets in EDGES.items()} == {
        name: set(targets) for name, *targets in rows
    }
    assert [str(state) for state in State] == [name for name, *_ in rows]
    assert {str(state): limit_s for state, limit_s in LIMITS_S.items()} == CONTRACT_LIMITS_S
    assert dict(OVERDUE) == dict.fromkeys(LIMITS_S, State.ERROR)


def test_every_state_can_be_stopped_and_every_working_state_can_fail() -> None:
    assert all(State.SHUTDOWN in EDGES[state] for state in State if state is not State.SHUTDOWN)
    assert all(State.ERROR in EDGES[state] for state in set(State) - {State.ERROR, State.SHUTDOWN})
    assert all(State.CONNECTIVITY in EDGES[state] for state in OPERATING)


def test_every_state_can_be_reached_and_has_a_meaning() -> None:
    reached = {State.STARTUP}
    while more := {target for state in reached for target in EDGES[state]} - reached:
        reached |= more

    assert reached == set(State)
    assert all(MEANING[state] for state in State)


@pytest.mark.parametrize(("source", "target"), PAIRS)
async def test_a_move_is_made_if_the_table_holds_it_and_refused_if_not(source: State, target: State) -> None:
    machine, recorder = machine_in(source)

    assert machine.may(target) is (target in EDGES[source])
    if target in EDGES[source]:
        await machine.to(target, "because")
        assert machine.state is target
        assert machine.context == "because"
        assert recorder.steps == [(source, target, "because")]
    else:
        with pytest.raises(IllegalTransition, match=f"{source} -> {target} is not in the table"):
            await machine.to(target, "because")
        assert machine.state is source
        assert machine.context == ""
        assert recorder.steps == []


@pytest.mark.parametrize(
    "broken",
    [
        {"initial": State.READY, "edges": {State.STARTUP: frozenset[State]()}},
        {"edges": {State.STARTUP: frozenset({State.READY})}},
        {"edges": {State.STARTUP: frozenset({State.SHUTDOWN}), State.SHUTDOWN: frozenset({State.STARTUP})}},
        {"limits_s": {State.STARTUP: 1.0}},
        {"limits_s": {State.STARTUP: 1.0}, "overdue": {State.STARTUP: State.READY}},
    ],
)
def test_a_table_that_makes_no_sense_is_refused(broken: dict[str, Any]) -> None:
    sound: dict[str, Any] = {"edges": EDGES, "initial": State.STARTUP, "final": frozenset({State.SHUTDOWN})}

    with pytest.raises(AssertionError):
        StateTable[State](**{**sound, **broken})


# -- entry actions -----------------------------------------------------------------------------------------------------


async def test_the_entry_action_runs_before_the_change_and_its_time_is_told(autojump_clock: MockClock) -> None:
    seen: list[State] = []

    async def act() -> None:
        seen.append(machine.state)
        await trio.sleep(2)

    machine, recorder = machine_in(State.STARTUP, {State.INITIALIZING: act})
    await machine.to(State.INITIALIZING, "go")

    assert seen == [State.STARTUP]
    assert recorder.told[0].took_s == 2
    assert machine.held_s == 0


async def test_a_failed_entry_action_rolls_back_and_says_so(autojump_clock: MockClock) -> None:
    async def fail() -> None:
        await trio.sleep(1)
        raise ConnectivityError("the venue is away")

    machine, recorder = machine_in(State.ERROR, {State.CONNECTIVITY: fail})

    with pytest.raises(EntryFailed, match=r"stays error: entering kalshi_.* failed: the venue is away"):
        await machine.to(State.CONNECTIVITY, "go")
    assert machine.state is State.ERROR
    assert recorder.steps == []
    assert machine.held_s == 1  # it never left


async def test_an_entry_action_that_takes_too_long_rolls_back_and_says_so(autojump_clock: MockClock) -> None:
    machine, recorder = machine_in(State.ERROR, {State.CONNECTIVITY: trio.sleep_forever})

    with pytest.raises(EntryFailed, match="took over 5 s"):
        await machine.to(State.CONNECTIVITY, "go")
    assert machine.state is State.ERROR
    assert recorder.steps == []
    assert trio.current_time() == 5


async def test_a_bug_in_an_entry_action_is_a_crash_and_the_machine_stays(autojump_clock: MockClock) -> None:
    async def crash() -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    machine, recorder = machine_in(State.ERROR, {State.CONNECTIVITY: crash})

    with pytest.raises(ZeroDivisionError):
        await machine.to(State.CONNECTIVITY, "go")
    assert machine.state is State.ERROR
    assert recorder.steps == []


async def test_a_cancelled_transition_did_not_happen_and_the_next_one_may(autojump_clock: MockClock) -> None:
    machine, recorder = machine_in(State.ERROR, {State.CONNECTIVITY: partial(trio.sleep, 3)})
    with trio.move_on_after(1):
        await machine.to(State.CONNECTIVITY, "go")
    stayed = machine.state
    await machine.to(State.SHUTDOWN, "stop")

    assert stayed is State.ERROR
    assert recorder.steps == [(State.ERROR, State.SHUTDOWN, "stop")]


# -- time limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(State))
async def test_a_state_is_left_when_its_time_has_run_out_and_not_before(
    autojump_clock: MockClock, state: State
) -> None:
    machine, recorder = machine_in(state)
    limit_s = LIMITS_S.get(state)
    left_at_first = machine.left_s
    await trio.sleep((limit_s or 1e6) - 0.01)
    is_early = await machine.enforce_limit()
    await trio.sleep(0.01)
    has_moved = await machine.enforce_limit()

    assert left_at_first == (math.inf if limit_s is None else limit_s)
    assert not is_early
    assert has_moved is (limit_s is not None)
    if limit_s is not None:
        assert recorder.steps == [(state, State.ERROR, f"{state} took longer than {limit_s:g} s")]


async def test_the_time_counts_from_the_entry(autojump_clock: MockClock) -> None:
    machine, _ = machine_in(State.STARTUP)
    await trio.sleep(29)
    await machine.to(State.INITIALIZING, "go")

    assert machine.left_s == 60
    assert machine.held_s == 0


async def test_a_limit_that_another_transition_overtakes_moves_nothing(autojump_clock: MockClock) -> None:
    machine, recorder = machine_in(State.CONNECTIVITY, {State.READY: partial(trio.sleep, 2)})
    await trio.sleep(119)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(machine.to, State.READY, "all live")
        await trio.sleep(1)
        has_moved = await machine.enforce_limit()

    assert not has_moved
    assert machine.state is State.READY
    assert recorder.steps == [(State.CONNECTIVITY, State.READY, "all live")]


# -- several callers ---------------------------------------------------------------------------------------------------


async def test_transitions_asked_for_at_once_take_their_turns_and_are_announced_in_order(
    autojump_clock: MockClock,
) -> None:
    machine, recorder = machine_in(State.STARTUP, {State.INITIALIZING: partial(trio.sleep, 1)})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(machine.to, State.INITIALIZING, "first")
        await wait_all_tasks_blocked()
        nursery.start_soon(machine.to, State.CONNECTIVITY, "second")  # legal only after the first
        await wait_all_tasks_blocked()
        nursery.start_soon(machine.to, State.READY, "third")

    assert [context for *_, context in recorder.steps] == ["first", "second", "third"]
    assert machine.state is State.READY


async def test_the_later_of_two_is_judged_by_the_state_it_finds(autojump_clock: MockClock) -> None:
    machine, recorder = machine_in(State.READY, {State.SHUTDOWN: partial(trio.sleep, 1)})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(machine.to, State.SHUTDOWN, "asked to stop")
        await wait_all_tasks_blocked()
        with pytest.raises(IllegalTransition):
            await machine.to(State.CONNECTIVITY, "no live book")

    assert recorder.steps == [(State.READY, State.SHUTDOWN, "asked to stop")]


async def test_a_move_meant_for_one_state_is_not_made_from_another(autojump_clock: MockClock) -> None:
    machine, recorder = machine_in(State.READY, {State.SHUTDOWN: partial(trio.sleep, 1)})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(machine.to, State.SHUTDOWN, "asked to stop")
        await wait_all_tasks_blocked()
        has_moved = await machine.to(State.CONNECTIVITY, "no live book", only_from=State.READY)

    assert not has_moved
    assert recorder.steps == [(State.READY, State.SHUTDOWN, "asked to stop")]
