"""Market definitions: what is traded, on which price grid, under which event and series.

Units: prices 1e-4 dollar, times microseconds since the epoch.
Source: Kalshi's "Subpenny pricing" page for the structures; `price_ranges` is the authority.
The made-up catalogue depends on the seed alone, never on the clock: a market must not close during a session.
"""

import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from traderv3.domain.fees import ORDINARY_FEES, FeeSchedule
from traderv3.domain.units import DOLLAR, format_price

Band = tuple[int, int, int]  # start, end, step; 1e-4 dollar

STRUCTURES: Final[dict[str, tuple[Band, ...]]] = {
    "linear_cent": ((0, 10_000, 100),),
    "deci_cent": ((0, 10_000, 10),),
    "tapered_deci_cent": ((0, 1_000, 10), (1_000, 9_000, 100), (9_000, 10_000, 10)),
    "center_whole_edge_half_cent": ((0, 1_000, 50), (1_000, 9_000, 100), (9_000, 10_000, 50)),
    "center_whole_edge_quint_cent": ((0, 1_000, 20), (1_000, 9_000, 100), (9_000, 10_000, 20)),
    "center_half_edge_half_cent": ((0, 10_000, 50),),
    "center_half_edge_quint_cent": ((0, 1_000, 20), (1_000, 9_000, 50), (9_000, 10_000, 20)),
    "center_half_edge_deci_cent": ((0, 1_000, 10), (1_000, 9_000, 50), (9_000, 10_000, 10)),
    "center_quint_edge_quint_cent": ((0, 10_000, 20),),
    "center_quint_edge_deci_cent": ((0, 1_000, 10), (1_000, 9_000, 20), (9_000, 10_000, 10)),
    "center_centi_edge_centi_cent": ((0, 10_000, 1),),
    "center_deci_edge_centi_cent": ((0, 100, 1), (100, 9_900, 10), (9_900, 10_000, 1)),
}
RECORDED_STRUCTURE: Final = "center_centi_edge_centi_cent"  # the finest: every recorded price is on it

OPEN_TIME: Final = "2026-01-01T00:00:00Z"
CLOSE_TIME: Final = "2099-12-31T22:00:00Z"
EXPIRATION_TIME: Final = "2100-01-07T22:00:00Z"
CLOSE_TS: Final = 4_102_437_600  # CLOSE_TIME in seconds
OPEN_US: Final = 1_767_225_600_000_000  # OPEN_TIME
CLOSE_US: Final = CLOSE_TS * 1_000_000
SETTLEMENT_TIMER_S: Final = 60

MARKETS_DEFAULT: Final = 18
MARKETS_MAX: Final = 600


@dataclass(frozen=True, slots=True)
class Event:
    """One question with several markets. `structure` is the price grid, `fees` what the series charges, for all of them."""

    ticker: str
    series_ticker: str
    title: str
    sub_title: str
    category: str
    structure: str
    is_mutually_exclusive: bool
    fees: FeeSchedule = ORDINARY_FEES


@dataclass(frozen=True, slots=True)
class Market:
    """One binary contract. `fair` (1e-4 dollar) is where synthetic participants start to trade it.

    `own_structure` replaces the event's price grid; no fees are charged until `fees_waived_until_us`.
    """

    ticker: str
    event: Event
    title: str
    strike_type: str = "custom"
    floor_strike: float | None = None
    cap_strike: float | None = None
    fair: int = DOLLAR // 2
    is_busy: bool = False
    market_id: str = field(default="")
    open_us: int = OPEN_US
    close_us: int = CLOSE_US
    settlement_timer_s: int = SETTLEMENT_TIMER_S
    fees_waived_until_us: int | None = None
    own_structure: str = ""

    def __post_init__(self) -> None:
        if not self.market_id:
            object.__setattr__(self, "market_id", str(uuid.uuid5(uuid.NAMESPACE_OID, self.ticker)))

    @property
    def structure(self) -> str:
        """The name of the price grid."""
        return self.own_structure or self.event.structure

    @property
    def bands(self) -> tuple[Band, ...]:
        """The price grid, ascending and without gaps."""
        return STRUCTURES[self.structure]

    def is_on_grid(self, price: int) -> bool:
        """Whether an order may stand at `price`; a price between two bands is right if either allows it."""
        return 0 < price < DOLLAR and any(
            start <= price <= end and (price - start) % step == 0 for start, end, step in self.bands
        )

    def ladder(self) -> tuple[int, ...]:
        """Every price an order may stand at, ascending."""
        prices = {price for start, end, step in self.bands for price in range(start, end + 1, step)}
        return tuple(sorted(prices - {0, DOLLAR}))

    def price_ranges(self) -> list[dict[str, str]]:
        """The grid as the venue prints it."""
        return [
            {"start": format_price(start), "end": format_price(end), "step": format_price(step)}
            for start, end, step in self.bands
        ]


def made_up(seed: int, count: int = MARKETS_DEFAULT) -> list[Market]:
    """A plausible catalogue of `count` markets in three events with three grids; the same for the same seed."""
    assert 1 <= count <= MARKETS_MAX
    rng = random.Random(f"catalogue:{seed}")
    makers = (_thresholds, _temperatures, _cup)
    sizes = [count // 3 + (1 if i < count % 3 else 0) for i in range(3)]
    return [market for make, size in zip(makers, sizes, strict=True) for market in make(rng, size)]


def _thresholds(rng: random.Random, count: int) -> list[Market]:
    """An index above one of several strikes: prices fall from strike to strike, the one next to the money is busy."""
    event = Event(
        ticker=f"KXDEMOINDEX-99DEC{rng.randint(10, 31)}",
        series_ticker="KXDEMOINDEX",
        title="Where will the demo index stand?",
        sub_title="At the end of 2099",
        category="Financials",
        structure="deci_cent",
        is_mutually_exclusive=False,
    )
    middle = rng.randrange(60_000, 120_000, 500)
    markets = []
    for i in range(count):
        strike = middle + (i - count // 2) * 500 - 0.01
        fair = _spread_fair(rng, 1 - (i + 0.5) / count)
        markets.append(
            Market(
                ticker=f"{event.ticker}-T{strike:.2f}",
                event=event,
                title=f"{strike:.2f} or above",
                strike_type="greater",
                floor_strike=strike,
                fair=fair,
                is_busy=i == count // 2,
            )
        )
    return markets


def _temperatures(rng: random.Random, count: int) -> list[Market]:
    """The highest temperature within one of several bands: mutually exclusive, whole cents, quiet."""
    event = Event(
        ticker=f"KXDEMOHIGH-99DEC{rng.randint(10, 31)}",
        series_ticker="KXDEMOHIGH",
        title="How warm will the demo city get?",
        sub_title="On a day in December 2099",
        category="Climate and Weather",
        structure="linear_cent",
        is_mutually_exclusive=True,
    )
    base = rng.randint(30, 60)
    markets = []
    weights = [1 / (0.9 + abs(i - count // 2)) for i in range(count)]
    for i in range(count):
        low = base + 2 * i
        fair = _spread_fair(rng, weights[i] / sum(weights))
        markets.append(
            Market(
                ticker=f"{event.ticker}-B{low + 0.5:.1f}",
                event=event,
                title=f"{low}° to {low + 1}°",
                strike_type="between",
                floor_strike=low,
                cap_strike=low + 1,
                fair=fair,
            )
        )
    return markets


def _cup(rng: random.Random, count: int) -> list[Market]:
    """Who wins a cup: one favourite, whose market is busy, and outsiders at prices with finer ticks."""
    event = Event(
        ticker=f"KXDEMOCUP-{rng.randint(90, 99)}",
        series_ticker="KXDEMOCUP",
        title="Who will win the demo cup?",
        sub_title="Final in 2099",
        category="Sports",
        structure="tapered_deci_cent",
        is_mutually_exclusive=True,
    )
    markets = []
    codes = _team_codes(rng, count)
    outsiders = [1 / (1 + i) for i in range(count - 1)]
    for i, code in enumerate(codes):
        fair = _spread_fair(rng, 0.55 if i == 0 else 0.45 * outsiders[i - 1] / sum(outsiders))
        markets.append(
            Market(ticker=f"{event.ticker}-{code}", event=event, title=f"Team {code}", fair=fair, is_busy=i == 0)
        )
    return markets


def _team_codes(rng: random.Random, count: int) -> list[str]:
    codes: dict[str, None] = {}
    while len(codes) < count:
        codes["".join(rng.choice("ABCDEFGHJKLMNPRSTVW") for _ in range(3))] = None
    return list(codes)


def _spread_fair(rng: random.Random, wanted: float) -> int:
    """A starting price near `wanted` dollars, on whole cents (on every grid) and away from the ends."""
    cents = round(100 * wanted + rng.uniform(-2, 2))
    return 100 * min(94, max(6, cents))


def recorded(tickers: Iterable[str]) -> list[Market]:
    """Definitions for the markets of a recording: active, on the finest grid; event and series read from the ticker."""
    events: dict[str, Event] = {}
    markets = []
    for ticker in dict.fromkeys(tickers):
        event_ticker = ticker.rpartition("-")[0] or ticker
        event = events.get(event_ticker)
        if event is None:
            event = events[event_ticker] = Event(
                ticker=event_ticker,
                series_ticker=ticker.partition("-")[0],
                title=event_ticker,
                sub_title="From a recording",
                category="Recorded",
                structure=RECORDED_STRUCTURE,
                is_mutually_exclusive=False,
            )
        markets.append(Market(ticker=ticker, event=event, title=ticker.rpartition("-")[2]))
    return markets
