"""What an order must be before it comes near a book: the questions of form, each with the venue's own refusal.

Units: prices 1e-4 dollar, counts 0.01 contract, times microseconds since the epoch.
Source: Kalshi's OpenAPI document 3.34.0; codes as captured on the demo exchange (June 2026), pauses on production.
Never: a question about money, or about other orders.
"""

from typing import Final

from traderv3.domain.orders import TimeInForce
from traderv3.exchange.lifecycle import MarketStatus
from traderv3.exchange.listing import Listing
from traderv3.exchange.records import Amendment, NewOrder, OrderRecord, Rejected

EXPIRY_MAX_US: Final = 253_402_300_799 * 1_000_000  # the end of the year 9999: milliseconds for seconds lie beyond
_COUNT_MAX: Final = 10**11  # a milliard of contracts; keeps every sum of money within 64 bits for readers elsewhere


def check_market(listing: Listing) -> None:
    """Raise `Rejected` unless the market takes orders; a halted one answers as a paused exchange does."""
    if listing.status is MarketStatus.INACTIVE:
        raise Rejected(409, "trading_is_paused")
    if not listing.is_trading:
        raise _market_inactive()


def check_not_over(listing: Listing) -> None:
    """Raise `Rejected` if the market is past its close; while it is only halted, orders may be withdrawn."""
    if is_over(listing):
        raise _market_inactive()


def is_over(listing: Listing) -> bool:
    """Whether nothing may be done with the market's orders any more, not even a cancel."""
    return listing.status not in (MarketStatus.ACTIVE, MarketStatus.INACTIVE)


def _market_inactive() -> Rejected:
    """What every order operation on a market that is not open gets."""
    return Rejected(400, "MARKET_INACTIVE", "market is inactive")


def check_new(new: NewOrder, listing: Listing, now_us: int) -> None:
    """Raise `Rejected` if the order contradicts itself or the market's grid."""
    _check_terms(listing, new.price, new.count)
    is_resting_kind = new.time_in_force is TimeInForce.GTC
    if new.expires_us is not None:
        if not is_resting_kind:
            raise _invalid("expiration_time needs good_till_canceled")
        _check_future(new.expires_us, now_us)
    if new.is_post_only and not is_resting_kind:
        raise _invalid("post_only needs good_till_canceled")
    if new.is_reduce_only and is_resting_kind:
        raise _invalid("reduce_only needs immediate_or_cancel or fill_or_kill")


def check_amendment(amendment: Amendment, record: OrderRecord, listing: Listing, now_us: int) -> None:
    """Raise `Rejected` if the amendment names another order, or wants what no order may."""
    if amendment.ticker != record.ticker:
        raise Rejected(400, "order_ticker_mismatch")
    if amendment.is_bid != record.is_bid:
        raise Rejected(400, "order_side_mismatch")
    if amendment.client_order_id is not None and amendment.client_order_id != record.client_order_id:
        raise Rejected(400, "order_id_and_client_order_id_mismatch")
    _check_terms(listing, amendment.price, amendment.count)
    if amendment.count <= record.filled:
        raise Rejected(400, "invalid_order_size", details="count must exceed what is filled already")
    if amendment.expires_us:
        _check_future(amendment.expires_us, now_us)


def _check_terms(listing: Listing, price: int, count: int) -> None:
    if not 0 < count <= _COUNT_MAX:
        raise Rejected(400, "invalid_order_size")
    if not listing.market.is_on_grid(price):
        raise Rejected(400, "invalid_price")


def _check_future(expires_us: int, now_us: int) -> None:
    if not now_us < expires_us <= EXPIRY_MAX_US:
        raise _invalid("expiration_time must be in the future, in seconds")


def _invalid(details: str) -> Rejected:
    return Rejected(400, "invalid_order", details=details)
