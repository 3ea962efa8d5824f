"""`traderv3 check`: a line for each finding, and the exit code that says who must act."""

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from tests.clients.http_venue import DATE, SIGNER, Asked, answer, door_to, http_venue, wall_us
from traderv3.clients import rest_gate, venue_check
from traderv3.core.supervision import Backoff

if TYPE_CHECKING:
    from traderv3.config.settings import Settings

THURSDAY = [{"open_time": "00:00", "close_time": "03:00"}, {"open_time": "05:00", "close_time": "00:00"}]
ALL_DAY = [{"open_time": "00:00", "close_time": "00:00"}]
DAYS = ("monday", "tuesday", "wednesday", "friday", "saturday", "sunday")
HOURS = {"start_time": "2024-12-01T00:00:00Z", "end_time": "2200-12-01T00:00:00Z", "thursday": THURSDAY}
BODIES = {
    "/exchange/status": {"exchange_active": True, "trading_active": False},
    "/exchange/schedule": {
        "schedule": {"standard_hours": [HOURS | dict.fromkeys(DAYS, ALL_DAY)], "maintenance_windows": []}
    },
    "/account/limits": {
        "usage_tier": "basic",
        "read": {"refill_rate": 200, "bucket_capacity": 400},
        "write": {"refill_rate": 100, "bucket_capacity": 100},
        "grants": [],
    },
    "/account/endpoint_costs": {"default_cost": 10, "endpoint_costs": []},
}


async def said(monkeypatch: pytest.MonkeyPatch, failing: dict[str, int]) -> tuple[int, list[str]]:
    """Exit code and lines of a check against a venue that refuses these routes with these statuses."""

    def respond(asked: Asked) -> bytes:
        status = failing.get(asked.route, 200)
        body = BODIES[asked.route] if status == 200 else {"error": {"code": "authentication_error"}}
        return answer(status, json.dumps(body).encode(), Date=DATE)

    lines: list[str] = []
    monkeypatch.setattr(rest_gate, "BACKOFF", Backoff(0.0, 0.0))
    async with http_venue(respond) as venue:
        monkeypatch.setattr(venue_check, "open_door", lambda *_, **__: door_to(venue.port))
        monkeypatch.setattr(venue_check, "find_signer", lambda _: SIGNER)
        settings = cast("Settings", SimpleNamespace(api=venue.endpoint(), ws=venue.endpoint()))
        code = await venue_check.check_venue(settings, lines.append, wall_us=wall_us)
    return code, lines


async def test_a_venue_that_takes_us_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await said(monkeypatch, {}) == (
        venue_check.EXIT_OK,
        [
            "exchange     open",
            "trading      PAUSED at the venue",
            "next pause   2026-11-26T08:00:00.000Z to 2026-11-26T10:00:00.000Z",
            "clock        the venue's is ahead of ours by 0.0 s",
            "key          accepted, tier basic",
            "limits       200 read and 100 write tokens a second",
        ],
    )


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        ({"/account/limits": 401}, venue_check.EXIT_REFUSED),
        ({"/account/limits": 403}, venue_check.EXIT_REFUSED),
        ({"/exchange/status": 500}, venue_check.EXIT_UNREACHED),
        ({"/exchange/status": 404}, venue_check.EXIT_UNREACHED),
    ],
)
async def test_a_venue_that_does_not_says_who_must_act(
    monkeypatch: pytest.MonkeyPatch, failing: dict[str, int], expected: int
) -> None:
    code, lines = await said(monkeypatch, failing)

    assert code == expected
    assert lines[-1].startswith("venue        ")
    assert str(*failing.values()) in lines[-1]
