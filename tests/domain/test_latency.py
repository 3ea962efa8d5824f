"""Counts in buckets over a minute: nothing lost, nothing kept too long, percentiles within their bucket."""

from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.latency import BOUNDS_US, SLICE_S, WINDOW_S, Latency

TOOK_US = st.integers(0, 2_000_000)


@given(st.lists(TOOK_US, max_size=200), st.floats(0.5, 1.0))
def test_every_sample_is_counted_and_a_percentile_is_that_of_the_samples_within_its_bucket(
    took_us: list[int], share: float
) -> None:
    latency = Latency()
    for sample in took_us:
        latency.note(sample, now_s=100.0)
    reading = latency.read(now_s=100.0)

    assert reading.count == len(took_us)
    assert reading.longest_us == max(took_us, default=None)
    percentile = reading.percentile_us(share)
    if not took_us:
        assert percentile is None
        return
    assert percentile is not None
    below = sum(sample <= percentile for sample in took_us)
    assert below >= share * len(took_us)
    lower = max((bound for bound in BOUNDS_US if bound < percentile), default=-1)
    assert sum(sample <= lower for sample in took_us) < share * len(took_us) or percentile == max(took_us)


@given(st.lists(st.tuples(st.floats(0, 20), TOOK_US), max_size=60), st.floats(0, 200))
def test_the_window_holds_the_last_minute_to_within_a_slice(steps: list[tuple[float, int]], later_s: float) -> None:
    latency, now_s, noted_at = Latency(), 0.0, []
    for step_s, took_us in steps:
        now_s += step_s
        latency.note(took_us, now_s=now_s)
        noted_at.append(now_s)
    now_s += later_s
    count = latency.read(now_s=now_s).count

    assert sum(at > now_s - (WINDOW_S - SLICE_S) for at in noted_at) <= count
    assert count <= sum(at > now_s - WINDOW_S - 1e-9 for at in noted_at)


def test_bounds_are_inclusive_and_the_last_count_is_above_all() -> None:
    latency = Latency()
    for took_us in (BOUNDS_US[0], BOUNDS_US[0] + 1, BOUNDS_US[-1], BOUNDS_US[-1] + 1):
        latency.note(took_us, now_s=0.0)
    counts = latency.read(now_s=0.0).counts

    assert (counts[0], counts[1], counts[-2], counts[-1]) == (1, 1, 1, 1)
