"""The exchange's hours: the Thursday pause in New York's time through both changes of the clocks, and maintenance windows."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.errors import RemoteProtocolError
from traderv3.protocol.rest import parse_time
from traderv3.protocol.schedule import Schedule, next_pause, read_schedule

NEW_YORK = ZoneInfo("America/New_York")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALL_DAY = [{"open_time": "00:00", "close_time": "00:00"}]
THURSDAY = [{"open_time": "00:00", "close_time": "03:00"}, {"open_time": "05:00", "close_time": "00:00"}]


def schedule(
    *windows: tuple[str, str], start: str = "2024-12-01T00:00:00Z", days: dict[str, Any] | None = None
) -> Schedule:
    """The venue's own schedule as recorded, with other days where they are given."""
    week: dict[str, Any] = dict.fromkeys(DAYS, ALL_DAY) | {"thursday": THURSDAY} | (days or {})
    hours = {"start_time": start, "end_time": "2200-12-01T00:00:00Z", **week}
    maintenance = [{"start_datetime": start, "end_datetime": end} for start, end in windows]
    body = {"schedule": {"standard_hours": [hours], "maintenance_windows": maintenance}}
    return read_schedule(json.dumps(body).encode())


def pause_at(announced: Schedule, moment: str) -> tuple[int, int] | None:
    found = next_pause(announced, parse_time(moment))
    return None if found is None else (found.starts_us, found.ends_us)


@pytest.mark.parametrize(
    ("moment", "starts", "ends"),
    [
        ("2026-11-23T15:00:00Z", "2026-11-26T08:00:00Z", "2026-11-26T10:00:00Z"),  # winter: five hours behind
        ("2026-11-26T08:00:00Z", "2026-11-26T08:00:00Z", "2026-11-26T10:00:00Z"),
        ("2026-11-26T09:59:59Z", "2026-11-26T08:00:00Z", "2026-11-26T10:00:00Z"),
        ("2026-11-26T10:00:00Z", "2026-12-03T08:00:00Z", "2026-12-03T10:00:00Z"),
        ("2026-07-01T00:00:00Z", "2026-07-02T07:00:00Z", "2026-07-02T09:00:00Z"),  # summer: four
        ("2026-03-05T12:00:00Z", "2026-03-12T07:00:00Z", "2026-03-12T09:00:00Z"),  # the clocks change in between
        ("2026-10-29T12:00:00Z", "2026-11-05T08:00:00Z", "2026-11-05T10:00:00Z"),
    ],
)
def test_the_thursday_pause_is_at_three_in_new_york(moment: str, starts: str, ends: str) -> None:
    assert pause_at(schedule(), moment) == (parse_time(starts), parse_time(ends))


def test_a_maintenance_window_comes_first_if_it_does() -> None:
    announced = schedule(
        ("2026-11-24T01:00:00Z", "2026-11-24T02:00:00Z"), ("2027-01-01T00:00:00Z", "2027-01-01T01:00:00Z")
    )

    assert pause_at(announced, "2026-11-23T15:00:00Z") == (
        parse_time("2026-11-24T01:00:00Z"),
        parse_time("2026-11-24T02:00:00Z"),
    )
    assert pause_at(announced, "2026-11-24T02:00:00Z") == (
        parse_time("2026-11-26T08:00:00Z"),
        parse_time("2026-11-26T10:00:00Z"),
    )


def test_always_open_has_no_pause() -> None:
    whole = [{"open_time": "00:00", "close_time": "24:00"}]  # midnight as some print it

    assert pause_at(schedule(days={"thursday": ALL_DAY}), "2026-11-23T15:00:00Z") is None
    assert pause_at(schedule(days=dict.fromkeys(DAYS, whole)), "2026-11-01T04:00:00Z") is None


def test_nothing_announced_is_no_pause() -> None:
    nothing = Schedule((), ())
    later = schedule(start="2027-01-01T00:00:00Z")

    assert next_pause(nothing, parse_time("2026-11-26T09:00:00Z")) is None
    assert pause_at(later, "2026-11-26T09:00:00Z") is None


def test_a_session_over_midnight_belongs_to_both_days() -> None:
    evening = [{"open_time": "20:00", "close_time": "02:00"}]
    announced = schedule(days=dict.fromkeys(DAYS, evening))

    assert pause_at(announced, "2026-11-24T06:00:00Z") == (
        parse_time("2026-11-24T07:00:00Z"),
        parse_time("2026-11-25T01:00:00Z"),
    )


def test_a_closed_weekend_is_one_pause() -> None:
    announced = schedule(days={"saturday": [], "sunday": []})

    assert pause_at(announced, "2026-11-27T12:00:00Z") == (
        parse_time("2026-11-28T05:00:00Z"),
        parse_time("2026-11-30T05:00:00Z"),
    )


@pytest.mark.parametrize("text", ["", "3", "3:", ":30", "25:00", "24:01", "12:60", "a:b", "-1:00", "03:00:00"])
def test_a_time_of_day_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        schedule(days={"monday": [{"open_time": text, "close_time": "24:00"}]})


@given(st.integers(parse_time("2025-01-01T00:00:00Z") // 1_000_000, parse_time("2040-01-01T00:00:00Z") // 1_000_000))
def test_at_any_moment_the_pause_is_the_wall_clocks(at_s: int) -> None:
    local = datetime.fromtimestamp(at_s, tz=NEW_YORK)
    found = next_pause(schedule(), at_s * 1_000_000)

    assert found is not None
    assert found.holds(at_s * 1_000_000) == (local.weekday() == 3 and 3 <= local.hour < 5)
    assert found.ends_us - found.starts_us == 2 * 3600 * 1_000_000
