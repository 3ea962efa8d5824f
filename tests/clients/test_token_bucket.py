"""The token bucket against an account kept in exact fractions."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from traderv3.clients.token_bucket import TokenBucket


def test_it_is_full_at_first_and_fills_as_time_goes_by() -> None:
    bucket = TokenBucket(200, 200)
    taken = [bucket.take(10, 0.0) for _ in range(21)]

    assert taken == [True] * 20 + [False]
    assert bucket.wait_s(10, 0.0) == 0.05
    assert bucket.take(10, 0.05)
    assert bucket.tokens(0.3) == 50
    assert bucket.tokens(100.0) == 200


def test_a_refusal_takes_nothing() -> None:
    bucket = TokenBucket(10, 100)
    bucket.take(95, 0.0)

    assert not bucket.take(6, 0.0)
    assert bucket.tokens(0.0) == 5


def test_emptied_by_the_venue_it_fills_again_from_that_moment() -> None:
    bucket = TokenBucket(200, 400)
    bucket.empty(10.0)

    assert bucket.wait_s(10, 10.0) == 0.05
    assert bucket.tokens(11.0) == 200


def test_a_cost_above_the_capacity_is_the_whole_bucket() -> None:
    bucket = TokenBucket(1, 1)

    assert bucket.wait_s(150, 0.0) == 0
    assert bucket.take(150, 0.0)
    assert bucket.wait_s(150, 0.0) == 1.0


def test_measured_figures_keep_what_is_there_as_far_as_it_fits() -> None:
    grown, shrunk = TokenBucket(200, 200), TokenBucket(200, 200)
    grown.resize(300, 600, 0.0)
    shrunk.resize(100, 100, 0.0)

    assert (grown.tokens(0.0), grown.tokens(1.0)) == (200, 500)
    assert (shrunk.tokens(0.0), shrunk.tokens(9.0)) == (100, 100)


def test_a_clock_that_runs_backwards_fills_nothing() -> None:
    bucket = TokenBucket(100, 100, now=50.0)
    taken = bucket.take(60, 10.0)

    assert taken
    assert [bucket.tokens(at_s) for at_s in (10.0, 50.0, 50.5)] == [40, 40, 90]


@given(
    rate=st.integers(1, 1000),
    capacity=st.integers(1, 1000),
    steps=st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 1200)), max_size=60),
)
def test_never_more_is_taken_than_flowed_in_and_whoever_waits_gets_it(
    rate: int, capacity: int, steps: list[tuple[int, int]]
) -> None:
    bucket, now_ms, held = TokenBucket(rate, capacity), 0, Fraction(capacity)
    for wait_ms, cost in steps:
        now_ms += wait_ms
        held = min(Fraction(capacity), held + Fraction(wait_ms * rate, 1000))
        if bucket.take(cost, now_ms / 1000):
            held -= min(cost, capacity)

        assert held >= Fraction(-1, 1000)
        assert abs(bucket.tokens(now_ms / 1000) - held) < 1e-3
    wait_s = bucket.wait_s(capacity, now_ms / 1000)

    assert bucket.take(capacity, now_ms / 1000 + wait_s)
