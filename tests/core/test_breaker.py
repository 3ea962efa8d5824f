"""The circuit breaker's table, whole: every state x every outcome and every age."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.core.event_bus import Breaker, BreakerState, BusLimits

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
LIMITS = BusLimits(window_s=30, calls_min=4, failure_share=0.5, rest_s=10)


def breaker_in(state: BreakerState) -> Breaker:
    """A breaker that opened at 0 (if it did); closed ones are one failure away from opening."""
    breaker = Breaker(LIMITS)
    for is_success in (True, True, False):
        breaker.record(0.0, is_success=is_success)
    if state is not CLOSED:
        breaker.record(0.0, is_success=False)
    if state is HALF_OPEN:
        assert breaker.allows(10.0)

    assert breaker.state is state
    return breaker


@pytest.mark.parametrize(
    ("state", "is_success", "expected"),
    [
        (CLOSED, True, CLOSED),
        (CLOSED, False, OPEN),
        (OPEN, True, OPEN),  # not called while open: a late outcome changes nothing
        (OPEN, False, OPEN),
        (HALF_OPEN, True, CLOSED),
        (HALF_OPEN, False, OPEN),
    ],
)
def test_an_outcome_moves_it_as_the_table_says(state: BreakerState, is_success: bool, expected: BreakerState) -> None:
    breaker = breaker_in(state)
    has_moved = breaker.record(10.0, is_success=is_success)

    assert breaker.state is expected
    assert has_moved == (state is not expected)


@pytest.mark.parametrize(
    ("state", "at_s", "is_allowed", "expected"),
    [
        *((CLOSED, at_s, True, CLOSED) for at_s in (0.0, 9.9, 10.0, 1e6)),
        (OPEN, 0.0, False, OPEN),
        (OPEN, 9.9, False, OPEN),
        (OPEN, 10.0, True, HALF_OPEN),
        (OPEN, 1e6, True, HALF_OPEN),
        *((HALF_OPEN, at_s, True, HALF_OPEN) for at_s in (10.0, 1e6)),
    ],
)
def test_asking_lets_one_through_once_it_has_rested(
    state: BreakerState, at_s: float, is_allowed: bool, expected: BreakerState
) -> None:
    breaker = breaker_in(state)

    assert breaker.allows(at_s) is is_allowed
    assert breaker.state is expected


def test_a_failed_probe_rests_it_from_that_moment() -> None:
    breaker = breaker_in(HALF_OPEN)
    breaker.record(12.0, is_success=False)

    assert not breaker.allows(21.9)
    assert breaker.allows(22.0)


def test_closed_again_it_has_forgotten_what_was_before() -> None:
    breaker = breaker_in(HALF_OPEN)
    breaker.record(10.0, is_success=True)
    for is_success in (True, True, False):  # with the probe: one failure of four
        breaker.record(10.0, is_success=is_success)

    assert breaker.state is CLOSED


@pytest.mark.parametrize("outcomes", list(itertools.product([True, False], repeat=4)))
def test_it_opens_when_half_of_enough_calls_failed(outcomes: tuple[bool, ...]) -> None:
    breaker = Breaker(LIMITS)
    for is_success in outcomes:
        breaker.record(0.0, is_success=is_success)

    assert (breaker.state is OPEN) == (outcomes.count(False) >= 2)


def test_failures_older_than_the_window_do_not_count() -> None:
    breaker = Breaker(LIMITS)
    for at_s in range(0, 400, 31):
        breaker.record(float(at_s), is_success=False)

    assert breaker.state is CLOSED


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=60))
def test_it_opens_exactly_when_a_recount_of_the_window_says_so(calls: list[tuple[float, bool]]) -> None:
    breaker, now, seen = Breaker(LIMITS), 0.0, list[tuple[float, bool]]()
    for wait_s, is_success in calls:
        now += wait_s
        breaker.record(now, is_success=is_success)
        seen.append((now, is_success))
        window = [ok for at_s, ok in seen if now - at_s <= LIMITS.window_s]
        is_due = len(window) >= LIMITS.calls_min and window.count(False) >= LIMITS.failure_share * len(window)

        assert (breaker.state is OPEN) == is_due
        if is_due:
            return


def test_what_it_remembers_is_bounded() -> None:
    breaker = Breaker(LIMITS)
    for _ in range(5 * Breaker.CALLS_KEPT):
        breaker.record(0.0, is_success=True)
    for _ in range(Breaker.CALLS_KEPT // 2 - 1):
        breaker.record(0.0, is_success=False)
    before = breaker.state
    breaker.record(0.0, is_success=False)

    assert before is CLOSED
    assert breaker.state is OPEN
