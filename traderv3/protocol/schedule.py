"""When the exchange trades, as it announces it: weekly hours in New York's time, and maintenance windows.

Every Thursday 03:00 to 05:00 there is a pause in the weekly hours. "00:00" as a closing time, or one that is not after
the opening, lies on the next day. A day for which no week is in force has no pause: nothing was said about it.
Units: times microseconds since the epoch; times of day in minutes.
Source: `GET /exchange/schedule`, Kalshi's OpenAPI document 3.34.0; hours as recorded in January 2026.
Never: a guess about the clocks' change; the time zone data of the system decide.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from traderv3.domain.hours import Pause
from traderv3.protocol.rest import parse_time, reader

LOOK_AHEAD_DAYS: Final = 8  # a week and the day in which it ends
_DAY_MINUTES: Final = 24 * 60
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)

Span = tuple[int, int]  # from, to (not included)
Sessions = tuple[Span, ...]  # minutes of one day; a session may end on the next


@dataclass(frozen=True, slots=True)
class Week:
    """Trading sessions from Monday to Sunday, in force during `span_us`."""

    span_us: Span
    days: tuple[Sessions, ...]

    def __post_init__(self) -> None:
        assert len(self.days) == 7


@dataclass(frozen=True, slots=True)
class Schedule:
    """All that is announced."""

    weeks: tuple[Week, ...]
    maintenance_us: tuple[Span, ...]


def next_pause(schedule: Schedule, at_us: int) -> Pause | None:
    """The announced closure that holds at that moment, or else the next one, or None.

    Weekly hours are looked through for `LOOK_AHEAD_DAYS`.
    """
    pauses = [span for span in (*_closed(schedule, at_us), *schedule.maintenance_us) if span[1] > at_us]
    return Pause(*min(pauses)) if pauses else None


def _closed(schedule: Schedule, at_us: int) -> list[Span]:
    """The gaps between sessions around a moment, ascending, as far as a week is in force."""
    zone = ZoneInfo("America/New_York")
    today = (_EPOCH + at_us * _US).astimezone(zone).date()
    known: list[Span] = []
    opened: list[Span] = []
    for week in schedule.weeks:
        for ahead in range(-2, LOOK_AHEAD_DAYS + 1):
            day = today + timedelta(days=ahead)
            known.append(_clip((_at_us(day, 0, zone), _at_us(day, _DAY_MINUTES, zone)), week.span_us))
            opened += [
                _clip((_at_us(day, start, zone), _at_us(day, end, zone)), week.span_us)
                for start, end in week.days[day.weekday()]
            ]
    return _without(_merged(known), _merged(opened))


def _at_us(day: date, minutes: int, zone: ZoneInfo) -> int:
    """A time of day on the wall clock of `zone`; 24:00 and later are on the next day."""
    later, minutes = divmod(minutes, _DAY_MINUTES)
    on = day + timedelta(days=later)
    local = datetime(on.year, on.month, on.day, minutes // 60, minutes % 60, tzinfo=zone)
    return (local.astimezone(UTC) - _EPOCH) // _US


def _clip(span: Span, within: Span) -> Span:
    return max(span[0], within[0]), min(span[1], within[1])


def _merged(spans: Iterable[Span]) -> list[Span]:
    """The same time as disjoint spans, ascending; empty ones left out."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _without(whole: list[Span], parts: list[Span]) -> list[Span]:
    """What is left of `whole`; both are disjoint and ascending."""
    left: list[Span] = []
    for start, end in whole:
        for cut_start, cut_end in parts:
            if cut_end <= start or cut_start >= end:
                continue
            if start < cut_start:
                left.append((start, cut_start))
            start = cut_end  # noqa: PLW2901 - what is left to look at
        if start < end:
            left.append((start, end))
    return left


# -- reading -------------------------------------------------------------------------------------------------------


class _Session(msgspec.Struct):
    open_time: str
    close_time: str


class _Week(msgspec.Struct):
    start_time: str
    end_time: str
    monday: list[_Session]
    tuesday: list[_Session]
    wednesday: list[_Session]
    thursday: list[_Session]
    friday: list[_Session]
    saturday: list[_Session]
    sunday: list[_Session]


class _Window(msgspec.Struct):
    start_datetime: str
    end_datetime: str


class _Schedule(msgspec.Struct):
    standard_hours: list[_Week]
    maintenance_windows: list[_Window]


class _ScheduleAnswer(msgspec.Struct):
    schedule: _Schedule


def _minutes(text: str) -> int:
    hours, colon, minutes = text.partition(":")
    is_plain = all(part.isascii() and part.isdigit() and len(part) <= 2 for part in (hours, minutes))
    if not (colon and is_plain and int(minutes) < 60 and int(hours) * 60 + int(minutes) <= _DAY_MINUTES):
        msg = f"{text[:40]!r} is not a time of day"
        raise ValueError(msg)
    return int(hours) * 60 + int(minutes)


def _to_sessions(printed: list[_Session]) -> Sessions:
    sessions = []
    for session in printed:
        start, end = _minutes(session.open_time), _minutes(session.close_time)
        sessions.append((start, end if end > start else end + _DAY_MINUTES))
    return tuple(sessions)


def _to_week(raw: _Week) -> Week:
    days = (raw.monday, raw.tuesday, raw.wednesday, raw.thursday, raw.friday, raw.saturday, raw.sunday)
    span_us = parse_time(raw.start_time), parse_time(raw.end_time)
    return Week(span_us, tuple(_to_sessions(day) for day in days))


def _to_schedule(answer: _ScheduleAnswer) -> Schedule:
    raw = answer.schedule
    windows = [
        (parse_time(window.start_datetime), parse_time(window.end_datetime)) for window in raw.maintenance_windows
    ]
    return Schedule(tuple(_to_week(week) for week in raw.standard_hours), tuple(_merged(windows)))


read_schedule: Final = reader(_ScheduleAnswer, _to_schedule)
