"""The circuit breaker's table, whole: every state x every outcome and every age; and calls that overlap."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.core.breaker import OUTCOMES_KEPT, Breaker, BreakerLimits, BreakerState, Ticket

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
LIMITS = BreakerLimits(window_s=30, calls_min=4, failure_share=0.5, rest_s=10)


def call(breaker: Breaker, now: float, *, is_success: bool) -> bool:
    """One admitted call and its outcome."""
    ticket = breaker.admit(now)
    assert ticket is not None
    return breaker.record(now, ticket, is_success=is_success)


def breaker_in(state: BreakerState) -> tuple[Breaker, Ticket]:
    """A breaker that opened at 0 (if it did), with the last ticket it gave; closed ones are one failure away."""
    breaker = Breaker(LIMITS)
    for is_success in (True, True, False):
        call(breaker, 0.0, is_success=is_success)
    ticket = breaker.admit(0.0)
    assert ticket is not None
    if state is not CLOSED:
        breaker.record(0.0, ticket, is_success=False)
    if state is HALF_OPEN:
        ticket = breaker.admit(10.0)
        assert ticket is not None

    assert breaker.state is state
    return breaker, ticket


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
    breaker, ticket = breaker_in(state)
    has_moved = breaker.record(10.0, ticket, is_success=is_success)

    assert breaker.state is expected
    assert has_moved == (state is not expected)


@pytest.mark.parametrize(
    ("state", "at_s", "is_admitted", "expected"),
    [
        *((CLOSED, at_s, True, CLOSED) for at_s in (0.0, 9.9, 10.0, 1e6)),
        (OPEN, 0.0, False, OPEN),
        (OPEN, 9.9, False, OPEN),
        (OPEN, 10.0, True, HALF_OPEN),
        (OPEN, 1e6, True, HALF_OPEN),
        *((HALF_OPEN, at_s, False, HALF_OPEN) for at_s in (10.0, 1e6)),  # its probe is under way
    ],
)
def test_asking_lets_one_through_once_it_has_rested(
    state: BreakerState, at_s: float, is_admitted: bool, expected: BreakerState
) -> None:
    breaker, _ = breaker_in(state)

    assert (breaker.admit(at_s) is not None) == is_admitted
    assert breaker.state is expected


def test_it_says_how_long_it_rests() -> None:
    breaker, _ = breaker_in(OPEN)

    assert [breaker.rest_left_s(at_s) for at_s in (0.0, 4.0, 10.0, 99.0)] == [10.0, 6.0, 0.0, 0.0]
    assert breaker_in(CLOSED)[0].rest_left_s(0.0) == breaker_in(HALF_OPEN)[0].rest_left_s(10.0) == 0.0


def test_a_failed_probe_rests_it_from_that_moment() -> None:
    breaker, probe = breaker_in(HALF_OPEN)
    breaker.record(12.0, probe, is_success=False)

    assert breaker.admit(21.9) is None
    assert breaker.admit(22.0) is not None


def test_a_probe_without_an_outcome_makes_room_for_the_next() -> None:
    breaker, probe = breaker_in(HALF_OPEN)
    breaker.abandon(probe)

    assert breaker.admit(10.0) is not None
    assert breaker.admit(10.0) is None


def test_an_outcome_from_before_the_change_decides_nothing() -> None:
    breaker = Breaker(LIMITS)
    tickets = [breaker.admit(0.0) for _ in range(8)]
    late = tickets.pop()
    for ticket in tickets:
        assert ticket is not None
        breaker.record(0.0, ticket, is_success=False)
    probe = breaker.admit(10.0)
    assert late is not None
    breaker.abandon(late)
    breaker.record(10.0, late, is_success=True)

    assert probe is not None
    assert breaker.state is HALF_OPEN
    assert breaker.admit(10.0) is None


def test_closed_again_it_has_forgotten_what_was_before() -> None:
    breaker, probe = breaker_in(HALF_OPEN)
    breaker.record(10.0, probe, is_success=True)
    for is_success in (True, True, False):  # with the probe: one failure of four
        call(breaker, 10.0, is_success=is_success)

    assert breaker.state is CLOSED


@pytest.mark.parametrize("outcomes", list(itertools.product([True, False], repeat=4)))
def test_it_opens_when_half_of_enough_calls_failed(outcomes: tuple[bool, ...]) -> None:
    breaker = Breaker(LIMITS)
    for is_success in outcomes:
        call(breaker, 0.0, is_success=is_success)

    assert (breaker.state is OPEN) == (outcomes.count(False) >= 2)


def test_failures_older_than_the_window_do_not_count() -> None:
    breaker = Breaker(LIMITS)
    for at_s in range(0, 400, 31):
        call(breaker, float(at_s), is_success=False)

    assert breaker.state is CLOSED


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=60))
def test_it_opens_exactly_when_a_recount_of_the_window_says_so(calls: list[tuple[float, bool]]) -> None:
    breaker, now, seen = Breaker(LIMITS), 0.0, list[tuple[float, bool]]()
    for wait_s, is_success in calls:
        now += wait_s
        call(breaker, now, is_success=is_success)
        seen.append((now, is_success))
        window = [ok for at_s, ok in seen if now - at_s <= LIMITS.window_s]
        is_due = len(window) >= LIMITS.calls_min and window.count(False) >= LIMITS.failure_share * len(window)

        assert (breaker.state is OPEN) == is_due
        if is_due:
            return


@given(st.lists(st.tuples(st.sampled_from(["admit", "good", "bad", "abandon"]), st.floats(0, 12)), max_size=80))
def test_however_calls_overlap_there_is_one_probe_at_most(steps: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(LIMITS), 0.0
    under_way: list[tuple[Ticket, bool]] = []  # and whether it was admitted as a probe
    for step, wait_s in steps:
        now += wait_s
        if step == "admit":
            ticket = breaker.admit(now)
            if ticket is not None:
                under_way.append((ticket, breaker.state is HALF_OPEN))
        elif under_way:
            ticket, _ = under_way.pop(0)
            if step != "abandon":
                breaker.record(now, ticket, is_success=step == "good")
            breaker.abandon(ticket)

        assert sum(is_probe for _, is_probe in under_way) <= 1


def test_what_it_remembers_is_bounded() -> None:
    breaker = Breaker(LIMITS)
    for _ in range(5 * OUTCOMES_KEPT):
        call(breaker, 0.0, is_success=True)
    for _ in range(OUTCOMES_KEPT // 2 - 1):
        call(breaker, 0.0, is_success=False)
    before = breaker.state
    call(breaker, 0.0, is_success=False)

    assert before is CLOSED
    assert breaker.state is OPEN
