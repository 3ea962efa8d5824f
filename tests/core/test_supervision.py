"""The data of supervision: restart kinds, backoff, bounds of specifications, and the lifeline."""

import itertools
import random
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.core.stage import stay, tree
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff, ChildSpec, Killed, Restart, Strategy, SupervisorSpec


@pytest.mark.parametrize(
    ("restart", "error", "is_due"),
    [
        (Restart.PERMANENT, None, True),
        (Restart.PERMANENT, Killed("x"), True),
        (Restart.TRANSIENT, None, False),
        (Restart.TRANSIENT, Killed("x"), True),
        (Restart.TEMPORARY, None, False),
        (Restart.TEMPORARY, Killed("x"), False),
    ],
)
def test_who_is_started_again_after_what(restart: Restart, error: Exception | None, is_due: bool) -> None:
    assert restart.is_due(error) is is_due


@given(
    first_s=st.floats(0, 10),
    more_s=st.floats(0, 100),
    jitter=st.floats(0, 1),
    streak=st.integers(1, 5000),
    seed=st.integers(0, 2**32),
)
def test_a_backoff_lies_between_its_bounds(
    first_s: float, more_s: float, jitter: float, streak: int, seed: int
) -> None:
    backoff = Backoff(first_s, first_s + more_s, jitter)
    full = Backoff(first_s, first_s + more_s, 0.0).delay_s(streak, random.Random(seed))
    delay = backoff.delay_s(streak, random.Random(seed))

    assert full == min(first_s * 2.0 ** min(streak - 1, 60), first_s + more_s)
    assert full * (1 - jitter) <= delay <= full


@given(first_s=st.floats(0.001, 10), more_s=st.floats(0, 100))
def test_without_jitter_a_backoff_never_shrinks(first_s: float, more_s: float) -> None:
    backoff = Backoff(first_s, first_s + more_s, 0.0)
    delays = [backoff.delay_s(streak, random.Random(0)) for streak in range(1, 20)]

    assert all(one <= two for one, two in itertools.pairwise(delays))


@pytest.mark.parametrize("wrong", [{"first_s": -1}, {"first_s": 2, "most_s": 1}, {"jitter": 1.1}, {"jitter": -0.1}])
def test_a_backoff_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        Backoff(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"start_s": 0}, {"grace_s": -1}, {"cancel_s": 0}, {"heartbeat_s": 0}],
)
def test_a_child_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        ChildSpec(**{"name": "a", "run": stay, **wrong})


@pytest.mark.parametrize("wrong", [{"restarts_max": -1}, {"period_s": 0}])
def test_a_supervisor_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        SupervisorSpec(name="root", strategy=Strategy.ONE_FOR_ONE, children=(), **wrong)


def test_two_children_do_not_share_a_name() -> None:
    with pytest.raises(AssertionError, match="root: two children share a name"):
        tree(ChildSpec(name="a", run=stay), ChildSpec(name="a", run=stay))


def test_a_supervisor_has_the_time_that_its_children_need() -> None:
    inner = tree(
        ChildSpec(name="a", run=stay, start_s=10, grace_s=2, cancel_s=3),
        ChildSpec(name="b", run=stay, start_s=5, cancel_s=1),
        name="inner",
    )
    root = tree(inner, ChildSpec(name="c", run=stay, start_s=4, cancel_s=1))

    assert (inner.start_s, inner.stop_s) == (16, 7)
    assert (root.start_s, root.stop_s) == (21, 9)
    assert inner.grace_s == inner.cancel_s == inner.stop_s


async def test_a_lifeline_is_started_once(autojump_clock: MockClock) -> None:
    lifeline = Lifeline()
    await trio.sleep(1)
    lifeline.started()
    await trio.sleep(1)
    lifeline.started()

    assert lifeline.is_started
    assert lifeline.settled.is_set()
    assert lifeline.started_at == lifeline.last_beat == 1


async def test_a_beat_is_counted_and_timed_and_says_nothing_of_readiness(autojump_clock: MockClock) -> None:
    lifeline = Lifeline()
    await trio.sleep(3)
    lifeline.beat()

    assert (lifeline.beats, lifeline.last_beat) == (1, 3)
    assert not lifeline.is_started
    assert not lifeline.settled.is_set()
