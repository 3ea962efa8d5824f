"""The exchange about itself: status, hours, freshness of reads, a member's limits, what each call costs.

Source: Kalshi's OpenAPI document 3.34.0; "Maintenance and pauses" for the Thursday window. Never: a member's trade.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from traderv3.exchange.market import CLOSE_TIME, OPEN_TIME
from traderv3.exchange.member_wire import SHARD
from traderv3.exchange.rate_limits import COST_DEFAULT, RateLimits
from traderv3.exchange.rest_request import Call, Refusal, Route, moment

if TYPE_CHECKING:
    from traderv3.exchange.desk import Desk
    from traderv3.exchange.replica import Replica

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
THURSDAY: Final = WEEKDAYS.index("thursday")
MAINTENANCE_HOURS: Final = (3, 5)  # in New York, every Thursday
WINDOWS_SHOWN: Final = 2  # this week's or the running one, and the next
_ALL_DAY: Final = [{"open_time": "00:00", "close_time": "24:00"}]
_AROUND_MAINTENANCE: Final = [
    {"open_time": "00:00", "close_time": "03:00"},
    {"open_time": "05:00", "close_time": "24:00"},
]


class ExchangeRoutes:
    """Answers about the exchange as a whole. `resumes_us` says when a pause is expected to end."""

    def __init__(
        self,
        desk: "Desk",
        replica: "Replica",
        limits: RateLimits,
        *,
        now_us: Callable[[], int],
        resumes_us: Callable[[], int | None],
    ) -> None:
        self._desk = desk
        self._replica = replica
        self._limits = limits
        self._now_us = now_us
        self._resumes_us = resumes_us
        self._costs: list[dict[str, Any]] = []

    def routes(self) -> list[Route]:
        """This part of the router's table."""
        return [
            Route("GET", "exchange/status", self._status),
            Route("GET", "exchange/schedule", lambda _: {"schedule": schedule(self._now_us())}),
            Route("GET", "exchange/user_data_timestamp", self._timestamp),
            Route("GET", "account/limits", lambda _: self._limits.body(), is_private=True),
            Route("GET", "account/endpoint_costs", self._endpoint_costs),
        ]

    def show_costs(self, base: str, routes: list[Route]) -> None:
        """Take note of what the calls of the whole table cost."""
        self._costs = [
            {"method": route.method, "path": f"{base}/{route.path}", "cost": route.cost}
            for route in routes
            if route.cost != COST_DEFAULT
        ]

    def _status(self, _: Call) -> Any:
        """In an outage of the whole exchange the same body comes as a 503."""
        states: dict[str, Any] = {
            "exchange_active": self._desk.is_exchange_active,
            "trading_active": self._desk.is_trading_active,
            "intra_exchange_transfers_active": self._desk.is_exchange_active,
        }
        shard = {"exchange_index": SHARD, "description": "default"} | states
        body = states | {"exchange_index_statuses": [shard]}
        resumes_us = self._resumes_us()
        if resumes_us is not None:
            body["exchange_estimated_resume_time"] = moment(resumes_us)
        if not self._desk.is_exchange_active:
            raise Refusal(503, body)
        return body

    def _timestamp(self, _: Call) -> Any:
        return {"as_of_time": moment(self._replica.as_of_us(self._now_us()))}

    def _endpoint_costs(self, _: Call) -> Any:
        return {"default_cost": COST_DEFAULT, "endpoint_costs": self._costs}


def schedule(now_us: int) -> dict[str, Any]:
    """Open around the clock but for Thursday 03:00 to 05:00 in New York; the windows that come next, in UTC."""
    hours: dict[str, Any] = {"start_time": OPEN_TIME, "end_time": CLOSE_TIME} | dict.fromkeys(WEEKDAYS, _ALL_DAY)
    hours["thursday"] = _AROUND_MAINTENANCE
    return {"standard_hours": [hours], "maintenance_windows": _windows(now_us)}


def _windows(now_us: int) -> list[dict[str, str]]:
    zone = ZoneInfo("America/New_York")
    now = datetime.fromtimestamp(now_us // 1_000_000, tz=zone)
    day = now.date() + timedelta(days=(THURSDAY - now.weekday()) % 7)
    if day == now.date() and now.hour >= MAINTENANCE_HOURS[1]:
        day += timedelta(days=7)
    windows = []
    for week in range(WINDOWS_SHOWN):
        start, end = (
            datetime(day.year, day.month, day.day, hour, tzinfo=zone) + timedelta(days=7 * week)
            for hour in MAINTENANCE_HOURS
        )
        windows.append({"start_datetime": _utc(start), "end_datetime": _utc(end)})
    return windows


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
