"""A market's life as a table: which verb leads from which status to which, and what of it is announced.

                  open_time           close_time            determine              settle
    initialized ─────────────► active ──────────► closed ──────────────► determined ──────► finalized
                               ▲    │ deactivate   ▲  │ reopen
                               │    ▼              │  └──────► active
                             inactive ─────────────┘ close_time

Opening and closing because the time came are silent at the venue; everything else is a message of the lifecycle channel.
Units: times microseconds since the epoch, seconds on the wire, prices 1e-4 dollar.
Source: Kalshi's "Market lifecycle" page (2026-06-01) and AsyncAPI document (October 2026). Left out: disputed, amended.
Never: an order, money, a clock.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from traderv3.domain.units import format_price

if TYPE_CHECKING:
    from traderv3.exchange.market import Market

SECOND_US: Final = 1_000_000


class MarketStatus(enum.StrEnum):
    """The venue's words on a market object (its query filter has other ones)."""

    INITIALIZED = "initialized"
    INACTIVE = "inactive"
    ACTIVE = "active"
    CLOSED = "closed"
    DETERMINED = "determined"
    FINALIZED = "finalized"


class Step(enum.StrEnum):
    """What can happen to a market."""

    OPEN = "open"
    DEACTIVATE = "deactivate"
    ACTIVATE = "activate"
    CLOSE = "close"
    REOPEN = "reopen"
    DETERMINE = "determine"
    SETTLE = "settle"


TRANSITIONS: Final[Mapping[tuple[MarketStatus, Step], MarketStatus]] = MappingProxyType(
    {
        (MarketStatus.INITIALIZED, Step.OPEN): MarketStatus.ACTIVE,
        (MarketStatus.INITIALIZED, Step.CLOSE): MarketStatus.CLOSED,
        (MarketStatus.ACTIVE, Step.DEACTIVATE): MarketStatus.INACTIVE,
        (MarketStatus.ACTIVE, Step.CLOSE): MarketStatus.CLOSED,
        (MarketStatus.INACTIVE, Step.ACTIVATE): MarketStatus.ACTIVE,
        (MarketStatus.INACTIVE, Step.CLOSE): MarketStatus.CLOSED,
        (MarketStatus.CLOSED, Step.REOPEN): MarketStatus.ACTIVE,
        (MarketStatus.CLOSED, Step.DETERMINE): MarketStatus.DETERMINED,
        (MarketStatus.DETERMINED, Step.SETTLE): MarketStatus.FINALIZED,
    }
)

Members = tuple[tuple[str, object], ...]


def created(market: "Market") -> Members:
    """What the venue sends with `created`. Strikes are left away where the market has none."""
    metadata: dict[str, object] = {
        "name": market.title,
        "title": market.event.title,
        "yes_sub_title": market.title,
        "no_sub_title": market.title,
        "rules_primary": f"If the outcome is {market.title}, then the market resolves to Yes.",
        "rules_secondary": "",
        "can_close_early": True,
        "event_ticker": market.event.ticker,
        "expected_expiration_ts": market.close_us // SECOND_US,
        "strike_type": market.strike_type,
    }
    strikes = (("floor_strike", market.floor_strike), ("cap_strike", market.cap_strike))
    metadata |= {name: strike for name, strike in strikes if strike is not None}
    return (
        ("exchange_index", 0),
        ("open_ts", market.open_us // SECOND_US),
        *close_date(market.close_us),
        *structure(market),
        ("additional_metadata", metadata),
    )


def close_date(close_us: int) -> Members:
    """What the venue sends with `close_date_updated`."""
    return (("close_ts", close_us // SECOND_US),)


def structure(market: "Market") -> Members:
    """What the venue sends with `price_level_structure_updated`."""
    return (("price_level_structure", market.structure), ("price_ranges", market.price_ranges()))


def activation(*, is_deactivated: bool) -> Members:
    """What the venue sends with `activated` and `deactivated`."""
    return (("is_deactivated", is_deactivated),)


def determination(result: str, value: int, at_us: int) -> Members:
    """What the venue sends with `determined`; `value` is what one YES contract pays."""
    return (("determination_ts", at_us // SECOND_US), ("result", result), ("settlement_value", format_price(value)))


def settlement(at_us: int) -> Members:
    """What the venue sends with `settled`."""
    return (("settled_ts", at_us // SECOND_US),)
