"""Times as people and browsers read and write them: RFC 3339, UTC; milliseconds where we write them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_AGO: Final = re.compile(r"([0-9]{1,6})([smhd])")
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

TIME_FORMS: Final = "RFC 3339, HH:MM[:SS] today in UTC, or 10m, 2h, 1d ago"


class TimeUnreadable(ValueError):
    """A time in none of the forms that people may use; the message is a sentence for them."""


def rfc3339(at_us: int) -> str:
    """Microseconds since the epoch as "2026-11-22T15:02:41.279Z"."""
    seconds, us = divmod(at_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{us // 1000:03d}Z"


def rfc3339_or_none(at_us: int | None) -> str | None:
    """As `rfc3339`, None staying None."""
    return None if at_us is None else rfc3339(at_us)


def parse_time(text: str, now: datetime) -> int:
    """Microseconds since the epoch, from any of `TIME_FORMS`; `now` is in UTC. Raises `TimeUnreadable`."""
    try:
        if ago := _AGO.fullmatch(text):
            at = now - timedelta(seconds=int(ago[1]) * _UNITS_S[ago[2]])
        elif clock := _CLOCK.fullmatch(text):
            at = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=int(clock[3] or 0), microsecond=0)
        else:
            given = datetime.fromisoformat(text)
            at = given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except (ValueError, OverflowError):
        msg = f"the time {text[:40]!r} is neither RFC 3339 nor HH:MM[:SS] nor a span such as 10m or 2h"
        raise TimeUnreadable(msg) from None
    return (at - _EPOCH) // _MICROSECOND
