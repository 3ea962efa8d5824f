"""Times as people write them, for every command that takes one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.timestamps import TimeUnreadable, parse_time, rfc3339

NOW = datetime(2026, 11, 22, 15, 2, 41, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("10m", "2026-11-22T14:52:41.000Z"),
        ("2h", "2026-11-22T13:02:41.000Z"),
        ("1d", "2026-11-21T15:02:41.000Z"),
        ("09:30", "2026-11-22T09:30:00.000Z"),
        ("9:30:15", "2026-11-22T09:30:15.000Z"),
        ("2026-11-01", "2026-11-01T00:00:00.000Z"),
        ("2026-11-22T15:00:00.250Z", "2026-11-22T15:00:00.250Z"),
        ("2026-11-22T10:00:00-05:00", "2026-11-22T15:00:00.000Z"),
    ],
)
def test_how_a_time_may_be_written(text: str, at: str) -> None:
    assert rfc3339(parse_time(text, NOW)) == at


def test_a_time_is_exact_to_the_microsecond() -> None:
    assert parse_time("1970-01-01T00:00:01.000001Z", NOW) == 1_000_001


@given(st.text())
def test_no_time_whatever_raises_anything_else(text: str) -> None:
    try:
        at_us = parse_time(text, NOW)
    except TimeUnreadable:
        return
    assert rfc3339(at_us).endswith("Z")
