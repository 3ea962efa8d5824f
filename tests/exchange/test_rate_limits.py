"""Token buckets: exact, all or nothing, a member's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.exchange.rate_limits import TIERS, Budget, RateLimits, TokenBucket

SECOND_US = 1_000_000


def test_a_bucket_is_full_at_first_and_refills_evenly() -> None:
    bucket = TokenBucket(100, 100, now_us=0)

    assert bucket.take(100, now_us=0)
    assert not bucket.take(1, now_us=9_999)
    assert bucket.take(1, now_us=10_000)
    assert not bucket.take(1, now_us=10_000)


def test_what_cannot_be_covered_takes_nothing() -> None:
    bucket = TokenBucket(10, 10, now_us=0)

    assert not bucket.take(11, now_us=0)
    assert bucket.take(10, now_us=0)


def test_it_never_holds_more_than_its_capacity() -> None:
    bucket = TokenBucket(10, 20, now_us=0)

    assert not bucket.take(21, now_us=3600 * SECOND_US)
    assert bucket.take(20, now_us=3600 * SECOND_US)


@given(st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 30)), max_size=60))
def test_no_more_is_taken_than_the_capacity_and_the_time_allow(calls: list[tuple[int, int]]) -> None:
    bucket = TokenBucket(100, 50, now_us=0)
    now_us = taken = 0
    for pause_us, cost in calls:
        now_us += pause_us
        taken += cost * bucket.take(cost, now_us=now_us)

        assert taken * SECOND_US <= 50 * SECOND_US + now_us * 100


def test_reads_writes_and_the_balance_are_separate_and_so_are_members() -> None:
    limits = RateLimits("basic")

    assert all(limits.is_covered("ann", Budget.WRITE, 10, now_us=0) for _ in range(10))
    assert not limits.is_covered("ann", Budget.WRITE, 10, now_us=0)
    assert limits.is_covered("ann", Budget.READ, 400, now_us=0)
    assert limits.is_covered("ann", Budget.BALANCE, 10, now_us=0)
    assert not limits.is_covered("ann", Budget.BALANCE, 10, now_us=999_999)
    assert limits.is_covered("ann", Budget.BALANCE, 10, now_us=1_000_000)
    assert limits.is_covered("bob", Budget.WRITE, 100, now_us=0)


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_prints_its_own_figures(tier: str) -> None:
    body = RateLimits(tier).body()

    assert body["usage_tier"] == tier
    assert body["write"]["bucket_capacity"] >= body["write"]["refill_rate"] == TIERS[tier].write


def test_unlimited_prints_the_highest_tier_and_refuses_nothing() -> None:
    limits = RateLimits()

    assert limits.body()["usage_tier"] == "prestige"
    assert all(limits.is_covered("ann", Budget.WRITE, 1_000_000, now_us=0) for _ in range(3))
