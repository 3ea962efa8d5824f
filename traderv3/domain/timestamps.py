"""Times as people and browsers read them: RFC 3339, UTC, milliseconds."""

from datetime import UTC, datetime


def rfc3339(at_us: int) -> str:
    """Microseconds since the epoch as "2026-11-22T15:02:41.279Z"."""
    seconds, us = divmod(at_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{us // 1000:03d}Z"


def rfc3339_or_none(at_us: int | None) -> str | None:
    """As `rfc3339`, None staying None."""
    return None if at_us is None else rfc3339(at_us)
